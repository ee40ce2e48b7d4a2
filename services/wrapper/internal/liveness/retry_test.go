package liveness_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// A store that takes no writes at the moment of the loss: it is claimed as soon as the store does.
func TestMonitor_AClaimThatFailsIsTriedAgain(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { must(t, st.Close(context.Background())) })
	var away atomic.Bool
	var refused atomic.Int64
	wrappers, err := store.Open(t.Context(), mongo.Mortal(t, url, func(string) error {
		if !away.Load() {
			return nil
		}
		refused.Add(1)
		return errors.New("no writes now")
	}), database)
	must(t, err)
	t.Cleanup(func() { must(t, wrappers.Close(context.Background())) })

	m := startMediaServer(t, st, "i")
	a, b := startWrappers(t, wrappers)
	away.Store(true)
	m.die()
	testkit.Eventually(t, func() error {
		if n := refused.Load(); n < 10 {
			return fmt.Errorf("%d writes were refused", n)
		}
		return nil
	})
	away.Store(false)
	expectLoss(t, st, a, b)
}
