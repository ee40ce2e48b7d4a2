package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/app"
)

// surroundings are what a fleet has besides media servers.
type surroundings struct {
	broker   broker.Broker
	mongoURL string
	store    *store.Store
}

func newSurroundings(t *testing.T) *surroundings {
	t.Helper()
	mongo, err := embeddedmongo.Start(embeddedmongo.Config{Listen: "127.0.0.1:0"}, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mongo.Close() })
	s := &surroundings{broker: memory.New(silent()), mongoURL: mongo.URL()}
	t.Cleanup(func() { _ = s.broker.Close() })
	if s.store, err = store.Open(t.Context(), s.mongoURL, "orkestro"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close(context.Background()) })
	return s
}

func (s *surroundings) start(t *testing.T, id control.MediaServerID) *process {
	t.Helper()
	p := start(t, app.Config{ID: id, MongoURL: s.mongoURL, MongoDatabase: "orkestro"}, app.Deps{Broker: s.broker})
	testkit.Eventually(t, func() error {
		if status, body := p.get(t, "/readyz"); status != http.StatusOK {
			return fmt.Errorf("not ready: %s", body)
		}
		return nil
	})
	return p
}

func TestFleet_RegistersAndSaysGoodbye(t *testing.T) {
	s := newSurroundings(t)
	p := s.start(t, "m1")
	server, err := s.store.MediaServers.Get(t.Context(), "m1")
	if err != nil {
		t.Fatal(err)
	}
	if server.URL != "ws://"+p.address+"/kurento" || server.Status != control.StatusUp ||
		server.Availability != control.AvailabilityActive {
		t.Errorf("registered as %+v", server)
	}
	if client := p.connect(t, newPool(t)); client.Instance() != server.Instance {
		t.Errorf("the server calls itself %s, the fleet %s", client.Instance(), server.Instance)
	}
	testkit.Eventually(t, func() error {
		later, err := s.store.MediaServers.Get(t.Context(), "m1")
		if err == nil && (!later.HeartbeatAt.After(server.HeartbeatAt) || later.Load.MemoryBytes == 0) {
			err = fmt.Errorf("no heartbeat yet: %+v", later)
		}
		return err
	})
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if server, err = s.store.MediaServers.Get(t.Context(), "m1"); err != nil || server.Status != control.StatusDown {
		t.Errorf("after the stop: %+v, %v", server, err)
	}
}

// An offer of a subscribe endpoint reaches the session's queue, whoever made the endpoint.
func TestFleet_PublishesOffers(t *testing.T) {
	s := newSurroundings(t)
	client, ctx := s.start(t, "m1").connect(t, newPool(t)), t.Context()
	queue := message.SessionQueue("s")
	if err := s.broker.DeclareQueue(ctx, queue); err != nil {
		t.Fatal(err)
	}
	pipeline, err := client.CreatePipeline(ctx, mediaapi.PipelineParams{Session: "s", Epoch: 2})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := client.CreateSubscribeEndpoint(ctx, mediaapi.EndpointParams{MediaPipeline: pipeline, User: "b", Join: "jb"})
	if err != nil {
		t.Fatal(err)
	}
	publish, err := client.CreatePublishEndpoint(ctx, mediaapi.EndpointParams{MediaPipeline: pipeline, User: "a", Join: "ja"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ProcessOffer(ctx, publish, mediaapi.ProcessOffer{Offer: videoOffer(t), Seq: 1}); err != nil {
		t.Fatal(err)
	}
	mailbox, err := s.broker.OpenMailbox(ctx, queue.Name, 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mailbox.Close() })
	for d := range mailbox.Deliveries() {
		if d.Type != message.TypeMediaOffer {
			continue
		}
		var offer message.MediaOffer
		if err := json.Unmarshal(d.Body, &offer); err != nil {
			t.Fatal(err)
		}
		want := message.EndpointEvent{
			Presence: message.Presence{User: "b", Join: "jb"}, Kind: control.Subscribe, Epoch: 2, Pipeline: pipeline, Endpoint: endpoint,
		}
		if offer.EndpointEvent != want || offer.Seq != 1 || offer.SDP == "" || d.Session != "s" || d.User != "b" {
			t.Errorf("offer %+v in %+v", offer, d.Message)
		}
		return
	}
}

func TestFleet_YieldsToNewInstance(t *testing.T) {
	s := newSurroundings(t)
	older := s.start(t, "m1")
	s.start(t, "m1")
	testkit.Eventually(t, func() error {
		if status, _ := older.get(t, "/readyz"); status == http.StatusOK {
			return fmt.Errorf("the older instance is still ready")
		}
		return nil
	})
	_ = older.stop()
	if server, err := s.store.MediaServers.Get(t.Context(), "m1"); err != nil || server.Status != control.StatusUp {
		t.Errorf("the older instance marked the newer as down: %+v, %v", server, err)
	}
}
