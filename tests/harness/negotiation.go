package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// signal is the data of the messages that concern connections.
type signal struct {
	Connection string `json:"connection"`
	Seq        int64  `json:"seq"`
	Epoch      int64  `json:"epoch"`
	SDP        string `json:"sdp"`
	Retry      bool   `json:"retry"`
	Reason     string `json:"reason"`

	Connections []knownConnection `json:"connections"` // in a sync
}

// knownConnection is what a sync knows of a connection.
type knownConnection struct {
	Kind   string `json:"kind"`
	Seq    int64  `json:"seq"`
	Answer string `json:"answer"`
	Offer  string `json:"offer"`
}

// offered is an offer of ours.
type offered struct {
	seq int64
	sdp string
	at  time.Time
}

// answerTime is how long an answer may take before the same offer is sent again.
const answerTime = 5 * time.Second

// handle acts on one message as a client has to.
func (u *User) handle(ctx context.Context, m Message) error {
	var s signal
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return fmt.Errorf("data of %s: %w", m.Type, err)
	}
	if u.rejoining && m.Type != "joined" {
		return nil // of the presence before
	}
	switch m.Type {
	case "joined", "sync", "reconnect":
		u.rejoining = false
		return errors.Join(u.begin(ctx, s), u.catchUp(ctx, s))
	case "disconnected":
		u.letGo(s.Epoch)
	case "answer":
		return u.setAnswer(s)
	case "offer":
		return u.answer(ctx, s)
	case "connection-failed":
		return u.mend(ctx, s.Connection, s.Epoch)
	case "error":
		return fmt.Errorf("the API sent an error: %s", m.Data)
	}
	return nil
}

// begin offers anew under a new epoch.
func (u *User) begin(ctx context.Context, s signal) error {
	if s.Epoch <= u.epoch {
		return nil // offered already under this one
	}
	u.part(s.Reason)
	u.epoch, u.seq, u.answered = s.Epoch, 0, 0
	return u.offer(ctx)
}

// catchUp takes from a sync what was missed of the connections.
func (u *User) catchUp(ctx context.Context, s signal) error {
	var errs []error
	for _, c := range s.Connections {
		switch {
		case c.Answer != "":
			errs = append(errs, u.setAnswer(signal{Seq: c.Seq, Epoch: s.Epoch, SDP: c.Answer}))
		case c.Offer != "" && c.Seq > u.answered:
			errs = append(errs, u.answer(ctx, signal{Seq: c.Seq, Epoch: s.Epoch, SDP: c.Offer}))
		}
	}
	return errors.Join(errs...)
}

// mend replaces a connection that has failed.
func (u *User) mend(ctx context.Context, kind string, epoch int64) error {
	if epoch != u.epoch {
		return nil
	}
	if kind == "publish" {
		return u.offer(ctx)
	}
	_, err := u.api.Insist(ctx, Request{
		Method: http.MethodPost, Path: userPath(u.Session, u.ID) + "/subscribe/offer", Bearer: u.Token,
		Body: map[string]any{"epoch": epoch, "fresh": true},
	}, nil)
	return overtaken(err)
}

// watch mends a connection that fails on our side.
func (u *User) watch(connection *webrtc.PeerConnection, kind string, epoch int64) {
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state != webrtc.PeerConnectionStateFailed {
			return
		}
		u.command(func(ctx context.Context) error {
			if connection != u.publish && connection != u.subscribe {
				return nil // replaced meanwhile
			}
			return u.mend(ctx, kind, epoch)
		})
	})
}

// offer offers the generated media on a fresh publish connection.
func (u *User) offer(ctx context.Context) error {
	if !u.publishing || u.epoch == 0 {
		return nil
	}
	if u.publish != nil {
		_ = u.publish.Close()
	}
	connection, err := u.connect()
	if err != nil {
		return err
	}
	u.publish = connection
	u.watch(connection, "publish", u.epoch)
	for _, track := range u.source.tracks {
		_, err := connection.AddTransceiverFromTrack(track,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			return err
		}
	}
	return u.offerOn(ctx, connection, nil)
}

// offerOn offers what is on the publish connection.
func (u *User) offerOn(ctx context.Context, connection *webrtc.PeerConnection, how *webrtc.OfferOptions) error {
	offer, err := connection.CreateOffer(how)
	if err != nil {
		return err
	}
	sdp, err := SetLocal(ctx, connection, offer)
	if err != nil {
		return err
	}
	u.seq++
	u.offered = offered{u.seq, sdp, time.Now()}
	return u.put(ctx, "/publish", u.seq, sdp)
}

// remind sends an offer again that has waited too long for its answer.
func (u *User) remind(ctx context.Context) error {
	if u.publish == nil || u.publish.SignalingState() != webrtc.SignalingStateHaveLocalOffer ||
		u.offered.seq != u.seq || time.Since(u.offered.at) < answerTime {
		return nil
	}
	u.offered.at = time.Now()
	return u.put(ctx, "/publish", u.seq, u.offered.sdp)
}

// setAnswer completes the offer that an answer is to; one to an older offer is of no use any more.
func (u *User) setAnswer(s signal) error {
	if u.publish == nil || s.Epoch != u.epoch || s.Seq != u.seq ||
		u.publish.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		return nil
	}
	return u.publish.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.SDP})
}

// answer answers an offer of the server. One of another SDP session (RFC 8866 section 5.2) is of a fresh connection.
func (u *User) answer(ctx context.Context, s signal) error {
	if s.Epoch < u.epoch {
		return nil
	}
	if origin := originOf(s.SDP); u.subscribe == nil || origin != u.origin {
		if err := u.freshSubscribe(); err != nil {
			return err
		}
		u.origin = origin
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
	u.answered = s.Seq
	return u.put(ctx, "/subscribe", s.Seq, sdp)
}

// originOf is the origin of an SDP without its version.
func originOf(sdp string) string {
	_, rest, _ := strings.Cut(sdp, "o=")
	name, rest, _ := strings.Cut(rest, " ")
	id, _, _ := strings.Cut(rest, " ")
	return name + " " + id
}

func (u *User) freshSubscribe() error {
	if u.subscribe != nil {
		_ = u.subscribe.Close()
	}
	connection, err := u.connect()
	if err != nil {
		return err
	}
	epoch := u.epoch
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { u.arrivals.read(track, epoch) })
	u.watch(connection, "subscribe", epoch)
	u.subscribe = connection
	return nil
}

// put sends an SDP under the present epoch, until it is taken or refused.
func (u *User) put(ctx context.Context, path string, seq int64, sdp string) error {
	_, err := u.api.Insist(ctx, Request{
		Method: http.MethodPut, Path: userPath(u.Session, u.ID) + path, Bearer: u.Token,
		Body: map[string]any{"sdp": sdp, "seq": seq, "epoch": u.epoch},
	}, nil)
	var problem *ProblemError
	if path == "/subscribe" && errors.As(err, &problem) && problem.Status == http.StatusConflict {
		return nil // a newer offer is on its way
	}
	return overtaken(err)
}

// overtaken is nil for errors that say that what was asked for is of no use any more: there is a newer epoch, and a
// message about it on its way, or the user is gone.
func overtaken(err error) error {
	var problem *ProblemError
	if ended(err) || errors.As(err, &problem) && problem.Code == "stale_epoch" {
		return nil
	}
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
