package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestExactlyOnce_OverTheDeathOfAWrapper has many users join few sessions at once, again and again, while one of the two
// Wrappers is killed in the middle of it. Each join happens once: one place a user, and everybody is told of it once.
func TestExactlyOnce_OverTheDeathOfAWrapper(t *testing.T) {
	const sessions, users = 4, 8
	var ids []string
	for range sessions {
		ids = append(ids, fleet.NewSession(t))
	}
	watchers := map[string]*harness.User{}
	for _, id := range ids {
		watchers[id] = joinSilently(t, id, "watcher")
	}
	var joining sync.WaitGroup
	failed := make(chan error, sessions*users) // each join fails at most once
	halfway := make(chan struct{}, sessions*users)
	for _, id := range ids {
		for n := range users {
			joining.Go(func() {
				if err := insist(t.Context(), id, fmt.Sprintf("user-%d", n)); err != nil {
					failed <- err
				}
				halfway <- struct{}{}
			})
		}
	}
	for range sessions * users / 4 {
		<-halfway
	}
	fleet.Wrappers[0].Kill()
	t.Cleanup(func() {
		if err := fleet.Wrappers[0].Start(context.Background()); err != nil {
			t.Errorf("restart the Wrapper: %v", err)
		}
	})
	joining.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	for id, watcher := range watchers {
		expectEachOnce(t, id, watcher, users)
	}
}

// insist joins as a backend does that wants to be sure: the same request again until it is answered.
func insist(ctx context.Context, session, user string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := fleet.API.Do(ctx, harness.Request{
			Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: map[string]any{"id": user},
			Header: map[string]string{"Idempotency-Key": session + "-" + user},
		}, nil)
		var problem *harness.ProblemError
		if err == nil || errors.As(err, &problem) && problem.Status < http.StatusInternalServerError &&
			problem.Status != http.StatusConflict {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("join %s of %s: %w", user, session, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// expectEachOnce checks that a session has all users, and that its watcher was told of each exactly once.
func expectEachOnce(t *testing.T, session string, watcher *harness.User, users int) {
	t.Helper()
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	path := "/v1/sessions/" + session + "/users?limit=200"
	if _, err := fleet.API.Do(t.Context(), harness.Request{Method: http.MethodGet, Path: path}, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != users+1 {
		t.Errorf("session %s has %d users, not %d: %v", session, len(list.Items), users+1, list.Items)
	}
	for n := range users {
		user := fmt.Sprintf("user-%d", n)
		testkit.Eventually(t, func() error {
			if countJoined(watcher, user) == 0 {
				return fmt.Errorf("the watcher of %s was not told of %s", session, user)
			}
			return nil
		})
		if count := countJoined(watcher, user); count != 1 {
			t.Errorf("the watcher of %s was told of %s %d times", session, user, count)
		}
	}
}

func countJoined(watcher *harness.User, user string) int {
	count := 0
	for _, m := range watcher.Messages() {
		if m.Type == "user-joined" && about(user)(m) {
			count++
		}
	}
	return count
}
