//go:build race

package session_test

import "flag"

// underRace: the race detector makes the long tests five times as long. With it they look at every fifth step and play a
// fifth of the courses; `make test` runs them again without it, whole.
const underRace = true

func init() {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
}
