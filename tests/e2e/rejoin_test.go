package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// joinSilently brings a user into a session that publishes nothing.
func joinSilently(t *testing.T, session, id string) *harness.User {
	t.Helper()
	return harness.Join(t, fleet.API, session, id)
}

// about matches messages whose data names a user.
func about(user string) func(harness.Message) bool {
	return func(m harness.Message) bool {
		var data struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		}
		return json.Unmarshal(m.Data, &data) == nil && data.User.ID == user
	}
}

func TestRejoin_AfterLeaving(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)

	if err := users[1].Leave(t.Context()); err != nil {
		t.Fatalf("leave: %v", err)
	}
	testkit.Eventually(t, func() error {
		if !users[1].Gone() {
			return fmt.Errorf("ben was not told that he is gone")
		}
		if !has(users[0], "user-left", about("ben")) {
			return fmt.Errorf("ann was not told that ben left")
		}
		if stream := users[0].Streams()["ben"]; stream != "" {
			return fmt.Errorf("ann still knows stream %s of ben", stream)
		}
		return nil
	})

	ben := join(t, session, "ben")[0]
	expectMedia(t, users[0], ben)
	expectNoFailures(t, users[0], ben)
}

func TestRejoin_WithoutLeaving(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	users[1].Close() // the laptop is closed, and opened again

	ben := join(t, session, "ben")[0]
	expectMedia(t, users[0], ben)
	if has(users[0], "user-left", about("ben")) {
		t.Error("a rejoin looked like leaving")
	}
	expectNoFailures(t, users[0], ben)
}
