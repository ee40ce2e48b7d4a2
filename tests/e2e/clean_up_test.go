package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestSessions_AThousandWithKillsLeaveNothing makes and closes a thousand sessions, some with users, while one process
// of each service is killed and started again. When the last is closed, broker, database and media servers hold what
// they held before, except the documents of closed sessions, which are kept for a while.
func TestSessions_AThousandWithKillsLeaveNothing(t *testing.T) {
	const sessions, atOnce = 1000, 16
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for n := range fleet.RestAPIs { // connections that are opened when they are needed are open then
		if err := shortLife(ctx, -10*(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	closeOthers(t)
	before := takeStock(t)
	defer tellDeadLetters(t)
	numbers, ended := make(chan int), make(chan error)
	var working sync.WaitGroup
	for range atOnce {
		working.Go(func() {
			for n := range numbers {
				ended <- shortLife(ctx, n)
			}
		})
	}
	go func() {
		defer close(numbers)
		for n := range sessions {
			numbers <- n
		}
	}()
	victims := map[int]*harness.Process{
		200: fleet.Wrappers[0], 400: fleet.RestAPIs[1], 600: fleet.MediaServers[0], 800: fleet.Wrappers[1],
	}
	var restarts sync.WaitGroup
	began := time.Now()
	for n := range sessions {
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if victim := victims[n]; victim != nil {
			victim.Kill()
			restarts.Go(func() {
				if err := victim.Start(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("restart %s: %v", victim.Name, err)
				}
			})
		}
	}
	working.Wait()
	restarts.Wait()
	t.Logf("%d sessions in %s", sessions, time.Since(began).Round(time.Second))
	testkit.Eventually(t, func() error { return before.compare(t) })
}

// closeOthers closes the sessions that other scenarios have left, and waits until the broker has nothing of them: what
// they still lack, after a scenario in which the broker lost everything, would come meanwhile. So would the dead
// letters.
func closeOthers(t *testing.T) {
	t.Helper()
	must(t, openBroker(t).DeclareQueue(t.Context(), message.DeadLetter()))
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	testkit.Eventually(t, func() error {
		_, err := fleet.API.Do(t.Context(), harness.Request{Method: http.MethodGet, Path: "/v1/sessions?limit=200"}, &list)
		if err != nil {
			return err
		}
		for _, s := range list.Items {
			if err := fleet.API.CloseSession(t.Context(), s.ID); err != nil {
				return err
			}
		}
		if len(list.Items) > 0 {
			return fmt.Errorf("%d sessions were open", len(list.Items))
		}
		exchanges, err := fleet.Broker.Exchanges(t.Context())
		for _, name := range exchanges {
			if strings.HasPrefix(name, "orkestro.session.") {
				err = errors.Join(err, fmt.Errorf("exchange %s is there", name))
			}
		}
		return err
	})
}

// tellDeadLetters says what was given up, which nothing should be.
func tellDeadLetters(t *testing.T) {
	t.Helper()
	b := openBroker(t)
	info, err := b.Inspect(t.Context(), broker.DeadLetterQueue)
	if err != nil || info.Messages == 0 {
		return
	}
	letters, err := b.OpenMailbox(t.Context(), broker.DeadLetterQueue, info.Messages)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = letters.Close() }()
	for range info.Messages {
		m := <-letters.Deliveries()
		t.Errorf("given up: %s %s of %s: %+v", m.Type, m.ID, m.Session, m.Failure)
	}
}

// shortLife is a session, of which every tenth has two users who poll to its end, and another tenth one who leaves.
func shortLife(ctx context.Context, n int) error {
	session := fmt.Sprintf("short-lived-%d", n)
	err := untilDone(ctx, harness.Request{
		Method: http.MethodPost, Path: "/v1/sessions", Body: map[string]any{"id": session},
	}, nil)
	var users []*harness.Inbox
	switch n % 10 {
	case 0:
		for _, user := range []string{"ann", "bob"} {
			var joined harness.Joined
			err = errors.Join(err, untilDone(ctx, harness.Request{
				Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: map[string]any{"id": user},
			}, &joined))
			users = append(users, harness.NewInbox(fleet.API, session, user, joined.Token))
		}
	case 1:
		path := "/v1/sessions/" + session + "/users"
		err = errors.Join(err,
			untilDone(ctx, harness.Request{Method: http.MethodPost, Path: path, Body: map[string]any{"id": "cid"}}, nil),
			untilDone(ctx, harness.Request{Method: http.MethodDelete, Path: path + "/cid"}, nil))
	}
	err = errors.Join(err, untilDone(ctx, harness.Request{Method: http.MethodDelete, Path: "/v1/sessions/" + session}, nil))
	for _, inbox := range users {
		err = errors.Join(err, pollToTheEnd(ctx, inbox))
	}
	return err
}

// untilDone makes a call as a backend does that wants to be sure: again until it is answered, a POST under its key.
func untilDone(ctx context.Context, r harness.Request, result any) error {
	r.Header = map[string]string{"Idempotency-Key": control.NewID()}
	for {
		_, err := fleet.API.Do(ctx, r, result)
		var problem *harness.ProblemError
		refused := errors.As(err, &problem)
		switch {
		case err == nil, refused && r.Method == http.MethodDelete && problem.Code == "gone",
			refused && r.Method == http.MethodDelete && problem.Code == "not_found":
			return nil
		case refused && problem.RetryAfter == "" && problem.Status < http.StatusInternalServerError:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		case <-time.After(100 * time.Millisecond): // the pause of a client, not a wait for something
		}
	}
}

// pollToTheEnd polls and acknowledges until the session is gone.
func pollToTheEnd(ctx context.Context, inbox *harness.Inbox) error {
	for {
		_, err := inbox.Poll(ctx, time.Second, 64)
		var problem *harness.ProblemError
		switch {
		case errors.As(err, &problem) && problem.Code == "gone":
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("poll to the end: %w", err)
		case err != nil:
			time.Sleep(50 * time.Millisecond) // the pause of a client, not a wait for something
		}
	}
}

// stock is what broker, database and media servers hold. What may vary a little is in grown.
type stock struct {
	queues, exchanges []string
	counts            map[string]int
	grown             map[string]float64
}

// room is how much more of something a process may have than before. Memory is that of the heap, with the garbage that
// the collector has not looked at yet: what the process holds of the machine says more of the race detector than of us.
var room = map[string]float64{"go_goroutines": 40, "go_memstats_heap_alloc_bytes": 96 << 20}

func takeStock(t *testing.T) stock {
	t.Helper()
	s, err := lookAround(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lookAround(t *testing.T) (stock, error) {
	t.Helper()
	ctx := t.Context()
	s := stock{counts: map[string]int{}, grown: map[string]float64{}}
	queues, err := fleet.Broker.Queues(ctx)
	if err != nil {
		return s, err
	}
	s.queues = slices.Sorted(maps.Keys(queues))
	if s.exchanges, err = fleet.Broker.Exchanges(ctx); err != nil {
		return s, err
	}
	slices.Sort(s.exchanges)
	for _, what := range []string{"bindings", "connections"} {
		if s.counts[what], err = fleet.Broker.Count(ctx, what); err != nil {
			return s, err
		}
	}
	if err := s.countDocuments(t); err != nil {
		return s, err
	}
	for _, p := range slices.Concat(fleet.RestAPIs, fleet.Wrappers, fleet.MediaServers) {
		if err := s.measure(ctx, p); err != nil {
			return s, err
		}
	}
	return s, nil
}

// countDocuments counts those that a live session has, and what media servers say that they have.
func (s *stock) countDocuments(t *testing.T) error {
	t.Helper()
	ctx, st := t.Context(), openStore(t)
	const more = 10_000
	presence, err := st.Presence.List(ctx, "", more)
	if err != nil {
		return err
	}
	negotiations, err := st.Negotiations.List(ctx, "", more)
	if err != nil {
		return err
	}
	servers, err := st.MediaServers.List(ctx)
	if err != nil {
		return err
	}
	s.counts["presence"], s.counts["negotiations"] = len(presence), len(negotiations)
	for _, server := range servers {
		s.counts["pipelines"] += server.Load.Pipelines
		s.counts["endpoints"] += server.Load.Endpoints
		s.counts["reserved"] += int(max(0, server.Placed-server.Load.PipelinesCreated))
	}
	return nil
}

// measure reads what a process says of itself.
func (s *stock) measure(ctx context.Context, p *harness.Process) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+"/metrics", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	for lines := bufio.NewScanner(io.LimitReader(response.Body, 1<<20)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if _, wanted := room[name]; !wanted {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(text, &value); err != nil {
			return err
		}
		s.grown[p.Name+" "+name] = value
	}
	return nil
}

// compare is nil when nothing is there that was not there before.
func (s stock) compare(t *testing.T) error {
	t.Helper()
	now, err := lookAround(t)
	if err != nil {
		return err
	}
	for what, lists := range map[string][2][]string{"queue": {s.queues, now.queues}, "exchange": {s.exchanges, now.exchanges}} {
		for _, name := range lists[1] {
			if !slices.Contains(lists[0], name) {
				err = errors.Join(err, fmt.Errorf("%s %s", what, name))
			}
		}
	}
	for what, count := range now.counts {
		if count > s.counts[what] {
			err = errors.Join(err, fmt.Errorf("%d %s, there were %d", count, what, s.counts[what]))
		}
	}
	for what, value := range now.grown {
		_, name, _ := strings.Cut(what, " ")
		if value > s.grown[what]+room[name] {
			err = errors.Join(err, fmt.Errorf("%s is %.0f and was %.0f", what, value, s.grown[what]))
		}
	}
	return err
}
