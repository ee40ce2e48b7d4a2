package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/logging"
)

// headPeriod is how often the end of the audit is noted in the log, which is out of reach of who could rewrite the
// database. Chosen: what is done within an hour may be cut off unseen, and a log bears a line an hour.
const headPeriod = time.Hour

// noteHead notes the end of the audit, whenever this Wrapper begins to lead and then every so often.
func (w *wrapper) noteHead(ctx context.Context) {
	ticker := time.NewTicker(headPeriod)
	defer ticker.Stop()
	for {
		head, err := w.store.Audit.Head(ctx)
		switch {
		case err == nil && head.Seq > 0:
			w.log.Info("end of the audit", slog.String("head", head.String()))
		case err != nil && ctx.Err() == nil:
			w.log.Warn("the end of the audit cannot be noted", slog.Any(logging.KeyError, err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
