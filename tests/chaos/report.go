package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report writes what a run has shown, as tables.
func (w *world) report(out io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	line("\n| trouble | times | media gap p50 | p95 | max | packets missing | API back p50 | max |")
	line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	troubles := 0
	for _, name := range w.resultNames() {
		var gaps, api []time.Duration
		times, missing := 0, 0
		for _, r := range w.results {
			if r.name() != name {
				continue
			}
			times++
			troubles += len(r.targets)
			missing += r.missing
			gaps, api = append(gaps, r.gaps...), append(api, r.api)
		}
		line("| %s | %d | %s | %s | %s | %d | %s | %s |", name, times, ms(gaps, 50), ms(gaps, 95), ms(gaps, 100), missing,
			ms(api, 50), ms(api, 100))
	}
	line("\n| | |\n| --- | ---: |")
	line("| troubles | %d |", troubles)
	line("| short sessions, guests | %d, %d |", w.churned.sessions, w.churned.guests)
	line("| requests acknowledged | %d |", w.attempts.acknowledged)
	line("| refused for good | %d |", w.attempts.refused)
	line("| refused with Retry-After, and sent again | %d |", w.attempts.later)
	line("| without an answer, and sent again | %d |", w.attempts.unknown)
	line("| slowest answer | %d ms |", w.attempts.slowest.Milliseconds())
	line("| acknowledged and lost | %d |", w.tally("lost"))
	line("| applied twice | %d |", w.tally("twice"))
	line("| other faults | %d |", len(w.faults)-w.tally("lost")-w.tally("twice"))
	for _, f := range w.faults {
		line("\nFAULT %s", f)
	}
}

// resultNames are the kinds that were seen, in the order of kinds.
func (w *world) resultNames() []string {
	var names []string
	for _, k := range append(kinds(), several) {
		if slices.ContainsFunc(w.results, func(r result) bool { return r.name() == string(k) }) {
			names = append(names, string(k))
		}
	}
	return names
}

// tally is how many faults of a sort there were.
func (w *world) tally(what string) int {
	n := 0
	for _, f := range w.faults {
		if f.what == what {
			n++
		}
	}
	return n
}

// ms is a percentile in milliseconds.
func ms(list []time.Duration, percentile int) string {
	if len(list) == 0 {
		return "–"
	}
	list = slices.Sorted(slices.Values(list))
	at := (len(list)*percentile+99)/100 - 1
	return fmt.Sprintf("%d ms", list[max(at, 0)].Milliseconds())
}
