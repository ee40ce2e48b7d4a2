package app_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/mediaserver/app"
)

// publish connects a client to a media server, and gives a channel that is closed when the client hears the end of its
// connection.
func publish(t *testing.T, client *mediaclient.Client, pipeline string) (ended <-chan struct{}) {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	channel, err := pc.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, closed := make(chan struct{}), make(chan struct{})
	channel.OnOpen(func() { close(opened) })
	channel.OnClose(func() { close(closed) })
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	endpoint, err := client.CreatePublishEndpoint(t.Context(),
		mediaapi.EndpointParams{MediaPipeline: pipeline, User: "a", Join: "ja"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.ProcessOffer(t.Context(), endpoint,
		mediaapi.ProcessOffer{Offer: pc.LocalDescription().SDP, Seq: 1})
	if err != nil {
		t.Fatal(err)
	}
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Answer}
	if err := pc.SetRemoteDescription(description); err != nil {
		t.Fatal(err)
	}
	<-opened
	return closed
}

// within reports whether c is closed within a time.
func within(wait time.Duration, c <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

// A killed server is gone without a word to the fleet, to the session or to clients: only its sockets tell. One that is
// stopped says goodbye to all of them, which shows that the test would hear it.
func TestKill_NobodyIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(p *process) error
		want   error
		status control.Status
		told   bool
	}{
		"killed":  {func(p *process) error { return p.kill() }, app.ErrKilled, control.StatusUp, false},
		"stopped": {func(p *process) error { return p.stop() }, nil, control.StatusDown, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSurroundings(t)
			p := s.start(t, "m1")
			client := p.connect(t, newPool(t))
			queue := message.SessionQueue("s")
			if err := s.broker.DeclareQueue(t.Context(), queue); err != nil {
				t.Fatal(err)
			}
			pipeline, err := client.CreatePipeline(t.Context(), mediaapi.PipelineParams{Session: "s", Epoch: 1})
			if err != nil {
				t.Fatal(err)
			}
			ended := publish(t, client, pipeline)

			if err := c.end(p); !errors.Is(err, c.want) {
				t.Errorf("Run returned %v", err)
			}

			<-client.Closed()
			server, err := s.store.MediaServers.Get(t.Context(), "m1")
			if err != nil || server.Status != c.status {
				t.Errorf("the fleet has it as %+v, %v", server, err)
			}
			wait := time.Second
			if c.told {
				wait = time.Minute // it ends when it is told
			}
			if told := within(wait, ended); told != c.told {
				t.Errorf("the client was told: %t", told)
			}
		})
	}
}
