//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	packetBytes  = 1100 // the payload of a packet
	stampAt      = 16   // where in the payload the time of sending is, as Unix nanoseconds
	sampledEvery = 16   // of so many packets one is looked at for its latency
	maxSamples   = 1 << 20
	connectLimit = 60 * time.Second
)

// newPeer is a lean client: one codec, no interceptors, so that the machine is left to the server. It negotiates what
// browsers do, so that the server does what it does for them.
func newPeer() (*webrtc.PeerConnection, error) {
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000, RTCPFeedback: []webrtc.RTCPFeedback{
				{Type: webrtc.TypeRTCPFBNACK},
				{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
				{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
				{Type: webrtc.TypeRTCPFBTransportCC},
			},
		},
		PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI},
		webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(net.IP.IsLoopback)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetHostAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
		webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
}

// negotiate offers what pc has, takes the answer and waits until the connection is up.
func negotiate(ctx context.Context, pc *webrtc.PeerConnection, exchange func(context.Context, string) (string, error)) error {
	up := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(up) })
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	answer, err := exchange(ctx, pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return err
	}
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not connected: %w", ctx.Err())
	}
}

// publisher sends what the mode says, while it is told to.
type publisher struct {
	track  *webrtc.TrackLocalStaticRTP
	packet rtp.Packet
	frames uint32
}

func newPublisher(ctx context.Context, s signaller) (*publisher, error) {
	pc, err := newPeer()
	if err != nil {
		return nil, err
	}
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "stream")
	if err != nil {
		return nil, err
	}
	if _, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionSendonly,
	}); err != nil {
		return nil, err
	}
	p := &publisher{track: track, packet: rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, packetBytes)}}
	return p, negotiate(ctx, pc, s.publish)
}

func (p *publisher) send(ctx context.Context, m mode, d time.Duration) (sent int, err error) {
	return pace(ctx, m, d, func() error { return p.frame(m) })
}

// pace has frames sent for a time and gives the number of packets.
func pace(ctx context.Context, m mode, d time.Duration, frame func() error) (sent int, err error) {
	frames := int(d / m.interval)
	began := time.Now()
	for i := range frames {
		timer := time.NewTimer(time.Until(began.Add(time.Duration(i) * m.interval)))
		select {
		case <-ctx.Done():
			return sent, ctx.Err()
		case <-timer.C:
		}
		if err := frame(); err != nil {
			return sent, err
		}
		sent += m.packets
	}
	return sent, nil
}

// frame sends one VP8 frame (RFC 7741): the bits that say where a frame begins and whether it is a keyframe are true.
func (p *publisher) frame(m mode) error {
	const startOfPartition, interFrame = 0x10, 0x01
	keyframe := p.frames%500 == 0
	p.frames++
	p.packet.Timestamp += uint32(m.interval.Seconds() * 90_000)
	for i := range m.packets {
		payload := p.packet.Payload
		clear(payload[:stampAt])
		if i == 0 {
			payload[0] = startOfPartition
			copy(payload[1:], []byte{0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01}) // 640x480
			if !keyframe {
				payload[1] = interFrame
			}
		}
		p.packet.Marker = i == m.packets-1
		p.packet.SequenceNumber++
		binary.BigEndian.PutUint64(payload[stampAt:], uint64(time.Now().UnixNano()))
		if err := p.track.WriteRTP(&p.packet); err != nil {
			return err
		}
	}
	return nil
}

// subscriber counts what it gets and notes how long some of it took.
type subscriber struct {
	received atomic.Int64

	mu      sync.Mutex
	samples []time.Duration
}

func newSubscriber(ctx context.Context, s signaller) (*subscriber, error) {
	pc, err := newPeer()
	if err != nil {
		return nil, err
	}
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	}); err != nil {
		return nil, err
	}
	k := &subscriber{}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { k.read(track) })
	return k, negotiate(ctx, pc, s.subscribe)
}

func (k *subscriber) read(track *webrtc.TrackRemote) {
	buffer := make([]byte, 1500)
	var header rtp.Header
	for {
		n, _, err := track.Read(buffer)
		if err != nil {
			return
		}
		size, err := header.Unmarshal(buffer[:n])
		if err != nil {
			size = len(buffer) // it has come, but nobody knows when it was sent
		}
		k.count(buffer[:n], size+stampAt)
	}
}

// count notes a packet, in which the time of sending is at an offset.
func (k *subscriber) count(packet []byte, at int) {
	now := time.Now()
	if k.received.Add(1)%sampledEvery != 0 || len(packet) < at+8 {
		return
	}
	sent := time.Unix(0, int64(binary.BigEndian.Uint64(packet[at:])))
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.samples) < maxSamples {
		k.samples = append(k.samples, now.Sub(sent))
	}
}

// take gives the samples since it was last called.
func (k *subscriber) take() []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	samples := k.samples
	k.samples = nil
	return samples
}
