//go:build !race

package harness

// buildFlags is empty: the test does not look for data races, nor do the programs.
func buildFlags() []string { return nil }

// variant ends the name of the directory of such programs.
const variant = ""

// environment adds nothing.
func environment() []string { return nil }
