package main

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
	"github.com/orkestro/orkestro/tests/harness"
)

// The short run is always the same plan.
const (
	seed     = 21
	troubles = 8
	longest  = 3 * time.Second
)

// TestChaos is a short run: eight troubles of different kinds.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a whole fleet")
	}
	err := run(t.Context(), "chaos-test", makePlan(seed, troubles, kinds(), longest), t.Output())
	missing := errors.Is(err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" || errors.Is(err, harness.ErrNoNamespaces)
	if missing {
		t.Skip(err)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestPlan has the same seed give the same plan, and a plan give every kind.
func TestPlan(t *testing.T) {
	seen := map[kind]bool{}
	again := makePlan(7, 40, kinds(), time.Minute)
	for i, s := range makePlan(7, 40, kinds(), time.Minute) {
		if s.String() != again[i].String() {
			t.Errorf("%s, and then %s", s, again[i])
		}
		for _, k := range s.kinds {
			seen[k] = true
		}
	}
	if len(seen) != len(kinds()) {
		t.Errorf("kinds seen: %v", seen)
	}
}
