package main

import (
	"context"
	"log/slog"

	"github.com/orkestro/orkestro/pkg/doctor"
)

// examine has the operator's doctor look at the fleet, and everything that it finds is a fault. What belongs to nothing
// on the broker is found by compareBroker: the doctor would need the management plugin.
func (w *world) examine(ctx context.Context) {
	fleet, closeFleet, err := doctor.Open(ctx, w.fleet.Doctor(), slog.New(slog.DiscardHandler))
	if err != nil {
		w.fault("doctor", "%v", err)
		return
	}
	defer closeFleet()
	report, err := doctor.Examine(ctx, fleet, doctor.Settings{})
	if err != nil {
		w.fault("doctor", "%v", err)
	}
	for _, f := range report.Findings {
		w.fault("doctor", "%s %s: %s", f.Problem, f.Object, f.Detail)
	}
}
