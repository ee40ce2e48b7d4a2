package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/pion/webrtc/v4"
)

// signal is the data of the messages that concern connections.
type signal struct {
	Connection string `json:"connection"`
	Seq        int64  `json:"seq"`
	Epoch      int64  `json:"epoch"`
	SDP        string `json:"sdp"`
	Retry      bool   `json:"retry"`
}

// handle acts on one message as a client has to.
func (u *User) handle(ctx context.Context, m Message) error {
	var s signal
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return fmt.Errorf("data of %s: %w", m.Type, err)
	}
	switch m.Type {
	case "joined", "sync", "reconnect":
		if s.Epoch <= u.epoch {
			return nil // offered already under this one
		}
		u.epoch, u.seq = s.Epoch, 0
		return u.offer(ctx)
	case "answer":
		return u.setAnswer(s)
	case "offer":
		return u.answer(ctx, s)
	case "error":
		return fmt.Errorf("the API sent an error: %s", m.Data)
	}
	return nil
}

// offer offers the generated media on a fresh publish connection.
func (u *User) offer(ctx context.Context) error {
	if !u.publishing || u.epoch == 0 {
		return nil
	}
	if u.publish != nil {
		_ = u.publish.Close()
	}
	connection, err := NewPeerConnection()
	if err != nil {
		return err
	}
	u.publish = connection
	for _, track := range u.source.tracks {
		_, err := connection.AddTransceiverFromTrack(track,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			return err
		}
	}
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		return err
	}
	sdp, err := SetLocal(ctx, connection, offer)
	if err != nil {
		return err
	}
	u.seq++
	return u.put(ctx, "/publish", u.seq, sdp)
}

// setAnswer completes the offer that an answer is to; one to an older offer is of no use any more.
func (u *User) setAnswer(s signal) error {
	if u.publish == nil || s.Epoch != u.epoch || s.Seq != u.seq ||
		u.publish.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		return nil
	}
	return u.publish.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.SDP})
}

// answer answers an offer of the server. Its first offer of an epoch is of a fresh connection.
func (u *User) answer(ctx context.Context, s signal) error {
	if s.Epoch < u.epoch {
		return nil
	}
	if u.subscribe == nil || s.Seq == 1 {
		if err := u.freshSubscribe(s.Epoch); err != nil {
			return err
		}
	}
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: s.SDP}
	if err := u.subscribe.SetRemoteDescription(offer); err != nil {
		return err
	}
	answer, err := u.subscribe.CreateAnswer(nil)
	if err != nil {
		return err
	}
	sdp, err := SetLocal(ctx, u.subscribe, answer)
	if err != nil {
		return err
	}
	err = u.put(ctx, "/subscribe", s.Seq, sdp)
	var problem *ProblemError
	if errors.As(err, &problem) && problem.Status == http.StatusConflict {
		return nil // a newer offer or epoch is on its way
	}
	return err
}

// freshSubscribe makes the connection for the offers of an epoch.
func (u *User) freshSubscribe(epoch int64) error {
	if u.subscribe != nil {
		_ = u.subscribe.Close()
	}
	connection, err := NewPeerConnection()
	if err != nil {
		return err
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { u.arrivals.read(track, epoch) })
	u.subscribe = connection
	return nil
}

// put sends an SDP under the present epoch.
func (u *User) put(ctx context.Context, path string, seq int64, sdp string) error {
	_, err := u.api.Do(ctx, Request{
		Method: http.MethodPut, Path: userPath(u.Session, u.ID) + path, Bearer: u.Token,
		Body: map[string]any{"sdp": sdp, "seq": seq, "epoch": u.epoch},
	}, nil)
	return err
}

// SetLocal sets a local description and gives it with all its candidates.
func SetLocal(ctx context.Context, connection *webrtc.PeerConnection, d webrtc.SessionDescription) (string, error) {
	gathered := webrtc.GatheringCompletePromise(connection)
	if err := connection.SetLocalDescription(d); err != nil {
		return "", err
	}
	select {
	case <-gathered:
		return connection.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
