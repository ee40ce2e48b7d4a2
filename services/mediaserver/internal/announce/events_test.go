package announce_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// sender is a broker that may be away.
type sender struct {
	mu    sync.Mutex
	err   error
	tried []string // ids of all tries
	sent  []broker.Message
}

func (s *sender) Send(_ context.Context, _ string, m broker.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = append(s.tried, m.ID)
	if s.err == nil {
		s.sent = append(s.sent, m)
	}
	return s.err
}

func (s *sender) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sender) look() (tried []string, sent []broker.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.tried...), append([]broker.Message(nil), s.sent...)
}

func (s *sender) wait(t *testing.T, n int) []broker.Message {
	t.Helper()
	testkit.Eventually(t, func() error {
		if _, sent := s.look(); len(sent) < n {
			return fmt.Errorf("%d messages sent, want %d", len(sent), n)
		}
		return nil
	})
	_, sent := s.look()
	return sent
}

// endpoint is a live subscribe endpoint of a session.
func endpoint(t *testing.T, server *media.Server, user control.UserID) *media.SubscribeEndpoint {
	t.Helper()
	pipeline, err := server.CreatePipeline("s", 1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := pipeline.NewSubscribeEndpoint(user, "j", control.Subscriptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newServer(t *testing.T) *media.Server {
	t.Helper()
	server, err := media.NewServer(media.Config{Network: rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true}}, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func run(t *testing.T, s announce.Sender) *announce.Events {
	t.Helper()
	events := announce.NewEvents(s, silent())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { events.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return events
}

func offered(o media.Object, seq int64) media.Event {
	return media.Event{Object: o, Type: media.EventOfferCreated, Data: media.OfferCreated{Seq: seq, SDP: "v=0"}, Time: time.Now()}
}

func changed(o media.Object, number int64) media.Event {
	return changedTo(o, number, control.ConnectionConnected)
}

func changedTo(o media.Object, number int64, state control.ConnectionState) media.Event {
	return media.Event{
		Object: o, Type: media.EventEndpointStateChanged,
		Data: media.EndpointStateChanged{Number: number, State: state}, Time: time.Now(),
	}
}

func seq(t *testing.T, m broker.Message) int64 {
	t.Helper()
	var body struct{ Seq, Number int64 }
	if err := json.Unmarshal(m.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body.Seq + body.Number
}

func TestEvents_KeepOrderOfAnEndpoint(t *testing.T) {
	server, s := newServer(t), &sender{}
	events := run(t, s)
	users := []control.UserID{"a", "b", "c"}
	for n := range int64(50) {
		for _, user := range users {
			events.OnEvent(changed(endpoint(t, server, user), n+1))
		}
	}
	last := map[string]int64{}
	testkit.Eventually(t, func() error {
		_, sent := s.look()
		for _, m := range sent {
			last[m.User] = seq(t, m)
		}
		for _, user := range users {
			if last[string(user)] != 50 {
				return fmt.Errorf("last state of %s is %d", user, last[string(user)])
			}
		}
		return nil
	})
	clear(last)
	_, sent := s.look()
	for _, m := range sent {
		if seq(t, m) <= last[m.User] {
			t.Fatalf("state %d of %s came after %d", seq(t, m), m.User, last[m.User])
		}
		last[m.User] = seq(t, m)
	}
}

// While the broker is away only the last offer and the last state of an endpoint are kept; what was on its way is tried
// again under the same id.
func TestEvents_OutlastTheBroker(t *testing.T) {
	server, s := newServer(t), &sender{}
	s.set(broker.ErrUnavailable)
	events, e := run(t, s), endpoint(t, server, "a")
	events.OnEvent(offered(e, 1))
	testkit.Eventually(t, func() error {
		if tried, _ := s.look(); len(tried) < 2 {
			return fmt.Errorf("%d tries", len(tried))
		}
		return nil
	})
	for n := int64(2); n <= 100; n++ {
		events.OnEvent(offered(e, n))
		events.OnEvent(changed(e, n))
	}
	s.set(nil)
	sent := s.wait(t, 3)
	tried, _ := s.look()
	if sent[0].ID != tried[0] || seq(t, sent[0]) != 1 {
		t.Errorf("the first try was %s, sent %+v", tried[0], sent[0])
	}
	if len(sent) != 3 || seq(t, sent[1]) != 100 || seq(t, sent[2]) != 100 ||
		sent[1].Type != message.TypeMediaOffer || sent[2].Type != message.TypeMediaState {
		t.Errorf("sent %+v", sent)
	}
}

// A broker that has lost the queue of a session gets it again within seconds; the queue of a session that has ended is not
// waited for for ever.
func TestEvents_DropWhatNobodyTakes(t *testing.T) {
	for name, c := range map[string]struct {
		tries int // until the queue is there
		want  int64
	}{"lost": {3, 1}, "ended": {8, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := newServer(t), &sender{}
			s.set(broker.ErrUnroutable)
			events, e := run(t, s), endpoint(t, server, "a")
			events.OnEvent(offered(e, 1))
			testkit.Eventually(t, func() error {
				if tried, _ := s.look(); len(tried) < c.tries {
					return fmt.Errorf("tried %d times", len(tried))
				}
				return nil
			})
			s.set(nil)
			events.OnEvent(offered(e, 2))
			if sent := s.wait(t, 1); seq(t, sent[0]) != c.want {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestEvents_IgnoreWhatIsNotOfTheFleet(t *testing.T) {
	server, s := newServer(t), &sender{}
	events := run(t, s)
	other, err := server.CreatePipeline("", 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := other.NewSubscribeEndpoint("a", "j", control.Subscriptions{})
	if err != nil {
		t.Fatal(err)
	}
	events.OnEvent(offered(e, 1))
	events.OnEvent(media.Event{Object: other, Type: media.EventObjectCreated, Time: time.Now()})
	events.OnEvent(offered(endpoint(t, server, "mine"), 1))
	if sent := s.wait(t, 1); sent[0].User != "mine" {
		t.Errorf("sent %+v", sent)
	}
}

// That an endpoint connects is told when it takes long, or when it has something else to tell.
func TestEvents_ConnectingIsNewsWhenItLasts(t *testing.T) {
	server := newServer(t)
	quick, slow, busy := endpoint(t, server, "quick"), endpoint(t, server, "slow"), endpoint(t, server, "busy")
	synctest.Test(t, func(t *testing.T) {
		s := &sender{}
		events := run(t, s)
		for _, e := range []media.Object{quick, slow, busy} {
			events.OnEvent(changedTo(e, 1, control.ConnectionConnecting))
		}
		time.Sleep(time.Second)
		events.OnEvent(changed(quick, 2))
		events.OnEvent(offered(busy, 1))
		synctest.Wait()
		expectSent(t, s, map[string][]int64{"quick": {2}, "busy": {1, 1}})
		time.Sleep(10 * time.Second)
		events.OnEvent(changed(slow, 2))
		synctest.Wait()
		expectSent(t, s, map[string][]int64{"quick": {2}, "busy": {1, 1}, "slow": {1, 2}})
	})
}

// expectSent compares the numbers of what was sent, by user.
func expectSent(t *testing.T, s *sender, want map[string][]int64) {
	t.Helper()
	got := map[string][]int64{}
	_, sent := s.look()
	for _, m := range sent {
		got[m.User] = append(got[m.User], seq(t, m))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}
