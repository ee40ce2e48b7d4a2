package e2e_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// lostMediaSessions: an encoder and a player are gone without a word, and nothing of them is left in the end.
func lostMediaSessions(t *testing.T, f trouble, p *pair) {
	t.Helper()
	encoder, err := harness.Ingest(t.Context(), f.API, whipPath(string(p.session), "?user=obs"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(encoder.Close)
	player, err := harness.Watch(t.Context(), f.API, whepPath(string(p.session), "?user=obs"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(player.Close)
	expectView(t, player)
	encoder.Vanish()
	player.Vanish()
	wait(t, p.ben, 1, "user-left", `"timeout"`)
	testkit.Eventually(t, func() error {
		sess := p.read(t, f)
		var err error
		if len(sess.Users) != 2 || len(sess.Leaving) != 0 || len(sess.Connections) != 4 {
			err = fmt.Errorf("%d users, %d leaving, %d connections, want those of ann and ben",
				len(sess.Users), len(sess.Leaving), len(sess.Connections))
		}
		views, lost := f.media.Views(t.Context())
		for _, view := range views {
			if view.Pipeline == sess.Pipeline.ID {
				lost = errors.Join(lost, fmt.Errorf("the endpoint of viewer %s is there", view.User))
			}
		}
		return errors.Join(err, lost, expectNoViews(t.Context(), f.store, p.session))
	})
	expectNoFailures(t, p.ann, p.ben)
}
