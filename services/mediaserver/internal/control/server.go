// Package control is the media server's control protocol: the Kurento Protocol (JSON-RPC 2.0), so that existing Kurento
// clients work unchanged, and on top of it the module "orkestro" of package mediaapi, which the fleet's Wrappers use.
// It checks parameters, keeps sessions and subscriptions, and leaves media to package media. It knows neither broker
// nor database. One file a type of the protocol.
package control

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Config are the settings of a [Server].
type Config struct {
	Instance string // names this life of the process: the serverId of the protocol
	Version  string // of the build
	// SessionPeriod is how long a session may be without connection and request before it, and what only it referenced,
	// is dropped; 0: never, but for sessions that hold nothing. Pipelines that were made for a session of the fleet are
	// kept until released all the same.
	SessionPeriod time.Duration
	// Trace, which may be nil, begins the span of a request that came with parent, and gives the context that it is served
	// in and that context's W3C traceparent, "" if the request is not traced.
	Trace func(ctx context.Context, operation, parent string) (serving context.Context, own string, end func(error))
}

// Server serves the protocol on any number of connections. Safe for concurrent use.
type Server struct {
	period   time.Duration
	log      *slog.Logger
	objects  *registry
	sessions *sessions
	methods  *methods
	duration *prometheus.HistogramVec
	trace    func(ctx context.Context, operation, parent string) (context.Context, string, func(error))
}

// New makes the control layer of m. Events reach it through [Server.OnEvent]; Run has its sessions expire.
func New(config Config, m *media.Server, metrics prometheus.Registerer, logger *slog.Logger) *Server {
	logger = logger.With(logging.KeyComponent, "control")
	objects := newRegistry(m, config.Version, logger)
	s := &Server{
		period:   config.SessionPeriod,
		trace:    config.Trace,
		log:      logger,
		objects:  objects,
		sessions: objects.sessions,
		methods:  newMethods(objects, config.Instance, logger),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orkestro_mediaserver_rpc_duration_seconds",
			Help:    "Time to serve a request of the control protocol, by method or operation.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s
		}, []string{"operation", "result"}),
	}
	metrics.MustRegister(s.duration)
	return s
}

// Serve answers one connection until it is closed or ctx ends, and closes it.
func (s *Server) Serve(ctx context.Context, conn jsonrpc.Conn) {
	s.log.Debug("control connection opened")
	err := jsonrpc.Serve(ctx, conn, &connection{server: s, conn: conn})
	s.sessions.detach(conn)
	s.log.Debug("control connection closed", logging.KeyError, err)
}

// Run drops expired sessions until ctx ends.
func (s *Server) Run(ctx context.Context) {
	ticker := time.NewTicker(orIdle(s.period))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.objects.releaseOrphans(s.sessions.expire(s.period))
		case <-ctx.Done():
			return
		}
	}
}
