package session

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// endpoints makes the endpoints of connections.
type endpoints struct{ *pipelines }

// connectionID names a connection within its session.
func connectionID(user control.UserID, kind control.ConnectionKind) string {
	return string(kind) + "/" + string(user)
}

// live is a user's connection with its endpoint, and the server that it is on.
type live struct {
	sess  *control.Session
	user  *control.User
	conn  control.Connection
	media Media
}

// ensureEndpoint gives a user the connection of that kind, with an endpoint, if there is none. The endpoint's id is
// stored before anything is done with it. Errors: those of inEpoch, unavailable.
func (s *endpoints) ensureEndpoint(
	ctx context.Context, r Request, p message.Presence, kind control.ConnectionKind, epoch int64,
) (live, error) {
	return s.endpointAfter(ctx, r, p, kind, epoch, math.MaxInt64)
}

// errOvertaken: the connection has got further than the request is about.
var errOvertaken = errors.New("session: another request was faster")

// endpointAfter is ensureEndpoint for an offer: it touches no connection on which one after seq was answered or made
// void. Errors: also errOvertaken.
func (s *endpoints) endpointAfter(
	ctx context.Context, r Request, p message.Presence, kind control.ConnectionKind, epoch, seq int64,
) (live, error) {
	for range guardTries {
		sess, user, err := s.inEpoch(ctx, r, p, epoch)
		if err != nil {
			return live{}, err
		}
		media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
		if err != nil {
			return live{}, err
		}
		l := live{sess: sess, user: user, media: media}
		conn := connectionOf(sess, user, kind)
		if conn != nil && conn.Seq > seq {
			return live{}, errOvertaken
		}
		if conn != nil && conn.Endpoint.ID != "" && !stopped(*conn) {
			l.conn = *conn
			return l, nil
		}
		if conn != nil && stopped(*conn) && !cleared(*user, *conn) {
			if err := s.finishStop(ctx, r, sess, *user, *conn); err != nil {
				return live{}, err
			}
			continue
		}
		if err := s.createEndpoint(ctx, r, l, kind, conn); !errors.Is(err, store.ErrGuard) && err != nil {
			return live{}, err
		}
	}
	return live{}, errBusy
}

// connectionOf finds the user's connection under its present join.
func connectionOf(sess *control.Session, user *control.User, kind control.ConnectionKind) *control.Connection {
	conn := sess.Connection(user.ID, kind)
	if conn == nil || conn.Join != user.Join {
		return nil
	}
	return conn
}

// stopped reports whether c is a publish connection that its user has stopped. A subscribe connection that is stopped
// keeps its endpoint.
func stopped(c control.Connection) bool {
	return c.Kind == control.Publish && c.State == control.ConnectionClosed
}

// cleared reports whether nothing is left of what user published on c, which is stopped.
func cleared(user control.User, c control.Connection) bool {
	return c.Endpoint.ID == "" && len(user.Streams) == 0
}

// createEndpoint makes an endpoint and stores its id: in a new connection, or in conn, which has none. Errors:
// [store.ErrGuard] when somebody else did, or the user is gone.
func (s *endpoints) createEndpoint(
	ctx context.Context, r Request, l live, kind control.ConnectionKind, conn *control.Connection,
) error {
	params := mediaapi.EndpointParams{MediaPipeline: l.sess.Pipeline.ID, User: l.user.ID, Join: l.user.Join}
	create := l.media.CreatePublishEndpoint
	if kind == control.Subscribe {
		params.Subscriptions = &l.user.Subscriptions
		create = l.media.CreateSubscribeEndpoint
	}
	id, err := create(ctx, params)
	if errors.Is(err, ErrObjectGone) {
		return s.pipelineGone(ctx, r, l.sess)
	}
	if err != nil {
		return err
	}
	err = s.storeEndpoint(ctx, l, kind, conn, control.EndpointRef{ID: id, Pipeline: *l.sess.Pipeline})
	if errors.Is(err, store.ErrGuard) {
		s.releaseUnwanted(ctx, r, l, kind, id)
	}
	return err
}

func (s *endpoints) storeEndpoint(
	ctx context.Context, l live, kind control.ConnectionKind, conn *control.Connection, ref control.EndpointRef,
) error {
	now := time.Now().UTC()
	if conn != nil {
		return s.store.Sessions.SetEndpoint(ctx, l.sess.ID, *conn, ref, now)
	}
	return s.store.Sessions.AddConnection(ctx, l.sess.ID, control.Connection{
		ID: connectionID(l.user.ID, kind), User: l.user.ID, Kind: kind, Join: l.user.Join, Endpoint: ref,
		Epoch: l.sess.Epoch, State: control.ConnectionNew, ChangedAt: now,
	})
}

// releaseUnwanted releases an endpoint that was made for a user that left, rejoined or stopped meanwhile. One that
// another Wrapper has stored is the same one: it stays. If another is just about to store it, for an offer after the
// stop, it finds the endpoint gone and makes it again.
func (s *endpoints) releaseUnwanted(
	ctx context.Context, r Request, l live, kind control.ConnectionKind, id string,
) {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	if err != nil || sess.Epoch != l.sess.Epoch {
		return // the pipeline goes as a whole
	}
	user := sess.User(l.user.ID)
	gone := user == nil || user.Join != l.user.Join
	if !gone {
		conn := connectionOf(sess, user, kind)
		gone = conn != nil && stopped(*conn) && conn.Endpoint.ID != id
	}
	if gone {
		s.release(ctx, l.sess.Pipeline.Server, id)
	}
}

// pipelineGone has a pipeline rebuilt that its server, which is up, does not have.
func (s *endpoints) pipelineGone(ctx context.Context, r Request, sess *control.Session) error {
	if err := s.queueRebuild(ctx, r, sess, true); err != nil {
		return err
	}
	return control.Errorf(control.CodeUnavailable, "the session's pipeline is gone, it is being rebuilt")
}

// mediaError is the outcome of a call to the endpoint of l. An endpoint that is gone is forgotten, so that the next try
// makes it again.
func (s *endpoints) mediaError(ctx context.Context, l live, err error) error {
	if !errors.Is(err, ErrObjectGone) {
		return err
	}
	forget := s.store.Sessions.SetEndpoint(ctx, l.sess.ID, l.conn, control.EndpointRef{}, time.Now().UTC())
	if forget != nil && !errors.Is(forget, store.ErrGuard) {
		return forget
	}
	return control.Errorf(control.CodeUnavailable, "the connection's endpoint is gone, it is being made again")
}

// releaseEndpoint frees the endpoint of a connection, if its pipeline is still there.
func (s *endpoints) releaseEndpoint(ctx context.Context, sess *control.Session, conn control.Connection) {
	if pipeline := sess.PipelineIn(conn.Epoch); conn.Endpoint.ID != "" && pipeline != nil {
		s.release(ctx, pipeline.Server, conn.Endpoint.ID)
	}
}
