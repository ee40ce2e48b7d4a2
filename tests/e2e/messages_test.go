package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// numbers is what arrived of one sender's numbered messages, in order of arrival.
func numbers(u *harness.User, from string) []int {
	var list []int
	for _, m := range u.Messages() {
		var data struct {
			Type string `json:"type"`
			Data int    `json:"data"`
		}
		if m.Type == "message" && m.From == from && json.Unmarshal(m.Data, &data) == nil && data.Type == "number" {
			list = append(list, data.Data)
		}
	}
	return list
}

// TestMessages_KeepTheOrderOfTheirSender sends through both replicas in turn, to all and to one, from two senders at once.
func TestMessages_KeepTheOrderOfTheirSender(t *testing.T) {
	session := fleet.NewSession(t)
	ann, ben, cleo := joinSilently(t, session, "ann"), joinSilently(t, session, "ben"), joinSilently(t, session, "cleo")
	const count = 100
	want := make([]int, count)
	sent := make(chan error, 2)
	for _, sender := range []*harness.User{ann, ben} {
		go func() {
			for n := range count {
				to := ""
				if n%3 == 0 {
					to = "cleo"
				}
				if _, err := sender.Send(t.Context(), "number", n, to); err != nil {
					sent <- fmt.Errorf("%s sends number %d: %w", sender.ID, n, err)
					return
				}
			}
			sent <- nil
		}()
	}
	for range 2 {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	for n := range want {
		want[n] = n
	}
	toAll := slices.DeleteFunc(slices.Clone(want), func(n int) bool { return n%3 == 0 })
	for _, sender := range []string{"ann", "ben"} {
		expectNumbers(t, cleo, sender, want)
		expectNumbers(t, ann, sender, toAll)
		expectNumbers(t, ben, sender, toAll)
	}
	expectNoFailures(t, ann, ben, cleo)
}

func expectNumbers(t *testing.T, receiver *harness.User, sender string, want []int) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if got := numbers(receiver, sender); len(got) < len(want) {
			return fmt.Errorf("%s has %d of %d messages of %s", receiver.ID, len(got), len(want), sender)
		}
		return nil
	})
	if got := numbers(receiver, sender); !slices.Equal(got, want) {
		t.Errorf("%s received from %s: %v", receiver.ID, sender, got)
	}
}
