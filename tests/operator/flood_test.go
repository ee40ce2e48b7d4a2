package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// tooSlow is what nobody waits for whom a flood does not concern. Who waited behind it would wait for ever, and be refused
// after 5 s.
const tooSlow = 3 * time.Second

// TestFlood has one user send ten times as much as it may, at both replicas. It is refused, and told when to come again;
// another user of another session sends and joins as fast as before.
func TestFlood(t *testing.T) {
	flooder := joinAs(t, fleet.NewSession(t), "flooder")
	other := fleet.NewSession(t)
	ann, ben := joinAs(t, other, "ann"), joinAs(t, other, "ben")
	calm := measure(t, ann, ben, "calm")

	ctx, stop := context.WithCancel(t.Context())
	f := &flood{user: flooder}
	var flooding sync.WaitGroup
	for i, replica := range fleet.RestAPIs {
		flooding.Go(func() { f.run(ctx, "http://"+replica.Address, i) })
	}
	testkit.Eventually(t, func() error {
		if f.refused.Load() == 0 {
			return fmt.Errorf("%d taken, none refused", f.taken.Load())
		}
		return nil
	})
	busy := measure(t, ann, ben, "busy")
	stop()
	flooding.Wait()

	t.Logf("flood: %d taken, %d refused, %d other; a message %s (calm %s), a join %s (calm %s)",
		f.taken.Load(), f.refused.Load(), f.other.Load(), busy.message, calm.message, busy.join, calm.join)
	if f.other.Load() > 0 || f.hasty.Load() > 0 {
		t.Errorf("%d answers were neither 202 nor 429, %d did not say when to come again", f.other.Load(), f.hasty.Load())
	}
	// The flooder, its refusals and other tests take their share of the same machine: how much is not what is tested.
	if busy.message > tooSlow || busy.join > tooSlow {
		t.Errorf("others are slowed by a flood: %+v, without it %+v", busy, calm)
	}
}

// TestFlood_OfOneSession fills the queue of a session, as a backend may whose key has no limit: the Wrappers have
// thousands of its requests before them, and serve other sessions meanwhile, which do not wait behind them. What does not
// fit is refused.
func TestFlood_OfOneSession(t *testing.T) {
	session, err := fleet.API.CreateSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	flooded := joinAs(t, session, "flooded")
	other := fleet.NewSession(t)
	ann, ben := joinAs(t, other, "ann"), joinAs(t, other, "ben")
	calm := measure(t, ann, ben, "calm")

	b := openBroker(t)
	queue := message.SessionQueue(control.SessionID(flooded.session)).Name
	body, err := json.Marshal(message.AddCandidates{
		Presence: message.Presence{User: control.UserID(flooded.id), Join: flooded.join}, Kind: control.Subscribe, Epoch: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	for range 64 {
		flooding.Go(func() {
			for ctx.Err() == nil {
				_ = b.Send(ctx, queue, broker.Message{
					ID: control.NewID(), Type: message.TypeAddCandidates, Session: flooded.session, Time: time.Now(),
					Version: message.Version, Body: body,
				})
			}
		})
	}
	testkit.Eventually(t, func() error { return waiting(t, b, queue, 1000) })
	busy := measure(t, ann, ben, "busy")
	still := waiting(t, b, queue, 1)
	stop()
	flooding.Wait()
	t.Logf("a message %s (calm %s), a join %s (calm %s)", busy.message, calm.message, busy.join, calm.join)
	if still != nil {
		t.Errorf("the flood was over too soon: %v", still)
	}
	if busy.message > tooSlow || busy.join > tooSlow {
		t.Errorf("other sessions are slowed: %+v, without it %+v", busy, calm)
	}
	// Its end would wait behind the rest of it, for longer than anybody wants to look on.
	if err := b.DeleteQueue(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return fleet.API.CloseSession(t.Context(), flooded.session) })
}

// waiting is an error until so many messages wait in a queue.
func waiting(t *testing.T, b *amqp.Broker, queue string, enough int) error {
	t.Helper()
	info, err := b.Inspect(t.Context(), queue)
	if err == nil && info.Messages < enough {
		err = fmt.Errorf("%d messages wait", info.Messages)
	}
	return err
}

// flood is a user who sends too much.
type flood struct {
	user                         member
	taken, refused, hasty, other atomic.Int64
}

// floodStep is between two messages at one replica: two replicas make ten times the limit of 50 a second.
const floodStep = 4 * time.Millisecond

// floodPoll is how many messages the user sends between two of its polls.
const floodPoll = 100

func (f *flood) run(ctx context.Context, base string, replica int) {
	ticker := time.NewTicker(floodStep)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		f.send(ctx, base, fmt.Sprintf(`{"type":"flood","data":"%d %d"}`, replica, n))
		if replica == 0 && n%floodPoll == 0 {
			_, _ = f.user.inbox.Poll(ctx, 0, 1) // who never polls is removed
		}
	}
}

func (f *flood) send(ctx context.Context, base, body string) {
	url := fmt.Sprintf("%s/v1/sessions/%s/users/%s/messages", base, f.user.session, f.user.id)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		f.other.Add(1)
		return
	}
	request.Header.Set("Authorization", "Bearer "+f.user.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		f.other.Add(1)
	case response.StatusCode == http.StatusAccepted:
		f.taken.Add(1)
	case response.StatusCode == http.StatusTooManyRequests:
		f.refused.Add(1)
		if response.Header.Get("Retry-After") == "" {
			f.hasty.Add(1)
		}
	default:
		f.other.Add(1)
	}
	if err == nil {
		_ = response.Body.Close()
	}
}

// pace is how fast others are served: medians.
type pace struct{ message, join time.Duration }

// measure sends messages from one user to the other and has users join.
func measure(t *testing.T, sender, receiver member, when string) pace {
	t.Helper()
	const samples = 21
	var messages, joins []time.Duration
	for i := range samples {
		if _, err := sender.inbox.Poll(t.Context(), 0, 1); err != nil { // who never polls is removed
			t.Fatal(err)
		}
		begun := time.Now()
		id, err := sender.say(t.Context(), "how fast?")
		if err != nil {
			t.Fatal(err)
		}
		expectMessage(t, receiver, func(m harness.Message) bool { return m.ID == id })
		messages = append(messages, time.Since(begun))

		begun = time.Now()
		if _, err := fleet.API.Join(t.Context(), sender.session, fmt.Sprintf("%s-%d", when, i)); err != nil {
			t.Fatal(err)
		}
		joins = append(joins, time.Since(begun))
	}
	return pace{median(messages), median(joins)}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
