// Package reconcile mends what fell between two processes: sessions whose pipeline is lost, pipelines that no session
// and endpoints that no user wants, servers that were given up and are back. Package liveness calls it when a server is
// lost; a slow loop finds the rest. It only asks: rebuilds go through the session's queue.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const (
	// sending bounds the rebuilds that are sent at the same moment.
	sending = 16
	// settled is for how many periods something has to be as it is before that is taken for its end. Chosen: longer than
	// the try of a request that is about to change it.
	settled = 3
	// freshHeartbeat: a server that is down and was heard of so lately is back.
	freshHeartbeat = 2 * time.Second
)

// Server is a connection to a media server.
type Server interface {
	Pipelines(ctx context.Context) ([]mediaapi.FleetPipeline, error)
	Endpoints(ctx context.Context) ([]mediaapi.FleetEndpoint, error)
	Views(ctx context.Context) ([]mediaapi.FleetEndpoint, error)
	ReleaseObject(ctx context.Context, id string) error
}

// Fleet is the media servers.
type Fleet interface {
	Servers() []control.MediaServer
}

// Connect reaches a server, if the registered instance answers.
type Connect func(ctx context.Context, id control.MediaServerID) (Server, error)

// Reconciler compares servers and sessions. Safe for concurrent use.
type Reconciler struct {
	every   time.Duration
	store   *store.Store
	fleet   Fleet
	connect Connect
	sender  session.Sender
	log     *slog.Logger
	replica string

	// What Run remembers from one round to the next.
	lookedAt string                                // the last negotiation that was looked at
	unused   map[string]time.Time                  // endpoints that no connection has, and since when
	reserved map[control.MediaServerID]reservation // places that were taken
	viewed   map[control.MediaServerID]viewed      // endpoints of viewers
}

// New is a reconciler that looks every so often; Run starts it. replica is the id of this Wrapper, for the audit.
func New(
	every time.Duration, replica string, st *store.Store, f Fleet, c Connect, s session.Sender, logger *slog.Logger,
) *Reconciler {
	return &Reconciler{
		every: every, replica: replica, store: st, fleet: f, connect: c, sender: s,
		log:    logger.With(slog.String(logging.KeyComponent, "reconcile")),
		unused: map[string]time.Time{}, reserved: map[control.MediaServerID]reservation{},
		viewed: map[control.MediaServerID]viewed{},
	}
}

// Run looks until ctx ends.
func (r *Reconciler) Run(ctx context.Context) {
	for {
		pause := r.every/2 + rand.N(r.every) //nolint:gosec // jitter needs no secrecy
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		for _, server := range r.fleet.Servers() {
			if err := r.server(ctx, server); err != nil && ctx.Err() == nil {
				r.log.Log(ctx, level(err), "media server not reconciled, the next round tries again",
					slog.String(logging.KeyServer, string(server.ID)), slog.Any(logging.KeyError, err))
			}
		}
		if err := r.negotiations(ctx); err != nil && ctx.Err() == nil {
			r.log.Log(ctx, level(err), "negotiations not looked through, the next round goes on",
				slog.Any(logging.KeyError, err))
		}
	}
}

// level of a failure: of an outage there is a line already.
func level(err error) slog.Level {
	if control.CodeOf(err) == control.CodeUnavailable || errors.Is(err, broker.ErrUnavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// server is one round with one server.
func (r *Reconciler) server(ctx context.Context, server control.MediaServer) error {
	alive := server.Instance
	if server.Status == control.StatusDown {
		alive = ""
	}
	if err := r.rebuild(ctx, server.ID, alive); err != nil {
		return err
	}
	if time.Since(server.HeartbeatAt) > freshHeartbeat {
		return nil
	}
	if err := errors.Join(r.pipelines(ctx, server), r.reservations(ctx, server)); err != nil {
		return err
	}
	if server.Status != control.StatusDown {
		return nil
	}
	err := r.store.MediaServers.Revive(ctx, server.ID, server.Instance)
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	if err == nil {
		r.log.Info("media server is back", slog.String(logging.KeyServer, string(server.ID)))
	}
	return err
}

// rebuild asks for every session with a pipeline on server that is not on the instance alive.
func (r *Reconciler) rebuild(ctx context.Context, server control.MediaServerID, alive control.InstanceID) error {
	stranded, err := r.store.Sessions.Stranded(ctx, server, alive)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(sending)
	for _, sess := range stranded {
		group.Go(func() error { return r.ask(ctx, sess, false) })
	}
	return group.Wait()
}

func (r *Reconciler) ask(ctx context.Context, sess store.SessionSummary, gone bool) error {
	return session.Ask(ctx, r.sender, sess.ID, session.RebuildID(sess.ID, sess.Epoch), message.TypeRebuild,
		message.Rebuild{
			Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID, Gone: gone, Reason: session.ReasonServerDown,
		})
}

// pipelines compares what a server has with what sessions want. The sessions are read first, so that a pipeline that
// one of them has and the server has not is gone indeed.
func (r *Reconciler) pipelines(ctx context.Context, server control.MediaServer) error {
	sessions, err := r.store.Sessions.OnServer(ctx, server.ID)
	if err != nil {
		return err
	}
	client, err := r.connect(ctx, server.ID)
	if err != nil {
		return err
	}
	there, err := client.Pipelines(ctx)
	if err != nil {
		return err
	}
	has := make(map[string]bool, len(there))
	for _, p := range there {
		has[p.ID] = true
	}
	for _, sess := range sessions {
		here := sess.Pipeline.Server == server.ID && sess.Pipeline.Instance == server.Instance
		if here && sess.State == control.SessionActive && !has[sess.Pipeline.ID] {
			if err := r.ask(ctx, sess, true); err != nil {
				return err
			}
		}
	}
	return errors.Join(r.release(ctx, client, there, sessions), r.endpoints(ctx, client, sessions),
		r.views(ctx, server.ID, client, sessions))
}

// release frees pipelines that no session wants and none will: those of a session that is over, or that has others
// under this epoch or a later one. Of an epoch that is still to come it is just being made.
func (r *Reconciler) release(
	ctx context.Context, client Server, there []mediaapi.FleetPipeline, sessions []store.SessionSummary,
) error {
	wanted := make(map[string]bool, len(sessions))
	for _, sess := range sessions {
		if sess.State == control.SessionClosed {
			continue
		}
		for _, pipeline := range sess.Pipelines() {
			wanted[pipeline.ID] = true
		}
	}
	for _, p := range there {
		if wanted[p.ID] {
			continue
		}
		sess, err := r.store.Sessions.Get(ctx, p.Session)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && sess.State != control.SessionClosed && (sess.Epoch < p.Epoch || uses(sess, p.ID)) {
			continue
		}
		r.log.Info("pipeline that no session wants released", slog.String(logging.KeyPipeline, p.ID),
			slog.String(logging.KeySession, string(p.Session)))
		if err := client.ReleaseObject(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

func uses(sess *control.Session, pipeline string) bool {
	return slices.ContainsFunc(sess.Pipelines(), func(p control.PipelineRef) bool { return p.ID == pipeline })
}
