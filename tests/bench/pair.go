package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"github.com/orkestro/orkestro/tests/harness"
)

// mediaTimeout: a pair that has no media by then failed.
const mediaTimeout = 20 * time.Second

// errNoMedia: nothing arrived within mediaTimeout.
var errNoMedia = errors.New("no media arrived")

// pair is a publisher and a subscriber in one session of their own, as quick as clients of the HTTP API can be: the
// publisher takes the answer from the response, the subscriber answers the offer that its poll brings.
type pair struct {
	api     *harness.API
	session string
	cancel  context.CancelFunc
	arrived chan time.Time // the first media packet at the subscriber
	failed  chan error
}

// startPair has both join and connect at the same moment; close ends it.
func startPair(ctx context.Context, api *harness.API, session string) *pair {
	ctx, cancel := context.WithCancel(ctx)
	p := &pair{api: api, session: session, cancel: cancel, arrived: make(chan time.Time, 1), failed: make(chan error, 2)}
	go func() { p.fail(p.publish(ctx)) }()
	go func() { p.fail(p.subscribe(ctx)) }()
	return p
}

func (p *pair) fail(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		p.failed <- err
	}
}

// wait gives the moment of the first media packet.
func (p *pair) wait(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, mediaTimeout)
	defer cancel()
	select {
	case at := <-p.arrived:
		return at, nil
	case err := <-p.failed:
		return time.Time{}, err
	case <-ctx.Done():
		return time.Time{}, errors.Join(errNoMedia, ctx.Err())
	}
}

func (p *pair) path(user, rest string) string {
	return fmt.Sprintf("/v1/sessions/%s/users/%s%s", p.session, user, rest)
}

// publish joins, offers a VP8 track and sends until ctx ends.
func (p *pair) publish(ctx context.Context) error {
	joined, err := p.api.Join(ctx, p.session, "publisher")
	if err != nil {
		return err
	}
	connection, err := harness.NewPeerConnection()
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "cam")
	if err != nil {
		return err
	}
	if _, err := connection.AddTransceiverFromTrack(track,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		return err
	}
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		return err
	}
	sdp, err := harness.SetLocal(ctx, connection, offer)
	if err != nil {
		return err
	}
	var answer struct {
		SDP string `json:"sdp"`
	}
	_, err = p.api.Do(ctx, harness.Request{
		Method: http.MethodPut, Path: p.path("publisher", "/publish"), Bearer: joined.Token,
		Body: map[string]any{"sdp": sdp, "seq": 1, "epoch": joined.Epoch}, Header: map[string]string{"Prefer": "wait=5"},
	}, &answer)
	if err != nil {
		return err
	}
	if err := connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.SDP}); err != nil {
		return err
	}
	return send(ctx, track)
}

// send writes a small key frame every 5 ms until ctx ends; what is sent before the connection is up goes nowhere.
func send(ctx context.Context, track *webrtc.TrackLocalStaticSample) error {
	const interval = 5 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			_ = track.WriteSample(media.Sample{Data: harness.KeyFrame(200), Duration: interval})
		}
	}
}

// subscribe joins and answers offers until ctx ends.
func (p *pair) subscribe(ctx context.Context) error {
	joined, err := p.api.Join(ctx, p.session, "subscriber")
	if err != nil {
		return err
	}
	connection, err := harness.NewPeerConnection()
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if _, _, err := track.ReadRTP(); err == nil {
			p.arrived <- time.Now()
		}
	})
	inbox := harness.NewInbox(p.api, p.session, "subscriber", joined.Token)
	for {
		messages, err := inbox.Poll(ctx, 10*time.Second, 64)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Type != "offer" {
				continue
			}
			if err := p.answer(ctx, connection, joined.Token, m); err != nil {
				return err
			}
		}
	}
}

func (p *pair) answer(ctx context.Context, connection *webrtc.PeerConnection, token string, m harness.Message) error {
	var offer struct {
		SDP   string `json:"sdp"`
		Seq   int64  `json:"seq"`
		Epoch int64  `json:"epoch"`
	}
	if err := json.Unmarshal(m.Data, &offer); err != nil {
		return err
	}
	err := connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP})
	if err != nil {
		return err
	}
	answer, err := connection.CreateAnswer(nil)
	if err != nil {
		return err
	}
	sdp, err := harness.SetLocal(ctx, connection, answer)
	if err != nil {
		return err
	}
	_, err = p.api.Do(ctx, harness.Request{
		Method: http.MethodPut, Path: p.path("subscriber", "/subscribe"), Bearer: token,
		Body: map[string]any{"sdp": sdp, "seq": offer.Seq, "epoch": offer.Epoch},
	}, nil)
	return err
}

// close ends the clients and the session.
func (p *pair) close(ctx context.Context) error {
	p.cancel()
	return p.api.CloseSession(context.WithoutCancel(ctx), p.session)
}
