package harness

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// MediaSession is a client of WHIP (RFC 9725) or WHEP, written to the documents. It knows the URL of an endpoint and a
// credential, and offers once. Not safe for concurrent use, but for Packets.
type MediaSession struct {
	Location string
	ETag     string
	Links    []string

	api        *API
	bearer     string
	access     *Access
	connection *webrtc.PeerConnection
	answer     string
	arrivals   *arrivals
	cancel     context.CancelFunc
	running    sync.WaitGroup
}

// Ingest publishes generated media by WHIP at a path with its query. Bearer "" is the API key. Close ends it.
func Ingest(ctx context.Context, api *API, path, bearer string) (*MediaSession, error) {
	m, err := newMediaSession(api, bearer)
	if err != nil {
		return nil, err
	}
	source, err := newSource("whip", frameInterval)
	if err != nil {
		return nil, m.closed(err)
	}
	for _, track := range source.tracks {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		if _, err := m.connection.AddTransceiverFromTrack(track, init); err != nil {
			return nil, m.closed(err)
		}
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	m.running.Go(func() { source.run(sending) })
	return m, m.begin(ctx, path)
}

// Watch receives audio and video by WHEP, as Ingest sends them.
func Watch(ctx context.Context, api *API, path, bearer string) (*MediaSession, error) {
	m, err := newMediaSession(api, bearer)
	if err != nil {
		return nil, err
	}
	m.connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { m.arrivals.read(track, 0) })
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err := m.connection.AddTransceiverFromKind(kind, init); err != nil {
			return nil, m.closed(err)
		}
	}
	return m, m.begin(ctx, path)
}

func newMediaSession(api *API, bearer string) (*MediaSession, error) {
	access := NewAccess(api.address)
	connection, err := access.connect()
	if err != nil {
		access.Close()
		return nil, err
	}
	return &MediaSession{
		api: api, bearer: bearer, access: access, connection: connection, arrivals: newArrivals(), cancel: func() {},
	}, nil
}

// begin offers without candidates, as a client does that trickles, and insists as long as nothing is known.
func (m *MediaSession) begin(ctx context.Context, path string) error {
	offer, err := m.connection.CreateOffer(nil)
	if err == nil {
		err = m.connection.SetLocalDescription(offer)
	}
	if err != nil {
		return m.closed(err)
	}
	answer, err := m.post(ctx, path, offer.SDP)
	if err != nil {
		return m.closed(err)
	}
	if answer.Status != http.StatusCreated || answer.Header.Get("Content-Type") != "application/sdp" {
		return m.closed(&ProblemError{Status: answer.Status, Detail: string(answer.Body)})
	}
	m.Location, m.ETag, m.Links = answer.Header.Get("Location"), answer.Header.Get("ETag"), answer.Header.Values("Link")
	m.answer = string(answer.Body)
	err = m.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.answer})
	if err != nil {
		return m.closed(err)
	}
	return nil
}

func (m *MediaSession) closed(err error) error {
	m.Close()
	return err
}

// post offers under one Idempotency-Key until there is an answer that is for good.
func (m *MediaSession) post(ctx context.Context, path, offer string) (Answer, error) {
	request := m.request(http.MethodPost, path, "application/sdp", offer)
	request.Header["Idempotency-Key"] = rand.Text()
	for {
		answer, err := m.api.Raw(ctx, request)
		later := err != nil || answer.Status >= http.StatusInternalServerError || answer.Header.Get("Retry-After") != ""
		if !later || ctx.Err() != nil {
			return answer, err
		}
		pause(ctx, lastPause/4)
	}
}

func (m *MediaSession) request(method, path, kind, body string) Request {
	return Request{
		Method: method, Path: path, Body: body, Bearer: m.bearer, Header: map[string]string{"Content-Type": kind},
	}
}

// Patch sends a fragment and gives the answer to it.
func (m *MediaSession) Patch(ctx context.Context, ifMatch, fragment string) (Answer, error) {
	request := m.request(http.MethodPatch, m.Location, "application/trickle-ice-sdpfrag", fragment)
	if ifMatch != "" {
		request.Header["If-Match"] = ifMatch
	}
	return m.api.Raw(ctx, request)
}

// Fragment is the credentials and candidates that the client has by now (RFC 8840 section 9).
func (m *MediaSession) Fragment() string {
	var fragment strings.Builder
	media := 0
	for line := range strings.SplitSeq(m.connection.LocalDescription().SDP, "\r\n") {
		if strings.HasPrefix(line, "m=") {
			media++
		}
		if media == 1 && fragmentLine.MatchString(line) {
			fragment.WriteString(line + "\r\n")
		}
	}
	return fragment.String()
}

var (
	fragmentLine = regexp.MustCompile(`^(m=|a=mid:|a=ice-ufrag:|a=ice-pwd:|a=candidate:)`)
	credential   = regexp.MustCompile(`a=ice-(ufrag|pwd):[^\r\n]*`)
)

// RestartICE begins a new ICE session.
func (m *MediaSession) RestartICE(ctx context.Context) error {
	offer, err := m.connection.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return err
	}
	if _, err := SetLocal(ctx, m.connection, offer); err != nil {
		return err
	}
	answer, err := m.Patch(ctx, "*", m.Fragment())
	if err != nil {
		return err
	}
	etag := answer.Header.Get("ETag")
	if answer.Status != http.StatusOK || etag == m.ETag {
		return fmt.Errorf("the restart got %d, ETag %s: %s", answer.Status, etag, answer.Body)
	}
	m.ETag = etag
	fresh := map[string]string{}
	for _, line := range credential.FindAllString(string(answer.Body), -1) {
		name, _, _ := strings.Cut(line, ":")
		fresh[name] = line
	}
	m.answer = credential.ReplaceAllStringFunc(m.answer, func(line string) string {
		name, _, _ := strings.Cut(line, ":")
		return fresh[name]
	})
	return m.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.answer})
}

// Connected reports whether the connection is up.
func (m *MediaSession) Connected() error {
	if state := m.connection.ConnectionState(); state != webrtc.PeerConnectionStateConnected {
		return fmt.Errorf("the connection is %s", state)
	}
	return nil
}

// Packets is how many RTP packets of a kind have arrived.
func (m *MediaSession) Packets(kind string) int {
	return m.arrivals.get(arrivalKey("view", kind), time.Now()).Packets
}

// End ends the session and its connection.
func (m *MediaSession) End(ctx context.Context) error {
	defer m.Close()
	answer, err := m.api.Raw(ctx, m.request(http.MethodDelete, m.Location, "", ""))
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("DELETE got %d: %s", answer.Status, answer.Body)
	}
	return err
}

// Vanish ends the connection without a word, as a client does that is killed.
func (m *MediaSession) Vanish() {
	m.access.Cut()
	m.Close()
}

// Close ends the connection.
func (m *MediaSession) Close() {
	m.cancel()
	m.running.Wait()
	_ = m.connection.Close()
	m.access.Close()
}
