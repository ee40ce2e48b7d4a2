package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestPoll_LosesNothing is the promise of polling: whatever gets lost on the way, whichever replica is asked, whenever a
// client starts anew, every message is seen, in order, under one id, and none after it was skipped.
func TestPoll_LosesNothing(t *testing.T) {
	f := newFleet(t, 2, nil)
	session := f.session()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		path, token := f.user(session, fmt.Sprintf("user-%d", run))
		total := rapid.IntRange(1, 40).Draw(rt, "messages")
		var sending sync.WaitGroup
		var sent []string
		sending.Go(func() {
			for i := range total {
				var m struct{ ID string }
				a, err := send(t.Context(), f.replicas[i%2].url, token, "POST", path+"/messages",
					object{"type": "n", "data": i, "to": fmt.Sprintf("user-%d", run)})
				if err != nil || a.status != http.StatusAccepted {
					t.Errorf("send: %v %d %s", err, a.status, a.body)
					return
				}
				a.decode(t, &m)
				sent = append(sent, m.ID)
			}
		})
		c := &lossyClient{f: f, t: rt, path: path, token: token}
		for steps := 0; len(c.acknowledged) < total+1 && steps < 2000; steps++ {
			c.step()
		}
		sending.Wait()
		if got := c.acknowledged[1:]; !slices.Equal(got, sent) {
			rt.Fatalf("acknowledged %v, sent %v", got, sent)
		}
		f.must(http.StatusNoContent, apiKey, "DELETE", path, nil)
	})
}

// lossyClient polls as badly as the contract allows.
type lossyClient struct {
	f            *fleet
	t            *rapid.T
	path, token  string
	cursor       string   // of the last batch that arrived, "" after a restart
	batch        []string // what it acknowledges
	acknowledged []string
}

func (c *lossyClient) step() {
	replica := rapid.IntRange(0, 1).Draw(c.t, "replica")
	query := fmt.Sprintf("?wait=%dms&limit=%d",
		rapid.IntRange(0, 30).Draw(c.t, "wait"), rapid.IntRange(1, 8).Draw(c.t, "limit"))
	if c.cursor != "" {
		query += "&ack=" + c.cursor
	}
	a := c.f.callAt(replica, c.token, "GET", c.path+"/messages"+query, nil)
	if a.status != http.StatusOK {
		c.t.Fatalf("poll: %d %s", a.status, a.body)
	}
	// The poll has acknowledged its cursor even if its answer is lost.
	c.acknowledged = append(c.acknowledged, c.batch...)
	c.batch = nil
	switch rapid.SampledFrom([]string{"arrives", "arrives", "lost", "restart"}).Draw(c.t, "answer") {
	case "lost": // the same cursor is sent again
	case "restart":
		c.cursor = ""
	default:
		var p polled
		a.decode(c.t, &p)
		c.cursor, c.batch = p.Cursor, p.ids()
	}
}
