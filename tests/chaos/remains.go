package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/tests/harness"
)

// settleLimit is how long everything may take to come to rest: several rounds of the loops that mend.
const settleLimit = 60 * time.Second

// checkAll compares, when everything has come to rest, what the clients were told with what is in the database, the
// broker and the media servers; then closes the calls and looks for what is left.
func (w *world) checkAll(ctx context.Context) {
	w.checkHistories(ctx)
	w.settles(ctx, "views", w.compareViews)
	w.compareWith(ctx, w.calls)
	if err := w.mediaFlows(ctx); err != nil {
		w.fault("media", "when all has come to rest: %v", err)
	}
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	for _, c := range w.calls {
		if err := w.close(ctx, c.session); err != nil {
			w.fault("close", "session %s: %v", c.session, err)
		}
		for _, m := range c.members {
			w.settles(ctx, "end", func(context.Context) error {
				if !m.Gone() {
					return fmt.Errorf("%s still reads %s, which is closed", m.ID, c.session)
				}
				return nil
			})
		}
	}
	w.compareWith(ctx, nil)
}

// compareWith looks for what these live sessions need, and nothing else.
func (w *world) compareWith(ctx context.Context, live []*call) {
	names := map[control.SessionID]bool{}
	for _, c := range live {
		names[control.SessionID(c.session)] = true
	}
	w.settles(ctx, "store", func(ctx context.Context) error { return w.compareStore(ctx, names) })
	w.settles(ctx, "broker", func(ctx context.Context) error { return w.compareBroker(ctx, names) })
	w.settles(ctx, "media servers", func(ctx context.Context) error { return w.compareMedia(ctx, names) })
	w.examine(ctx)
}

// settles has a condition come true in time, or be a fault.
func (w *world) settles(ctx context.Context, what string, condition func(context.Context) error) {
	if err := eventually(ctx, settleLimit, func() error { return condition(ctx) }); err != nil {
		w.fault(what, "%v", err)
	}
}

// checkHistories waits until everything that was acknowledged has arrived, and reports what has not or went wrong.
func (w *world) checkHistories(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for _, c := range w.calls {
		for _, m := range c.members {
			_ = eventually(waiting, settleLimit, func() error { return somethingLost(c, m) }) // reported now
			w.note(m.check(c.ledger, true)...)
		}
	}
}

// somethingLost is nil when a member of a call has all that it should have.
func somethingLost(c *call, m *member) error {
	h := m.history(true)
	for _, f := range audit(c.ledger.all(), h) {
		if f.what == "lost" {
			return errors.New(f.detail)
		}
	}
	return nil
}

// compareViews is nil when every member was told of exactly what the API says is there, and of its epoch.
func (w *world) compareViews(ctx context.Context) error {
	for _, c := range w.calls {
		var sess struct {
			Epoch int64 `json:"epoch"`
		}
		if err := w.get(ctx, "/v1/sessions/"+c.session, &sess); err != nil {
			return err
		}
		var list struct {
			Items []person `json:"items"`
		}
		path := "/v1/sessions/" + c.session + "/users?limit=200"
		if err := w.get(ctx, path, &list); err != nil {
			return err
		}
		there := newView()
		there.replace(list.Items)
		for _, m := range c.members {
			m.update()
			if m.view.String() != there.String() {
				return fmt.Errorf("session %s: %s was told %s, and there is %s", c.session, m.ID, m.view, there)
			}
			if m.view.epoch != sess.Epoch {
				return fmt.Errorf("session %s: %s was told of epoch %d, and it is %d", c.session, m.ID, m.view.epoch, sess.Epoch)
			}
			if m.view.marked > sess.Epoch {
				return fmt.Errorf("session %s: %s got a message of epoch %d, and it is %d", c.session, m.ID, m.view.marked, sess.Epoch)
			}
		}
	}
	return nil
}

// compareStore is nil when the live sessions are those that should be, with their members, and nothing belongs to
// others.
func (w *world) compareStore(ctx context.Context, names map[control.SessionID]bool) error {
	sessions, err := w.store.Sessions.List(ctx, store.SessionFilter{
		States: []control.SessionState{control.SessionActive, control.SessionClosing}, Now: time.Now(), Limit: 1000,
	})
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if !names[s.ID] {
			return fmt.Errorf("session %s is there, %s", s.ID, s.State)
		}
		if len(s.Users) != callSize || len(s.Leaving) != 0 || len(s.Connections) != callSize+publishers {
			return fmt.Errorf("session %s: users %+v, leaving %+v, connections %+v", s.ID, s.Users, s.Leaving, s.Connections)
		}
	}
	if len(sessions) != len(names) {
		return fmt.Errorf("%d of %d sessions are there", len(sessions), len(names))
	}
	present, err := w.store.Presence.Idle(ctx, time.Now().Add(time.Hour), 1000)
	if err != nil {
		return err
	}
	for _, p := range present {
		if !names[p.Session] {
			return fmt.Errorf("presence of %s in %s is there", p.User, p.Session)
		}
	}
	return nil
}

// compareBroker is nil when there are the queues and exchanges of the live sessions, of the services, and no others,
// and nothing was given up.
func (w *world) compareBroker(ctx context.Context, names map[control.SessionID]bool) error {
	queues, err := w.fleet.Broker.Queues(ctx)
	if err != nil {
		return err
	}
	if queues[broker.DeadLetterQueue] != 0 {
		return fmt.Errorf("%d messages in %s", queues[broker.DeadLetterQueue], broker.DeadLetterQueue)
	}
	exchanges, err := w.fleet.Broker.Exchanges(ctx)
	if err != nil {
		return err
	}
	wanted, wantedExchanges := w.wanted(names)
	delete(queues, broker.DeadLetterQueue) // made when something needed it, before this
	if got := slices.Sorted(maps.Keys(queues)); !slices.Equal(got, wanted) {
		return fmt.Errorf("queues too many %v, missing %v", without(got, wanted), without(wanted, got))
	}
	for _, e := range wantedExchanges {
		if !slices.Contains(exchanges, e) {
			return fmt.Errorf("exchange %s is missing", e)
		}
	}
	for _, e := range exchanges {
		if strings.HasPrefix(e, "orkestro.session.") && !slices.Contains(wantedExchanges, e) {
			return fmt.Errorf("exchange %s is there", e)
		}
	}
	return nil
}

// wanted is the queues and exchanges that there should be, sorted.
func (w *world) wanted(names map[control.SessionID]bool) (queues, exchanges []string) {
	queues = append(queues, message.WrapperQueue)
	for _, p := range w.fleet.RestAPIs {
		queues = append(queues, message.ReplyQueue(p.Name).Name)
	}
	for _, c := range w.calls {
		id := control.SessionID(c.session)
		if !names[id] {
			continue
		}
		queues = append(queues, message.SessionQueue(id).Name)
		exchanges = append(exchanges, message.SessionExchange(id))
		for _, m := range c.members {
			queues = append(queues, message.UserQueue(id, control.UserID(m.ID)).Name)
		}
	}
	slices.Sort(queues)
	return queues, exchanges
}

// without is list without those in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// compareMedia is nil when the media servers have the pipelines of the live sessions and the endpoints of their
// connections, each once, and no others.
func (w *world) compareMedia(ctx context.Context, names map[control.SessionID]bool) error {
	wanted := map[string]string{} // what it is, by id
	for id := range names {
		s, err := w.store.Sessions.Get(ctx, id)
		if err != nil {
			return err
		}
		if s.Pipeline == nil {
			return fmt.Errorf("session %s has no pipeline", id)
		}
		wanted[s.Pipeline.ID] = fmt.Sprintf("pipeline of %s on %s", id, s.Pipeline.Server)
		for _, c := range s.Connections {
			wanted[c.Endpoint.ID] = fmt.Sprintf("%s endpoint of %s in %s on %s", c.Kind, c.User, id, s.Pipeline.Server)
		}
	}
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, slog.New(slog.DiscardHandler))
	defer pool.Close()
	for _, p := range w.fleet.MediaServers {
		client, err := pool.Connect(ctx, "ws://"+p.Address+"/kurento")
		if err != nil {
			return err
		}
		if err := strike(ctx, client, p.Name, wanted); err != nil {
			return err
		}
	}
	for id, what := range wanted {
		return fmt.Errorf("missing on its media server: %s (%s)", what, id)
	}
	return nil
}

// strike takes what one media server has off the list of what is wanted.
func strike(ctx context.Context, client *mediaclient.Client, server string, wanted map[string]string) error {
	pipelines, err := client.Pipelines(ctx)
	if err != nil {
		return err
	}
	endpoints, err := client.Endpoints(ctx)
	if err != nil {
		return err
	}
	found := map[string]string{}
	for _, p := range pipelines {
		found[p.ID] = fmt.Sprintf("pipeline of %s, epoch %d", p.Session, p.Epoch)
	}
	for _, e := range endpoints {
		found[e.ID] = fmt.Sprintf("endpoint of %s (join %s) in pipeline %s", e.User, e.Join, e.Pipeline)
	}
	for id, what := range found {
		if _, expected := wanted[id]; !expected {
			return fmt.Errorf("%s has what nobody wants: %s (%s)", server, what, id)
		}
		delete(wanted, id)
	}
	return nil
}

func (w *world) get(ctx context.Context, path string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err := w.fleet.API.Insist(ctx, harness.Request{Method: http.MethodGet, Path: path}, result)
	return err
}
