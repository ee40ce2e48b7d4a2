package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
)

// placeTries bounds how many servers are tried for one pipeline.
const placeTries = 8

// pipelines places the sessions' pipelines on media servers.
type pipelines struct {
	*teller
	fleet   Fleet
	places  *placement.Places
	metrics *Metrics
}

// ensurePipeline gives the session a pipeline on a server that lives, if it has none, and returns the session with it.
// A pipeline that is lost is replaced under the next epoch; a rebuild, queued before that, sees to the users.
func (s *pipelines) ensurePipeline(ctx context.Context, r Request, sess *control.Session) (*control.Session, error) {
	if sess.Pipeline != nil {
		lost, err := s.lost(ctx, *sess.Pipeline)
		if err != nil || !lost {
			return sess, err
		}
		if err := s.queueRebuild(ctx, r, sess, false); err != nil {
			return nil, err
		}
	}
	return s.replacePipeline(ctx, r, sess)
}

// replacePipeline puts the session's next pipeline in the place of the one before. A move to that one ends with it.
func (s *pipelines) replacePipeline(ctx context.Context, r Request, sess *control.Session) (*control.Session, error) {
	ref, err := s.place(ctx, sess)
	if err != nil {
		return nil, err
	}
	err = s.store.Sessions.SetPipeline(ctx, sess.ID, sess.Epoch, ref, connected(sess))
	if err == nil && sess.Pipeline != nil {
		s.metrics.rebuilt(r.Made)
	}
	now, err := s.placed(ctx, r, sess, ref, err)
	if err == nil && sess.Relocation != nil {
		s.release(ctx, sess.Relocation.From.Server, sess.Relocation.From.ID)
	}
	return now, err
}

// placed returns the session with its next pipeline, which ref is or not: err is what the compare-and-set on the epoch
// said. The loser takes the winner's and releases its own.
func (s *pipelines) placed(
	ctx context.Context, r Request, sess *control.Session, ref control.PipelineRef, err error,
) (*control.Session, error) {
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return nil, err // a redelivery creates the same pipeline, or finds it set
	}
	if err == nil {
		s.metrics.placements.WithLabelValues("ok").Inc()
		s.log.InfoContext(ctx, "pipeline placed", slog.String(logging.KeySession, string(sess.ID)),
			slog.String(logging.KeyServer, string(ref.Server)), slog.Int64(logging.KeyEpoch, sess.Epoch+1))
	}
	now, readErr := s.active(ctx, r)
	if err != nil && (readErr == nil || !Retryable(readErr)) {
		s.metrics.placements.WithLabelValues("lost").Inc()
		s.dropPipeline(ctx, ref, now)
	}
	if readErr == nil && now.Pipeline == nil {
		return nil, errBusy
	}
	return now, readErr
}

// connected lists the users that lose media when the session has no pipeline any more.
func connected(sess *control.Session) []control.UserID {
	var users []control.UserID
	for _, user := range sess.Users {
		if slices.ContainsFunc(sess.Connections, func(c control.Connection) bool {
			return c.User == user.ID && c.Seq > 0 && c.State != control.ConnectionClosed
		}) {
			users = append(users, user.ID)
		}
	}
	return users
}

// dropPipeline gives up a pipeline that lost the compare-and-set, unless the winner made the same one.
func (s *pipelines) dropPipeline(ctx context.Context, ref control.PipelineRef, winner *control.Session) {
	if winner != nil && winner.Pipeline != nil && winner.Pipeline.ID == ref.ID {
		s.unreserve(ctx, ref)
		return
	}
	s.release(ctx, ref.Server, ref.ID)
}

// place makes a pipeline on a server that is not excluded.
func (s *pipelines) place(
	ctx context.Context, sess *control.Session, exclude ...control.MediaServerID,
) (control.PipelineRef, error) {
	ref, err := s.tryServers(ctx, sess, exclude)
	if err != nil {
		s.metrics.placements.WithLabelValues(string(control.CodeOf(err))).Inc()
	}
	return ref, err
}

// tryServers chooses a server, reserves the place and makes the pipeline there; a server that cannot is left out.
func (s *pipelines) tryServers(
	ctx context.Context, sess *control.Session, exclude []control.MediaServerID,
) (control.PipelineRef, error) {
	request := placement.Request{Region: sess.Region, Now: time.Now(), Exclude: exclude, Admit: s.cfg.Admit}
	if sess.Pipeline != nil {
		request.Prefer = sess.Pipeline.Server
	}
	var last error
	for range placeTries {
		servers := s.fleet.Servers()
		server, settle, err := s.places.Choose(servers, request)
		if err != nil && slices.ContainsFunc(servers, suspect) {
			return control.PipelineRef{}, fmt.Errorf("%w: %w", ErrOutOfReach, errors.Join(err, last))
		}
		if err != nil {
			return control.PipelineRef{}, errors.Join(err, last)
		}
		ref, err := s.createPipeline(ctx, sess, server, settle)
		if err == nil {
			return ref, nil
		}
		if ctx.Err() != nil {
			return control.PipelineRef{}, err
		}
		s.log.WarnContext(ctx, "media server cannot take a pipeline, trying another",
			slog.String(logging.KeyServer, string(server.ID)), slog.Any(logging.KeyError, err))
		request.Exclude, last = append(request.Exclude, server.ID), err
	}
	return control.PipelineRef{}, errBusy
}

// suspect reports whether a server may have room, but we do not reach it.
func suspect(server control.MediaServer) bool { return server.Status == control.StatusSuspect }

// createPipeline makes the pipeline on the server that was chosen; settle is called as soon as the place is reserved.
func (s *pipelines) createPipeline(
	ctx context.Context, sess *control.Session, chosen control.MediaServer, settle func(),
) (control.PipelineRef, error) {
	defer settle()
	server, err := s.store.MediaServers.Reserve(ctx, chosen.ID, chosen.Instance)
	if err != nil {
		return control.PipelineRef{}, fmt.Errorf("reserve a place on %s: %w", chosen.ID, err)
	}
	s.fleet.Saw(server)
	settle()
	ref := control.PipelineRef{Server: server.ID, Instance: server.Instance}
	if s.cfg.Admit != nil { // its record may have been changed since it was last seen
		if reason := s.cfg.Admit(server); reason != "" {
			s.unreserve(ctx, ref)
			return control.PipelineRef{}, fmt.Errorf("media server %s is refused: %s", server.ID, reason)
		}
	}
	media, err := s.fleet.Media(ctx, server.ID)
	if err == nil {
		ref.ID, err = media.CreatePipeline(ctx, mediaapi.PipelineParams{Session: sess.ID, Epoch: sess.Epoch + 1})
	}
	if err != nil {
		s.unreserve(ctx, ref)
		return control.PipelineRef{}, err
	}
	return ref, nil
}

// unreserve takes a reservation back; failing that, the server looks fuller than it is until the reconciliation has
// counted.
func (s *pipelines) unreserve(ctx context.Context, ref control.PipelineRef) {
	err := s.store.MediaServers.Unreserve(ctx, ref.Server, ref.Instance)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		s.log.WarnContext(ctx, "reservation not given back",
			slog.String(logging.KeyServer, string(ref.Server)), slog.Any(logging.KeyError, err))
	}
}

// lost reports whether a pipeline went with its server: another instance has taken the server's place, or it is down.
func (s *pipelines) lost(ctx context.Context, ref control.PipelineRef) (bool, error) {
	for _, server := range s.fleet.Servers() {
		if server.ID == ref.Server && server.Instance == ref.Instance && server.Status != control.StatusDown {
			return false, nil
		}
	}
	// What was last seen says that it is lost, or does not know.
	return s.lostByStore(ctx, ref)
}

// lostByStore is lost as the store says.
func (s *pipelines) lostByStore(ctx context.Context, ref control.PipelineRef) (bool, error) {
	server, err := s.store.MediaServers.Get(ctx, ref.Server)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	default:
		return server.Instance != ref.Instance || server.Status == control.StatusDown, nil
	}
}

// queueRebuild asks for the rebuild of the session's present pipeline. gone says that its server is up and does not
// have it.
func (s *pipelines) queueRebuild(ctx context.Context, r Request, sess *control.Session, gone bool) error {
	return s.toSession(ctx, r, RebuildID(sess.ID, sess.Epoch), message.TypeRebuild, message.Rebuild{
		Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID, Gone: gone, Reason: ReasonServerDown,
	})
}

// RebuildID is the id of the request to rebuild the pipeline that a session has under epoch.
func RebuildID(session control.SessionID, epoch int64) string {
	return control.DeriveID(string(session), fmt.Sprintf("rebuild/%d", epoch))
}

// release frees a media object. Failing that is no failure of the request: what is left over is found by the
// reconciliation of servers and sessions.
func (s *pipelines) release(ctx context.Context, server control.MediaServerID, id string) {
	media, err := s.fleet.Media(ctx, server)
	if err == nil {
		err = media.Release(ctx, id)
	}
	if err != nil && !errors.Is(err, ErrObjectGone) {
		s.log.WarnContext(ctx, "media object not released",
			slog.String(logging.KeyServer, string(server)), slog.Any(logging.KeyError, err))
	}
}
