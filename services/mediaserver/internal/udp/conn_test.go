//go:build linux

package udp_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	arrival = 10 * time.Second // generous: what has not come by then never comes
	media   = 0x80             // first byte of RTP
)

// open is a socket under test on ip.
func open(tb testing.TB, ip string, segmented bool) *udp.Conn {
	tb.Helper()
	conn := udp.New(listen(tb, ip))
	udp.SetSegmented(conn, segmented)
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			tb.Error(err)
		}
	})
	return conn
}

func listen(tb testing.TB, ip string) *net.UDPConn {
	tb.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil && ip == "::1" {
		tb.Skipf("no IPv6: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return socket
}

func receiver(tb testing.TB, ip string) *net.UDPConn {
	tb.Helper()
	socket := listen(tb, ip)
	tb.Cleanup(func() { _ = socket.Close() })
	_ = socket.SetReadBuffer(1 << 20) // the kernel may grant less
	if err := socket.SetReadDeadline(time.Now().Add(arrival)); err != nil {
		tb.Fatal(err)
	}
	return socket
}

// datagram is a packet whose content says which one it is.
func datagram(number uint32, size int) []byte {
	p := make([]byte, size)
	p[0] = media
	binary.BigEndian.PutUint32(p[1:], number)
	for i := 5; i < size; i++ {
		p[i] = byte(int(number) + i)
	}
	return p
}

// Every packet arrives once and whole, those of one destination in order.
func TestConn_DeliversInOrder(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for _, segmented := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s segmented %v", ip, segmented), func(t *testing.T) {
				conn := open(t, ip, segmented)
				var senders sync.WaitGroup
				for seed := range 8 {
					to := receiver(t, ip)
					senders.Go(func() { deliver(t, conn, to, rand.New(rand.NewPCG(uint64(seed), 1))) })
				}
				senders.Wait()
				if n := conn.Dropped(); n != 0 {
					t.Errorf("%d packets dropped", n)
				}
			})
		}
	}
}

// deliver sends bursts, each as large as fits into any receive buffer, and reads them back.
func deliver(t *testing.T, conn *udp.Conn, to *net.UDPConn, random *rand.Rand) {
	t.Helper()
	buffer := make([]byte, 2048)
	for number, burst := uint32(0), 0; burst < 60; burst++ {
		first := number
		size := 5 + random.IntN(1195)
		for range 1 + random.IntN(40) {
			if random.IntN(4) == 0 {
				size = 5 + random.IntN(1195)
			}
			if n, err := conn.WriteTo(datagram(number, size), to.LocalAddr()); err != nil || n != size {
				t.Errorf("write: %d, %v", n, err)
				return
			}
			number++
		}
		for want := first; want < number; want++ {
			n, err := to.Read(buffer)
			if err != nil {
				t.Errorf("packet %d: %v", want, err)
				return
			}
			if string(buffer[:n]) != string(datagram(want, n)) {
				t.Errorf("packet %d is another one, or not whole", want)
				return
			}
		}
	}
}

// What a destination refuses is nobody else's trouble. The kernel refuses to send to port 0.
func TestConn_OneDestinationFails(t *testing.T) {
	for _, segmented := range []bool{true, false} {
		conn, good := open(t, "127.0.0.1", segmented), receiver(t, "127.0.0.1")
		bad := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
		buffer := make([]byte, 2048)
		for round := range uint32(10) {
			for i := range uint32(6) {
				for _, to := range []net.Addr{bad, good.LocalAddr()} {
					if _, err := conn.WriteTo(datagram(6*round+i, 1000), to); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range uint32(6) {
				if n, err := good.Read(buffer); err != nil || string(buffer[:n]) != string(datagram(6*round+i, 1000)) {
					t.Fatalf("round %d, packet %d: %v", round, i, err)
				}
			}
		}
		testkit.Eventually(t, func() error {
			if n := conn.Dropped(); n != 60 {
				return fmt.Errorf("%d packets dropped, want 60", n)
			}
			return nil
		})
	}
}

// A handshake does not wait behind media.
func TestConn_WritesTheRestAtOnce(t *testing.T) {
	conn, to := open(t, "127.0.0.1", true), receiver(t, "127.0.0.1")
	release := udp.Stall(conn) // nothing that is collected leaves
	defer release()
	if _, err := conn.WriteTo(datagram(0, 100), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	for _, first := range []byte{0, 22} { // STUN, DTLS
		if _, err := conn.WriteTo([]byte{first, 1, 2}, to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 2048)
		if n, err := to.Read(buffer); err != nil || n != 3 || buffer[0] != first {
			t.Fatalf("read %v, %v", buffer[:n], err)
		}
	}
}

// While the kernel takes nothing, writers go on and what is too much is counted.
func TestConn_NeverBlocksAWriter(t *testing.T) {
	conn, to := open(t, "127.0.0.1", true), receiver(t, "127.0.0.1")
	defer udp.Stall(conn)()
	const packets = 10_000
	p := datagram(0, 1200)
	for range packets {
		if _, err := conn.WriteTo(p, to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if n := conn.Dropped(); n == 0 || n >= packets {
		t.Errorf("%d of %d packets dropped", n, packets)
	}
}

func TestConn_CloseSendsWhatWaits(t *testing.T) {
	conn, to := open(t, "127.0.0.1", true), receiver(t, "127.0.0.1")
	for i := range uint32(20) {
		if _, err := conn.WriteTo(datagram(i, 500), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	for i := range uint32(20) {
		if n, err := to.Read(buffer); err != nil || string(buffer[:n]) != string(datagram(i, 500)) {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	if _, err := conn.WriteTo(datagram(0, 500), to.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestConn_Reads(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			conn, from := open(t, ip, true), receiver(t, ip)
			if err := conn.SetReadDeadline(time.Now().Add(arrival)); err != nil {
				t.Fatal(err)
			}
			buffer := make([]byte, 2048)
			for range 3 {
				if _, err := from.WriteTo([]byte("hello"), conn.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				n, addr, err := conn.ReadFrom(buffer)
				if err != nil || string(buffer[:n]) != "hello" || addr.String() != from.LocalAddr().String() {
					t.Fatalf("read %q from %v: %v", buffer[:n], addr, err)
				}
			}
		})
	}
}

// Neither writing nor sending a packet allocates; a batch that grows or shrinks does, now and then.
func TestConn_AllocatesNothing(t *testing.T) {
	conn, to := open(t, "127.0.0.1", true), receiver(t, "127.0.0.1")
	p, addr := datagram(0, 1200), to.LocalAddr()
	round := func() {
		for range 100 {
			if _, err := conn.WriteTo(p, addr); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n > 10 {
		t.Errorf("%v allocations for 100 packets", n)
	}
}
