package media_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// roamingConn is the socket of a client that gets another address under it, as a phone behind a NAT that has forgotten
// it, or that goes from one network to the next. The client does not notice.
type roamingConn struct {
	tb   testing.TB
	home net.Addr // what the client believes its address is

	mu      sync.Mutex
	present net.PacketConn
	packets chan arrived
	done    chan struct{}
	readers sync.WaitGroup
}

type arrived struct {
	data []byte
	from net.Addr
}

func newRoamingConn(tb testing.TB) *roamingConn {
	tb.Helper()
	c := &roamingConn{tb: tb, packets: make(chan arrived, 1000), done: make(chan struct{})}
	c.move("127.0.0.1:0")
	c.home = c.present.LocalAddr()
	return c
}

// move leaves the old address at once: nothing that is on its way there arrives.
func (c *roamingConn) move(address string) {
	c.tb.Helper()
	next, err := net.ListenPacket("udp4", address)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.mu.Lock()
	before := c.present
	c.present = next
	c.mu.Unlock()
	if before != nil {
		_ = before.Close()
	}
	c.readers.Go(func() { c.read(next) })
}

func (c *roamingConn) read(socket net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		select {
		case c.packets <- arrived{append([]byte{}, buffer[:n]...), from}:
		case <-c.done:
			return
		}
	}
}

func (c *roamingConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.packets:
		return copy(b, p.data), p.from, nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

func (c *roamingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	socket := c.present
	c.mu.Unlock()
	n, err := socket.WriteTo(b, to)
	if errors.Is(err, net.ErrClosed) {
		return len(b), nil // it is just moving
	}
	return n, err
}

func (c *roamingConn) Close() error {
	close(c.done)
	err := c.present.Close()
	c.readers.Wait()
	return err
}

func (c *roamingConn) LocalAddr() net.Addr              { return c.home }
func (c *roamingConn) SetDeadline(time.Time) error      { return nil }
func (c *roamingConn) SetReadDeadline(time.Time) error  { return nil }
func (c *roamingConn) SetWriteDeadline(time.Time) error { return nil }

// on makes a client use the socket.
func (c *roamingConn) on(tb testing.TB) func(*webrtc.SettingEngine) {
	tb.Helper()
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: c})
	tb.Cleanup(func() { _ = mux.Close() })
	return func(s *webrtc.SettingEngine) { s.SetICEUDPMux(mux) }
}

// A client whose address changes goes on without a word of signalling, whichever side of ICE it is, and nobody notices
// more than a gap.
func TestRoaming_MediaFollowsTheClient(t *testing.T) {
	for name, lite := range map[string]bool{"full ICE": false, "ICE-lite": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits, mostly
			followClients(t, newFixtureOn(t, rtc.NetworkConfig{
				UDPAddress: "127.0.0.1:0", Loopback: true, Lite: lite, Disconnected: time.Second, Failed: 2 * time.Second,
			}))
		})
	}
}

func followClients(t *testing.T, f *fixture) {
	t.Helper()
	p := f.pipeline(t)
	out, in := newRoamingConn(t), newRoamingConn(t)
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, out.on(t))
	pub.track(webrtc.MimeTypeVP8, "cam")
	seen := f.states(pub.endpoint)
	id := pub.publish().Streams[0].ID
	sub := prepareSubscriber(t)
	sub.adjust = in.on(t)
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 20) })

	for name, conn := range map[string]*roamingConn{"publisher": out, "subscriber": in} {
		for _, address := range []string{"127.0.0.2:0", "127.0.0.3:0"} {
			before := sub.track(id, "video").count()
			moved := time.Now()
			conn.move(address)
			testkit.Eventually(t, func() error { return sub.receives(id, "video", before+40) })
			t.Logf("%s at %s: %s", name, address, time.Since(moved))
		}
	}
	testkit.Eventually(t, func() error { return seen.last(control.ConnectionConnected) })
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionConnected) })
	if got := sub.offerCount(); got != 1 {
		t.Errorf("%d offers, want the first only", got)
	}
}

func (s *states) last(want control.ConnectionState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.list); n == 0 || s.list[n-1] != want {
		return fmt.Errorf("states %v, want %s at last", s.list, want)
	}
	return nil
}
