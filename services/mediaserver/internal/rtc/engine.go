package rtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

const (
	defaultDisconnected = 5 * time.Second
	defaultFailed       = 25 * time.Second
	keepAlive           = 2 * time.Second // chosen: RFC 8445 section 11 asks for at most 15 s; notices a dead path early
	replayWindow        = 1024            // packets; what browsers use
)

// Engine holds what all peer connections of the process share: the sockets, the certificate and the codecs. Safe for
// concurrent use.
type Engine struct {
	log     *slog.Logger
	network *network
	config  webrtc.Configuration
	rtp     rtpNetwork
	rsa     func() (*webrtc.Certificate, error) // made when it is first asked for
	traffic traffic

	outcomes outcomes

	settings    webrtc.SettingEngine
	patience    time.Duration // see path
	shapers     *shapers
	encryptions *sync.Pool // see shortcut
	publish     role       // receives, with feedback to the sender
	subscribe   role       // sends; no interceptors, since this package answers NACKs itself
	duplex      role       // both
}

// Open opens the sockets and makes the process's DTLS certificate. The caller closes the engine after its peers.
func Open(cfg NetworkConfig, log *slog.Logger) (*Engine, error) {
	// One ECDSA P-256 certificate for all connections: making one for each costs more than the rest of a join.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, fmt.Errorf("generate certificate: %w", err)
	}
	plain, err := newRTPNetwork(cfg)
	if err != nil {
		return nil, err
	}
	sockets, err := openNetwork(cfg, pionLoggers{log})
	if err != nil {
		return nil, err
	}
	settings, err := newSettings(cfg, sockets, log)
	if err != nil {
		return nil, errors.Join(err, sockets.close())
	}
	e := &Engine{
		log:         log,
		network:     sockets,
		rtp:         plain,
		rsa:         sync.OnceValues(newRSACertificate),
		settings:    *settings,
		patience:    orDefault(cfg.Disconnected, defaultDisconnected) / 2,
		encryptions: newEncryptions(),
		config: webrtc.Configuration{
			Certificates: []webrtc.Certificate{*certificate},
			BundlePolicy: webrtc.BundlePolicyMaxBundle,
		},
	}
	for _, r := range []struct {
		role *role
		make func() (role, error)
	}{{&e.publish, newPublishRole}, {&e.subscribe, newSubscribeRole}, {&e.duplex, newDuplexRole}} {
		if *r.role, err = r.make(); err != nil {
			return nil, errors.Join(err, sockets.close())
		}
	}
	e.shapers = startShapers()
	return e, nil
}

func newSettings(cfg NetworkConfig, sockets *network, log *slog.Logger) (*webrtc.SettingEngine, error) {
	s := &webrtc.SettingEngine{LoggerFactory: pionLoggers{log}}
	s.SetICEUDPMux(sockets.udp)
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if sockets.tcp != nil {
		s.SetICETCPMux(sockets.tcp)
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(networks)
	s.SetIncludeLoopbackCandidate(cfg.Loopback)
	s.SetLite(cfg.Lite)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetICETimeouts(orDefault(cfg.Disconnected, defaultDisconnected), orDefault(cfg.Failed, defaultFailed), keepAlive)
	// The first pair that works is taken at once: with host candidates only, waiting brings no better one.
	s.SetHostAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(0)
	s.DisableActiveTCP(true)
	// The DTLS server knows its own hello, which the shortcut needs.
	if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return nil, fmt.Errorf("DTLS role: %w", err)
	}
	// ICE consent has verified the address already, so the DTLS cookie exchange would only cost a round trip.
	s.SetDTLSInsecureSkipHelloVerify(true)
	// GCM costs a sixth of AES-CM with HMAC a packet.
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	s.SetReceiveMTU(maxPacketBytes)
	// Without RTX a packet comes again under its old number, maybe a second later.
	s.SetSRTPReplayProtectionWindow(replayWindow)
	if len(cfg.PublicIPs) > 0 {
		err := s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External:        cfg.PublicIPs,
			AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode:            webrtc.ICEAddressRewriteReplace,
		})
		if err != nil {
			return nil, fmt.Errorf("public addresses: %w", err)
		}
	}
	return s, nil
}

func orDefault(value, fallback time.Duration) time.Duration {
	if value == 0 {
		return fallback
	}
	return value
}

// UDPPort is the port of all media over UDP.
func (e *Engine) UDPPort() int { return e.network.port }

// Close closes the sockets.
func (e *Engine) Close() error {
	e.shapers.stop()
	return e.network.close()
}

// Traffic counts RTP over the life of an engine: headers and payload, without encryption and UDP.
type Traffic struct {
	BytesIn, BytesOut, PacketsIn, PacketsOut uint64
	// PacketsDropped were not sent although they count as out: the kernel took nothing for too long, or refused them.
	PacketsDropped uint64
	PacketsResent  uint64 // of those that went out: their receivers missed them
	Keyframes      uint64 // that were asked for of publishers
	LayerSwitches  uint64 // of subscribers
}

type traffic struct {
	bytesIn, bytesOut, packetsIn, packetsOut atomic.Uint64
	resent, keyframes, switches              atomic.Uint64
}

// Traffic is what went through so far.
func (e *Engine) Traffic() Traffic {
	return Traffic{
		BytesIn: e.traffic.bytesIn.Load(), BytesOut: e.traffic.bytesOut.Load(),
		PacketsIn: e.traffic.packetsIn.Load(), PacketsOut: e.traffic.packetsOut.Load(),
		PacketsDropped: e.network.dropped(), PacketsResent: e.traffic.resent.Load(),
		Keyframes: e.traffic.keyframes.Load(), LayerSwitches: e.traffic.switches.Load(),
	}
}

// sent counts a packet that a sink sent beside what is forwarded: of a replay, or once more.
func (s *Source) sent(k *Sink, size int, at time.Time) {
	k.sent.count(size, at)
	s.engine.traffic.packetsOut.Add(1)
	s.engine.traffic.bytesOut.Add(uint64(size))
}

// switched counts a subscriber that gets another encoding than before.
func (t *traffic) switched(from, to *encoding) {
	if from != nil && from != to {
		t.switches.Add(1)
	}
}

func (t *traffic) count(size, copies int) {
	t.packetsIn.Add(1)
	t.bytesIn.Add(uint64(size))
	t.packetsOut.Add(uint64(copies))
	t.bytesOut.Add(uint64(size * copies))
}
