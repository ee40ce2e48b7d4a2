package k8s_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// rule is something that must hold for every build.
type rule struct {
	check  func(manifests) []string
	spoils []spoil
}

// spoil is a mistake that somebody could make: the check of its rule must find it, by words that hold says.
type spoil struct {
	name string
	in   string // the build that the mistake is made in; none: production
	hint string // is part of a finding
	do   func(*manifests)
}

// rules are all of them, each beside its check.
func rules() map[string]rule {
	return map[string]rule{
		"names":      {checkNames, namesSpoils},
		"security":   {checkSecurity, securitySpoils},
		"resources":  {checkResources, resourcesSpoils},
		"probes":     {checkProbes, probesSpoils},
		"images":     {checkImages, imagesSpoils},
		"references": {checkReferences, referencesSpoils},
		"selectors":  {checkSelectors, selectorsSpoils},
		"monitors":   {checkMonitors, monitorsSpoils},
		"budgets":    {checkBudgets, budgetsSpoils},
		"scaling":    {checkScaling, scalingSpoils},
		"grace":      {checkGrace, graceSpoils},
		"media":      {checkMedia, mediaSpoils},
		"settings":   {checkSettings, settingsSpoils},
		"network":    {checkNetwork, networkSpoils},
	}
}

func TestRules(t *testing.T) {
	for _, build := range slices.Sorted(maps.Keys(builds)) {
		t.Run(build, func(t *testing.T) {
			for name, rule := range rules() {
				for _, finding := range rule.check(load(t, build)) {
					t.Errorf("%s: %s", name, finding)
				}
			}
		})
	}
}

// A check that finds nothing proves something only if it would find a mistake.
func TestRules_FindMistakes(t *testing.T) {
	for name, rule := range rules() {
		for _, s := range rule.spoils {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				build := s.in
				if build == "" {
					build = "production"
				}
				m := load(t, build)
				s.do(&m)
				findings := strings.Join(rule.check(m), "\n")
				if !strings.Contains(findings, s.hint) || findings == "" {
					t.Errorf("not found; found is: %q", findings)
				}
			})
		}
		if len(rule.spoils) == 0 {
			t.Errorf("%s: nothing proves that it can fail", name)
		}
	}
}
