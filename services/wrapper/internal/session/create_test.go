package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A creation that ends among the dead letters leaves no queue that nobody would ever look for.
func TestCreate_LeavesNothingWhenItIsGivenUp(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), mongo.Mortal(t, url, func(step string) error {
		if strings.Contains(step, "insert") {
			return errors.New("not this document")
		}
		return nil
	}), database)
	must(t, err)
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	w := worldOn(t, st)
	r := request("create")
	for _, r.Last = range []bool{false, true} {
		if _, err := w.service[0].Create(w.ctx, r, message.CreateSession{ID: sid}); !session.Retryable(err) {
			t.Fatalf("created: %v", err)
		}
		_, err := w.broker.Inspect(w.ctx, message.SessionQueue(sid).Name)
		if gone := errors.Is(err, broker.ErrNotFound); gone != r.Last {
			t.Errorf("last try: %t, queue gone: %t", r.Last, gone)
		}
	}
}
