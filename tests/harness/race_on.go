//go:build race

package harness

// buildFlags has the programs look for data races too when the test does.
func buildFlags() []string { return []string{"-race"} }
