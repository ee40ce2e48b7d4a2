package consume_test

import (
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// A message of a later release is left to a Wrapper of that release for a while, however often it comes back, and then
// given up. It is not acted on, even if it could be read.
func TestHandle_WhatIsNewerIsLeftToNewerWrappers(t *testing.T) {
	st := open(t)
	cases := map[string]struct {
		version  int
		age      time.Duration
		attempts int
		put      bool // back
	}{
		"young":                 {message.Version + 1, time.Second, 0, true},
		"young, of times ahead": {message.Version + 1, -time.Hour, 0, true},
		"put back often":        {message.Version + 7, 9 * time.Minute, maxAttempts, true},
		"old":                   {message.Version + 1, 11 * time.Minute, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, st)
			d := delivery(message.TypeCreateSession, `{"id":"newer"}`, c.attempts)
			d.Version, d.Time = c.version, time.Now().Add(-c.age)
			err := f.consumer.Handle(t.Context(), d)
			if broker.IsPostponed(err) != c.put || broker.IsPermanent(err) == c.put {
				t.Fatalf("got %v", err)
			}
			switch {
			case c.put && len(f.replies) != 0:
				t.Errorf("its sender was told %+v", f.replies)
			case !c.put && (len(f.replies) != 1 || f.replies[0].Code != control.CodeInvalid):
				t.Errorf("its sender was told %+v", f.replies)
			case !c.put && !strings.Contains(err.Error(), "schema version 2"):
				t.Errorf("reason %q", err)
			}
			if _, err := st.Sessions.Get(t.Context(), "newer"); err == nil {
				t.Error("it was acted on")
			}
		})
	}
}
