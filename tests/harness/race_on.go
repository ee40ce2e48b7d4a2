//go:build race

package harness

// buildFlags has the programs look for data races too when the test does.
func buildFlags() []string { return []string{"-race"} }

// variant ends the name of the directory of such programs.
const variant = "-race"
