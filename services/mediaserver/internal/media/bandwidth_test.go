package media_test

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// narrowConn is a client's socket behind a link of a certain rate, with a queue before it.
type narrowConn struct {
	net.PacketConn
	rate    atomic.Int64 // bit/s
	arrived chan datagram
}

type datagram struct {
	data []byte
	from net.Addr
	due  time.Time
}

const (
	narrowQueue = 400 * time.Millisecond // longer than that no packet waits, it is dropped
	ipHeader    = 28
)

// behind makes a client use a socket behind a link.
func behind(tb testing.TB, rate int64) (*narrowConn, func(*webrtc.SettingEngine)) {
	tb.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c := &narrowConn{PacketConn: conn, arrived: make(chan datagram, 1000)} // more than the queue ever holds
	c.rate.Store(rate)
	go c.receive()
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: c})
	tb.Cleanup(func() { _ = mux.Close() })
	return c, func(s *webrtc.SettingEngine) { s.SetICEUDPMux(mux) }
}

// receive ends with the socket.
func (c *narrowConn) receive() {
	defer close(c.arrived)
	var free time.Time // when the link has sent everything
	buffer := make([]byte, 1500)
	for {
		n, from, err := c.PacketConn.ReadFrom(buffer)
		if err != nil {
			return
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if free.Sub(now) > narrowQueue {
			continue
		}
		free = free.Add(time.Duration(float64((n+ipHeader)*8) / float64(c.rate.Load()) * float64(time.Second)))
		c.arrived <- datagram{append([]byte(nil), buffer[:n]...), from, free}
	}
}

func (c *narrowConn) ReadFrom(b []byte) (int, net.Addr, error) {
	d, open := <-c.arrived
	if !open {
		return 0, nil, net.ErrClosed
	}
	time.Sleep(time.Until(d.due)) // on the link
	return copy(b, d.data), d.from, nil
}

// narrowViewer is a subscriber who looks at the pictures' width only: packets may be lost.
type narrowViewer struct {
	*subscriber
	width   atomic.Int64
	quality atomic.Pointer[media.QualityChanged]
}

func newNarrowViewer(
	t *testing.T, f *fixture, p *media.Pipeline, user control.UserID, adjust func(*webrtc.SettingEngine),
) *narrowViewer {
	t.Helper()
	v := &narrowViewer{subscriber: prepareSubscriber(t)}
	v.adjust = adjust
	v.watch = func(p *rtp.Packet) {
		if d, ok := payload.ParseVP8(p.Payload); ok && d.Keyframe {
			v.width.Store(int64(d.Width))
		}
	}
	v.attach(f, p, user, control.Subscriptions{Mode: control.SubscribeAll})
	f.watchAlso(v.endpoint, func(e media.Event) {
		if data, ok := e.Data.(media.QualityChanged); ok {
			v.quality.Store(&data)
		}
	})
	return v
}

// watchAlso gives the events of an object to a second listener too.
func (f *fixture) watchAlso(object media.Object, listener func(media.Event)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.listeners[object.ID()]
	f.listeners[object.ID()] = func(e media.Event) {
		first(e)
		listener(e)
	}
}

func (v *narrowViewer) sees(width int64) error {
	if got := v.width.Load(); got != width {
		return fmt.Errorf("a picture %d wide, want %d", got, width)
	}
	return nil
}

func (v *narrowViewer) told(layer int, limit control.QualityLimit) error {
	q := v.quality.Load()
	if q == nil || len(q.Streams) != 1 {
		return fmt.Errorf("told %+v", q)
	}
	if want := (control.StreamQuality{ID: q.Streams[0].ID, Layer: layer, Layers: 3, Limit: limit}); q.Streams[0] != want {
		return fmt.Errorf("told %+v, want layer %d, limited by %s", q.Streams, layer, limit)
	}
	return nil
}

// A subscriber behind a narrow link gets the smallest picture, the largest when the link gets wide, and the smallest
// again when it narrows. Others are not concerned.
func TestBandwidth_ChoosesTheLayer(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	c := pub.simulcast("cam")
	c.layers["q"].size, c.layers["h"].size, c.layers["f"].size = 60, 400, 1000 // 65, 350, 850 kbit/s
	pub.publish()
	c.start()
	wide := newNarrowViewer(t, f, p, "wide", nil)
	link, adjust := behind(t, 250_000)
	narrow := newNarrowViewer(t, f, p, "narrow", adjust)

	testkit.Eventually(t, func() error { return wide.sees(640) })
	testkit.Eventually(t, func() error { return narrow.told(0, control.LimitedByBandwidth) })
	testkit.Eventually(t, func() error { return narrow.sees(160) })
	began := time.Now()
	link.rate.Store(4_000_000)
	testkit.Eventually(t, func() error { return narrow.sees(640) })
	t.Logf("the largest picture %v after the link got wide", time.Since(began))
	testkit.Eventually(t, func() error { return narrow.told(2, control.LimitedByPublisher) })
	began = time.Now()
	link.rate.Store(250_000)
	testkit.Eventually(t, func() error { return narrow.sees(160) })
	t.Logf("the smallest picture %v after the link narrowed", time.Since(began))
	testkit.Eventually(t, func() error { return narrow.told(0, control.LimitedByBandwidth) })
	testkit.Eventually(t, func() error { return wide.told(2, control.LimitedByPublisher) })
}
