// Package control is the media server's control protocol: the Kurento Protocol (JSON-RPC 2.0), so that existing Kurento
// clients work unchanged, and on top of it the module "orkestro" of package mediaapi, which the fleet's Wrappers use.
// It checks parameters, keeps sessions and subscriptions, and leaves media to package media. It knows neither broker
// nor database. One file a type of the protocol.
package control

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Config are the settings of a [Server].
type Config struct {
	Instance string // names this life of the process: the serverId of the protocol
	Version  string // of the build
	// SessionPeriod is how long a session may be without connection and request before it, and what only it referenced,
	// is dropped; 0: never. Pipelines that were made for a session of the fleet are kept until released all the same.
	SessionPeriod time.Duration
}

// Server serves the protocol on any number of connections. Safe for concurrent use.
type Server struct {
	config     Config
	media      *media.Server
	log        *slog.Logger
	started    time.Time
	manager    *manager
	sessions   *sessions
	properties *properties
	classes    classes
	duration   *prometheus.HistogramVec
}

// New makes the control layer of m. Events reach it through [Server.OnEvent]; Run has its sessions expire.
func New(config Config, m *media.Server, metrics prometheus.Registerer, logger *slog.Logger) *Server {
	s := &Server{
		config:     config,
		media:      m,
		log:        logger.With(logging.KeyComponent, "control"),
		started:    time.Now(),
		manager:    &manager{meta: media.NewMeta(mediaapi.ServerManagerID)},
		sessions:   newSessions(),
		properties: newProperties(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orkestro_mediaserver_rpc_duration_seconds",
			Help:    "Time to serve a request of the control protocol, by method or operation.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s
		}, []string{"operation", "result"}),
	}
	s.classes = newClasses(s)
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
	if s.config.SessionPeriod <= 0 {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(s.config.SessionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.releaseOrphans(s.sessions.expire(s.config.SessionPeriod))
		case <-ctx.Done():
			return
		}
	}
}

// releaseOrphans releases pipelines that no session references, but for those of the fleet.
func (s *Server) releaseOrphans(pipelines []string) {
	for _, id := range pipelines {
		object, found := s.media.Object(id)
		if !found {
			continue
		}
		if pipeline, ok := object.(*media.Pipeline); ok && pipeline.Session() == "" {
			s.log.Info("pipeline released: its last session is gone", logging.KeyPipeline, id)
			s.release(pipeline)
		}
	}
}

// release ends an object and everything in it. Nobody hears of them any more but listeners of the ServerManager.
func (s *Server) release(o media.Object) {
	for _, child := range o.Children() {
		s.forget(child.ID())
	}
	s.forget(o.ID())
	s.media.Release(o.ID())
}

func (s *Server) forget(id string) {
	s.sessions.forget(id)
	s.properties.forget(id)
}

// find gives a live object, the ServerManager included.
func (s *Server) find(id reference) (media.Object, error) {
	if id == mediaapi.ServerManagerID {
		return s.manager, nil
	}
	if strings.HasPrefix(string(id), newReference) {
		return nil, errorf(codeNoCommit, "'%s' means something within a transaction only", id)
	}
	object, found := s.media.Object(string(id))
	if !found {
		return nil, errObjectNotFound(string(id))
	}
	return object, nil
}

// rootOf is the id of the pipeline that an object is in, "" for the ServerManager.
func rootOf(id string) string {
	if id == mediaapi.ServerManagerID {
		return ""
	}
	root, _, _ := strings.Cut(id, "/")
	return root
}
