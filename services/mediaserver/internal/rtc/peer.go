package rtc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// Errors of negotiation.
var (
	ErrClosed = errors.New("peer connection is closed")
	ErrSDP    = errors.New("unusable SDP") // the description is to blame, and nothing has changed
)

// Handlers are told what happens on a connection, each on a goroutine of Pion: they must not wait, least of all for a
// call on the same peer. Nil ones are left out.
type Handlers struct {
	State     func(control.ConnectionState)
	ICE       func(ICEState)
	Candidate func(*control.Candidate) // nil marks the last one
	Codec     func()                   // a source turned out to have another codec than was announced
	Channel   func(ChannelEvent)       // a data channel opened or closed
	Pair      func(local, remote string)
	DTLS      func(DTLSState)
	Quality   func(Quality) // what is sent of videos with layers; not on a connection that only receives
}

// peer is what every peer connection has. Its methods are called by one goroutine at a time: the owner's.
type peer struct {
	engine  *Engine
	path    *path
	short   *shortcut
	shaper  *shaper // nil: it only receives
	pc      *webrtc.PeerConnection
	outcome *outcome
	work    sync.WaitGroup // readers of tracks
	ufrags  []string       // of the remote description
	mixed   bool           // the remote side takes header extensions of more than 16 bytes (RFC 8285 section 6)
}

func (e *Engine) newPeer(r role, h Handlers) (*peer, error) {
	p := &peer{engine: e, path: &path{patience: e.patience}}
	p.short = &shortcut{path: p.path, buffers: e.encryptions, first: e.outcomes.observer.FirstMedia}
	settings := e.settings
	if r.sends {
		p.shaper = e.shapers.add(h.Quality)
	}
	settings.BufferFactory = (&streamLimit{shaper: p.shaper, overflow: p.giveUp}).buffer
	config := e.config
	if r.certificates != nil {
		config.Certificates = r.certificates
	}
	pc, err := r.api(settings, p.short).NewPeerConnection(config)
	if err != nil {
		e.shapers.remove(p.shaper)
		return nil, fmt.Errorf("new peer connection: %w", err)
	}
	p.outcome = newOutcome(&e.outcomes, r.name)
	p.outcome.follow(pc, h.State)
	if h.ICE != nil {
		pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) { h.ICE(ICEState(s.String())) })
	}
	if h.Candidate != nil {
		pc.OnICECandidate(func(c *webrtc.ICECandidate) { h.Candidate(newCandidate(c)) })
	}
	pc.SCTP().Transport().OnStateChange(func(s webrtc.DTLSTransportState) {
		if s == webrtc.DTLSTransportStateConnected {
			p.short.connected()
		}
		if h.DTLS != nil {
			h.DTLS(DTLSState(s.String()))
		}
	})
	pc.SCTP().Transport().ICETransport().OnSelectedCandidatePairChange(func(pair *webrtc.ICECandidatePair) {
		p.path.changed(pair)
		if h.Pair != nil {
			h.Pair(pair.Local.ToJSON().Candidate, pair.Remote.ToJSON().Candidate)
		}
	})
	p.pc = pc
	return p, nil
}

// ICEState is a state of ICE as W3C spells it (RTCIceConnectionState).
type ICEState string

// DTLSState is a state of DTLS as W3C spells it (RTCDtlsTransportState).
type DTLSState string

func connectionState(s webrtc.PeerConnectionState) control.ConnectionState {
	switch s {
	case webrtc.PeerConnectionStateConnecting:
		return control.ConnectionConnecting
	case webrtc.PeerConnectionStateConnected:
		return control.ConnectionConnected
	case webrtc.PeerConnectionStateDisconnected:
		return control.ConnectionDisconnected
	case webrtc.PeerConnectionStateFailed:
		return control.ConnectionFailed
	case webrtc.PeerConnectionStateClosed:
		return control.ConnectionClosed
	default:
		return control.ConnectionNew
	}
}

func newCandidate(c *webrtc.ICECandidate) *control.Candidate {
	if c == nil {
		return nil
	}
	init := c.ToJSON()
	return &control.Candidate{
		Candidate: init.Candidate, SDPMid: init.SDPMid, SDPMLineIndex: init.SDPMLineIndex,
		UsernameFragment: init.UsernameFragment,
	}
}

// guarded runs a step of negotiation. Descriptions come from outside and have been checked, but should one make Pion
// panic nevertheless, then only its connection is lost.
func guarded(step string, f func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%s: panic: %v", step, reason)
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

func (p *peer) setRemote(d *Description, kind webrtc.SDPType) error {
	text, err := d.text(kind)
	if err != nil {
		return err
	}
	p.mixed = d.mixed()
	if !slices.Equal(d.ufrags, p.ufrags) {
		p.path.restart()
	}
	err = guarded("set remote "+kind.String(), func() error {
		return p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: text})
	})
	if err == nil {
		p.ufrags = d.ufrags
	}
	return err
}

// setLocal makes an offer or answer and returns it with all candidates. Gathering host candidates on the open sockets
// does not wait for the network.
func (p *peer) setLocal(ctx context.Context, create func() (webrtc.SessionDescription, error)) (string, error) {
	var gathered <-chan struct{}
	err := guarded("set local description", func() error {
		description, err := create()
		if err != nil {
			return err
		}
		// Not before: an ICE restart begins to gather with its description, and until then all is gathered.
		gathered = webrtc.GatheringCompletePromise(p.pc)
		return p.pc.SetLocalDescription(description)
	})
	if errors.Is(err, webrtc.ErrConnectionClosed) {
		return "", fmt.Errorf("%w: %w", ErrClosed, err)
	}
	if err != nil {
		return "", err
	}
	select {
	case <-gathered:
		p.outcome.described()
		return withoutLoneLayer(p.pc.LocalDescription().SDP), nil
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", ctx.Err())
	}
}

// AddCandidates takes candidates of the remote side. Those that belong to no description it has sent yet are returned,
// to be given again after the next one. Others are used or, when they cannot be, ignored.
func (p *peer) AddCandidates(candidates []control.Candidate) (early []control.Candidate) {
	for _, c := range candidates {
		if !p.belongs(c) {
			early = append(early, c)
			continue
		}
		err := guarded("add candidate", func() error {
			return p.pc.AddICECandidate(webrtc.ICECandidateInit{
				Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex,
			})
		})
		if err != nil {
			p.engine.log.Debug("candidate not used", "error", err)
		}
	}
	return early
}

func (p *peer) belongs(c control.Candidate) bool {
	if len(p.ufrags) == 0 {
		return false
	}
	ufrag := candidateUfrag(c)
	if ufrag == "" {
		return true
	}
	for _, known := range p.ufrags {
		if known == ufrag {
			return true
		}
	}
	return false
}

func candidateUfrag(c control.Candidate) string {
	if c.UsernameFragment != nil && *c.UsernameFragment != "" {
		return *c.UsernameFragment
	}
	fields := strings.Fields(c.Candidate)
	for i := 0; i+1 < len(fields); i++ {
		if fields[i] == "ufrag" {
			return fields[i+1]
		}
	}
	return ""
}

// CheckCandidate reports whether the text is a candidate (RFC 8839 section 5.1). The empty one, which marks the end,
// is.
func CheckCandidate(c control.Candidate) error {
	text := strings.TrimPrefix(strings.TrimSpace(c.Candidate), "candidate:")
	if text == "" {
		return nil
	}
	return guarded("parse candidate", func() error {
		_, err := ice.UnmarshalCandidate(text)
		return err
	})
}

func (p *peer) writeRTCP(packets []rtcp.Packet) error { return p.pc.WriteRTCP(packets) }

// giveUp ends the connection of a client that asks too much of it. It does not wait; the owner hears of it.
func (p *peer) giveUp() {
	p.engine.log.Warn("connection closed: too many streams")
	p.work.Go(func() { _ = guarded("give up", p.pc.Close) }) // what fails is as in close
}

// close ends the connection and waits for everything that runs for it.
func (p *peer) close() {
	// What goes wrong while closing has no consequence: the sockets are shared and stay open.
	_ = guarded("close", p.pc.GracefulClose)
	p.outcome.changed(control.ConnectionClosed)
	p.engine.shapers.remove(p.shaper)
	p.work.Wait()
}
