//go:build race

package harness

// buildFlags has the programs look for data races too when the test does.
func buildFlags() []string { return []string{"-race"} }

// variant ends the name of the directory of such programs.
const variant = "-race"

// environment has programs end at once: the second that they would wait for reports of other races is the test's, each
// time one of them is stopped.
func environment() []string { return []string{"GORACE=atexit_sleep_ms=50"} }
