package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestRestAPI_DiesAmongMessages kills one REST replica and then the other while several users send messages, each the
// next when the one before was answered, and again under the same key when it was not. The reader gets each message
// once, those of each sender in their order.
func TestRestAPI_DiesAmongMessages(t *testing.T) {
	const senders, each = 6, 40
	session := fleet.NewSession(t)
	reader := joinSilently(t, session, "reader")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sending sync.WaitGroup
	sent := make(chan error, senders*each)
	for n := range senders {
		id := fmt.Sprintf("sender-%d", n)
		joined, err := fleet.API.Join(ctx, session, id)
		if err != nil {
			t.Fatal(err)
		}
		sending.Go(func() {
			for number := range each {
				sent <- untilDone(ctx, harness.Request{
					Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users/" + id + "/messages",
					Bearer: joined.Token, Body: map[string]any{"type": "number", "data": number},
				}, nil)
			}
		})
	}
	for n := range senders * each {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if n == senders*each/4 {
			killAndRestart(t, fleet.RestAPIs[0])
		}
		if n == senders*each/2 {
			killAndRestart(t, fleet.RestAPIs[1])
		}
	}
	sending.Wait()
	testkit.Eventually(t, func() error {
		if got := count(reader, "message", nil); got < senders*each {
			return fmt.Errorf("the reader has %d of %d messages", got, senders*each)
		}
		return nil
	})
	for n := range senders {
		want := make([]int, each)
		for number := range want {
			want[number] = number
		}
		id := fmt.Sprintf("sender-%d", n)
		if got := numbers(reader, id); !slices.Equal(got, want) {
			t.Errorf("of %s the reader got %v", id, got)
		}
	}
}
