package media_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// telephone sends and receives RTP on UDP ports of its own.
type telephone struct {
	tb           testing.TB
	audio, video *net.UDPConn

	mu       sync.Mutex
	received map[uint8]int // packets by payload type
	plis     int
	reports  []rtcp.ReceptionReport
}

func newTelephone(tb testing.TB) *telephone {
	tb.Helper()
	open := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			tb.Fatal(err)
		}
		return conn
	}
	p := &telephone{tb: tb, audio: open(), video: open(), received: map[uint8]int{}}
	var reading sync.WaitGroup
	for _, conn := range []*net.UDPConn{p.audio, p.video} {
		reading.Go(func() { p.read(conn) })
	}
	tb.Cleanup(func() {
		_ = p.audio.Close()
		_ = p.video.Close()
		reading.Wait()
	})
	return p
}

func (p *telephone) read(conn *net.UDPConn) {
	buffer := make([]byte, 1500)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		if packets, err := rtcp.Unmarshal(buffer[:n]); err == nil && buffer[1] >= 192 {
			for _, packet := range packets {
				switch packet := packet.(type) {
				case *rtcp.PictureLossIndication:
					p.plis++
				case *rtcp.ReceiverReport:
					p.reports = append(p.reports, packet.Reports...)
				}
			}
		} else {
			p.received[buffer[1]&0x7f]++
		}
		p.mu.Unlock()
	}
}

func port(conn *net.UDPConn) int { return conn.LocalAddr().(*net.UDPAddr).Port }

// offer is as telephones write it: RTCP on the port of RTP.
func (p *telephone) offer() string {
	return strings.ReplaceAll(fmt.Sprintf(`v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio %d RTP/AVP 97 0
a=rtpmap:97 opus/48000/2
a=rtcp-mux
m=video %d RTP/AVPF 98
a=rtpmap:98 VP8/90000
a=rtcp-fb:98 nack pli
a=rtcp-mux
`, port(p.audio), port(p.video)), "\n", "\r\n")
}

// portsOf are the ports of the m-lines of an answer.
func portsOf(tb testing.TB, answer string) (ports []int) {
	tb.Helper()
	for line := range strings.SplitSeq(answer, "\r\n") {
		var kind string
		var n int
		if _, err := fmt.Sscanf(line, "m=%s %d", &kind, &n); err == nil {
			ports = append(ports, n)
		}
	}
	return ports
}

// speak sends RTP to a port until the test ends.
func (p *telephone) speak(from *net.UDPConn, to int, payloadType uint8) {
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		packet := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: payloadType, SSRC: uint32(to)}, Payload: make([]byte, 100)}
		for ctx.Err() == nil {
			packet.SequenceNumber++
			packet.Timestamp += 360
			raw, err := packet.Marshal()
			if err != nil {
				p.tb.Error(err)
				return
			}
			_, _ = from.WriteToUDP(raw, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to})
			select {
			case <-ctx.Done():
			case <-time.After(4 * time.Millisecond):
			}
		}
	})
	p.tb.Cleanup(func() {
		cancel()
		sending.Wait()
	})
}

func (p *telephone) heard(payloadType uint8, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.received[payloadType]; got < n {
		return fmt.Errorf("%d packets of type %d, want %d", got, payloadType, n)
	}
	return nil
}

func connectBoth(tb testing.TB, a, b interface {
	media.Connectable
	Connect(media.Connectable, ...media.MediaType) error
},
) {
	tb.Helper()
	if err := errors.Join(a.Connect(b), b.Connect(a)); err != nil {
		tb.Fatal(err)
	}
}

func TestRTPEndpoint_TelephoneAndBrowser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	browser, phone := presenting(t, f, p), newTelephone(t)
	endpoint := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{}))
	connectBoth(t, browser.endpoint, endpoint)
	answer := must[string](t)(endpoint.ProcessOffer(t.Context(), phone.offer()))
	for _, want := range []string{"a=rtpmap:97 opus/48000/2\r\n", "a=rtpmap:98 VP8/90000\r\n", "a=rtcp-mux\r\n", "c=IN IP4 127.0.0.1\r\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("%q is missing in the answer:\n%s", want, answer)
		}
	}
	ports := portsOf(t, answer)
	if len(ports) != 2 || ports[0]%2 != 0 || ports[1]%2 != 0 {
		t.Fatalf("ports %v", ports)
	}
	phone.speak(phone.audio, ports[0], 97)
	phone.speak(phone.video, ports[1], 98)
	testkit.Eventually(t, func() error {
		return errors.Join(browser.has(30), phone.heard(97, 30), phone.heard(98, 30))
	})
	endpoint.RequestKeyframe()
	testkit.Eventually(t, func() error {
		phone.mu.Lock()
		defer phone.mu.Unlock()
		if phone.plis == 0 || len(phone.reports) == 0 {
			return fmt.Errorf("%d requests for a keyframe, %d reports", phone.plis, len(phone.reports))
		}
		if r := phone.reports[0]; r.SSRC == 0 || r.TotalLost != 0 || r.LastSequenceNumber == 0 {
			return fmt.Errorf("report %+v", r)
		}
		return nil
	})
	if state := endpoint.ConnectionState() + endpoint.MediaState(); state != "CONNECTEDCONNECTED" {
		t.Errorf("states %s", state)
	}
	var refused *media.Error
	if _, err := endpoint.ProcessOffer(t.Context(), phone.offer()); !errors.As(err, &refused) || refused.Code != 40208 {
		t.Errorf("second offer: %v", err)
	}
}

// Two endpoints of one server over the network between them, in the clear and with every suite of keys.
func TestRTPEndpoint_OfferAndAnswer(t *testing.T) {
	t.Parallel()
	for _, suite := range []rtpsocket.Suite{
		"", rtpsocket.AES128SHA80, rtpsocket.AES128SHA32, rtpsocket.AES256SHA80, rtpsocket.AES256SHA32,
	} {
		t.Run("suite "+string(suite), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			here, there := f.pipeline(t), f.pipeline(t)
			presenter, viewer := presenting(t, f, here), viewing(t, f, there)
			params := media.RTPEndpointParams{}
			if suite != "" {
				key := rtpsocket.NewKey(suite)
				params.Key = &key
			}
			out := must[*media.RTPEndpoint](t)(here.NewRTPEndpoint(params))
			in := must[*media.RTPEndpoint](t)(there.NewRTPEndpoint(media.RTPEndpointParams{}))
			offer := must[string](t)(out.GenerateOffer(t.Context(), true, true))
			if secure := strings.Contains(offer, "RTP/SAVPF") && strings.Contains(offer, "a=crypto:1 "+string(suite)); secure != (suite != "") {
				t.Errorf("offer\n%s", offer)
			}
			answer := must[string](t)(in.ProcessOffer(t.Context(), offer))
			if got := must[string](t)(out.ProcessAnswer(t.Context(), answer)); got != offer {
				t.Errorf("local description\n%s", got)
			}
			if err := errors.Join(presenter.endpoint.Connect(out), in.Connect(viewer.endpoint)); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, func() error { return viewer.has(20) })
		})
	}
}

// A side behind a NAT, which does not know its address, is answered where it sends from.
func TestRTPEndpoint_AnswersWhereItIsCalledFrom(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	browser, phone := presenting(t, f, p), newTelephone(t)
	endpoint := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{}))
	connectBoth(t, browser.endpoint, endpoint)
	offer := strings.Replace(phone.offer(), fmt.Sprintf("m=audio %d ", port(phone.audio)), "m=audio 9 ", 1)
	offer = strings.Replace(offer, "m=video", "a=direction:active\r\nm=video", 1)
	answer := must[string](t)(endpoint.ProcessOffer(t.Context(), offer))
	phone.speak(phone.audio, portsOf(t, answer)[0], 97)
	testkit.Eventually(t, func() error { return phone.heard(97, 20) })
}

func TestRTPEndpoint_Refusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	key := rtpsocket.NewKey(rtpsocket.AES128SHA80)
	plain := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{}))
	secure := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{Key: &key}))
	phone := newTelephone(t)
	const head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	for name, c := range map[string]struct {
		endpoint *media.RTPEndpoint
		offer    string
		code     int
	}{
		"garbage":               {plain, "garbage", 40201},
		"nothing":               {plain, "", 40201},
		"no m-line":             {plain, head, 40201},
		"unknown codec":         {plain, head + "m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/44100\r\n", 40205},
		"of a browser":          {plain, head + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 40205},
		"secure without a key":  {plain, head + "m=audio 5000 RTP/SAVP 0\r\n", 40205},
		"in the clear":          {secure, phone.offer(), 40205},
		"of another IP version": {plain, strings.ReplaceAll(phone.offer(), "IN IP4 127.0.0.1", "IN IP6 ::1"), 40201},
	} {
		var refused *media.Error
		if _, err := c.endpoint.ProcessOffer(t.Context(), c.offer); !errors.As(err, &refused) || int(refused.Code) != c.code {
			t.Errorf("%s: %v, want code %d", name, err, c.code)
		}
	}
	// After all that the endpoint can still be used.
	must[string](t)(plain.ProcessOffer(t.Context(), phone.offer()))
	var refused *media.Error
	if _, err := p.NewRTPEndpoint(media.RTPEndpointParams{Key: &rtpsocket.Key{Suite: rtpsocket.AES128SHA80}}); !errors.As(err, &refused) || refused.Code != 40107 {
		t.Errorf("a key that is too short: %v", err)
	}
	must[string](t)(secure.GenerateOffer(t.Context(), true, false))
	if _, err := secure.ProcessAnswer(t.Context(), phone.offer()); !errors.As(err, &refused) || refused.Code != 40201 {
		t.Errorf("an answer in the clear to a secure offer: %v", err)
	}
}

// Two streams need four ports. Those of a negotiation that fails are given back.
func TestRTPEndpoint_PortsRunOut(t *testing.T) {
	t.Parallel()
	probe := must[*rtpsocket.Socket](t)(rtpsocket.Open(&rtpsocket.Ports{}, netip.MustParseAddr("127.0.0.1")))
	free := probe.Port()
	probe.Close()
	f := newFixtureOn(t, rtc.NetworkConfig{
		UDPAddress: "127.0.0.1:0", Loopback: true, RTPPorts: fmt.Sprintf("%d-%d", free, free+1),
	})
	p, phone := f.pipeline(t), newTelephone(t)
	endpoint := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{}))
	var refused *media.Error
	if _, err := endpoint.ProcessOffer(t.Context(), phone.offer()); !errors.As(err, &refused) || refused.Code != 40009 {
		t.Errorf("two streams in a range for one: %v", err)
	}
	audio, _, _ := strings.Cut(phone.offer(), "m=video")
	answer := must[string](t)(endpoint.ProcessOffer(t.Context(), audio))
	if ports := portsOf(t, answer); len(ports) != 1 || ports[0] != free {
		t.Errorf("ports %v, free is %d", ports, free)
	}
}

func TestRTPEndpoint_IPv6(t *testing.T) {
	t.Parallel()
	if conn, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	} else {
		_ = conn.Close()
	}
	f := newFixture(t)
	p := f.pipeline(t)
	presenter, viewer := presenting(t, f, p), viewing(t, f, p)
	params := media.RTPEndpointParams{IPv6: true}
	out, in := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(params)), must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(params))
	answer := must[string](t)(in.ProcessOffer(t.Context(), must[string](t)(out.GenerateOffer(t.Context(), true, true))))
	if !strings.Contains(answer, "c=IN IP6 ") {
		t.Errorf("answer\n%s", answer)
	}
	must[string](t)(out.ProcessAnswer(t.Context(), answer))
	if err := errors.Join(presenter.endpoint.Connect(out), in.Connect(viewer.endpoint)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return viewer.has(20) })
}

// What is no RTP, of another stream, or from a stranger neither breaks a call nor gets into it.
func TestRTPEndpoint_HostilePackets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	browser, phone := viewing(t, f, p), newTelephone(t)
	endpoint := must[*media.RTPEndpoint](t)(p.NewRTPEndpoint(media.RTPEndpointParams{}))
	if err := endpoint.Connect(browser.endpoint); err != nil {
		t.Fatal(err)
	}
	ports := portsOf(t, must[string](t)(endpoint.ProcessOffer(t.Context(), phone.offer())))
	phone.speak(phone.video, ports[1], 98)
	testkit.Eventually(t, func() error {
		if flowing, err := endpoint.MediaFlowingOut(media.Video); err != nil || !flowing {
			return fmt.Errorf("nothing flows, %w", err)
		}
		return nil
	})
	stranger, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ports[1]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	before := endpoint.Stats(media.Video)[0]
	for i := range 2000 {
		packet := make([]byte, i%64)
		for at := range packet {
			packet[at] = byte(i * (at + 1) * 31)
		}
		if i%3 == 0 && len(packet) > 12 {
			packet[0], packet[1] = 0x80, 98 // well-formed, but the sender is there already
		}
		_, _ = stranger.Write(packet)
		_, _ = phone.audio.WriteToUDP(packet, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ports[1] + 1})
	}
	testkit.Eventually(t, func() error {
		if now := endpoint.Stats(media.Video)[0]; now.Packets < before.Packets+50 {
			return fmt.Errorf("%d packets came", now.Packets)
		} else if now.SSRC != before.SSRC {
			return fmt.Errorf("the stream of a stranger: %d", now.SSRC)
		}
		return nil
	})
}
