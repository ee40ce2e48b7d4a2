package main

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
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
	err := run(t.Context(), "chaos-test", order{seed, troubles, kinds(), longest}, t.Output())
	if errors.Is(err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestKinds_WithoutHosts has all that can be done to a fleet that is not isolated stay.
func TestKinds_WithoutHosts(t *testing.T) {
	left := slices.DeleteFunc(kinds(), kind.cutsOff)
	if want := len(kinds()) - len(only("cut off")); len(left) != want || slices.ContainsFunc(left, kind.cutsOff) {
		t.Errorf("%q, want %d", left, want)
	}
}

// TestPlan has the same seed give the same plan, and a plan give every kind.
func TestPlan(t *testing.T) {
	seen := map[kind]bool{}
	o := order{seed: 7, n: 40, of: kinds(), longest: time.Minute}
	again := o.plan()
	for i, s := range o.plan() {
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
