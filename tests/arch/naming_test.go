package arch_test

import (
	"slices"
	"testing"
)

// vague names say nothing about what is in a package.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "shared"}

func TestNaming_NoVaguePackages(t *testing.T) {
	for _, p := range list(t) {
		if slices.Contains(vague, p.Name) {
			t.Errorf("%s: package %s is named for nothing that it does", p.path(), p.Name)
		}
	}
}
