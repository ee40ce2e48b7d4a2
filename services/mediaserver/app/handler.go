package app

import (
	"context"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
	"github.com/orkestro/orkestro/pkg/logging"
)

// pings notice clients that are gone without a word. Generous: nothing depends on it but memory, and Kurento's clients
// may be debugged.
const (
	pingInterval = 30 * time.Second
	pingTimeout  = 30 * time.Second
)

// handler serves the control protocol until serving ends, and probes and metrics.
func (s *server) handler(serving context.Context) http.Handler {
	var checks []health.Check
	if s.fleet != nil {
		checks = s.fleet.checks()
	}
	mux := http.NewServeMux()
	mux.Handle("/", health.Handler(s.metrics, checks...))
	mux.HandleFunc("/kurento", func(w http.ResponseWriter, r *http.Request) {
		s.controlled.Add(1)
		defer s.controlled.Done()
		conn, err := ws.Accept(w, r, s.cfg.AllowedOrigins, ws.Config{PingInterval: pingInterval, PingTimeout: pingTimeout})
		if err != nil {
			s.log.Debug("control connection refused", logging.KeyError, err)
			return
		}
		s.control.Serve(serving, conn)
	})
	return mux
}
