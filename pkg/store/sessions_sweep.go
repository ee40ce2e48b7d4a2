package store

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// SessionSummary is as much of a session as the slow loops need.
type SessionSummary struct {
	ID           control.SessionID    `bson:"_id"`
	State        control.SessionState `bson:"state"`
	Region       string               `bson:"region"`
	Epoch        int64                `bson:"epoch"`
	EmptyTimeout time.Duration        `bson:"emptyTimeout"`
	EmptySince   *time.Time           `bson:"emptySince"`
	Pipeline     *control.PipelineRef `bson:"pipeline"`
	Relocation   *control.Relocation  `bson:"relocation"`
	Users        []UserSummary        `bson:"users"`
	Connections  []ConnectionSummary  `bson:"connections"`
}

// UserSummary is who is in a session, those that are being taken out among them.
type UserSummary struct {
	ID   control.UserID `bson:"id"`
	Join control.JoinID `bson:"join"`
}

// ConnectionSummary is which endpoint a connection has.
type ConnectionSummary struct {
	Endpoint control.EndpointRef `bson:"endpoint"`
}

// Pipelines are the live ones of the session: two while it is being moved.
func (s SessionSummary) Pipelines() []control.PipelineRef {
	return (&control.Session{Pipeline: s.Pipeline, Relocation: s.Relocation}).Pipelines()
}

// Has reports whether a user is in the session under join.
func (s SessionSummary) Has(join control.JoinID) bool {
	return slices.ContainsFunc(s.Users, func(u UserSummary) bool { return u.Join == join })
}

// Uses reports whether a connection has this endpoint.
func (s SessionSummary) Uses(endpoint string) bool {
	return slices.ContainsFunc(s.Connections, func(c ConnectionSummary) bool { return c.Endpoint.ID == endpoint })
}

// Empty lists active sessions that nobody is in since a time between from and to, oldest first.
func (s *Sessions) Empty(ctx context.Context, from, to time.Time, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list empty sessions",
		bson.M{"state": control.SessionActive, "emptySince": bson.M{"$gte": from, "$lte": to}},
		options.Find().SetSort(bson.D{{Key: "emptySince", Value: 1}}).SetLimit(limit))
}

// Unmarked lists active sessions that nobody is in although they do not say since when: whoever took the last user out
// died before it could.
func (s *Sessions) Unmarked(ctx context.Context, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list sessions without users",
		bson.M{"state": control.SessionActive, "emptySince": nil, "users": bson.M{"$size": 0}},
		options.Find().SetLimit(limit))
}

// Closing lists sessions that are closing.
func (s *Sessions) Closing(ctx context.Context, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list closing sessions",
		bson.M{"state": control.SessionClosing}, options.Find().SetLimit(limit))
}

// Uncleared lists sessions that were closed before a time and are not marked by [Sessions.MarkCleared].
func (s *Sessions) Uncleared(ctx context.Context, before time.Time, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list closed sessions",
		bson.M{"state": control.SessionClosed, "cleared": false, "closedAt": bson.M{"$lt": before}},
		options.Find().SetLimit(limit))
}

// Stranded lists active sessions with a pipeline on server, except on the instance that is alive ("": none is).
func (s *Sessions) Stranded(
	ctx context.Context, server control.MediaServerID, alive control.InstanceID,
) ([]SessionSummary, error) {
	return s.summaries(ctx, "list stranded sessions",
		bson.M{
			"pipeline.server": server, "pipeline.instance": bson.M{"$ne": alive}, "state": control.SessionActive,
		}, options.Find())
}

// OnServer lists sessions with a pipeline on server: theirs, or the one that they are being moved from.
func (s *Sessions) OnServer(ctx context.Context, server control.MediaServerID) ([]SessionSummary, error) {
	return s.summaries(ctx, "list the sessions of a server", hasMediaOn(server), options.Find())
}

// live lists the ids of sessions whose queues are in use.
func (s *Sessions) live(ctx context.Context) ([]control.SessionID, error) {
	list, err := s.summaries(ctx, "list live sessions",
		bson.M{"state": bson.M{"$in": []control.SessionState{control.SessionActive, control.SessionClosing}}},
		options.Find())
	ids := make([]control.SessionID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, err
}

func (s *Sessions) summaries(
	ctx context.Context, doing string, filter bson.M, o *options.FindOptions,
) ([]SessionSummary, error) {
	o.SetProjection(bson.M{
		"state": 1, "region": 1, "epoch": 1, "emptyTimeout": 1, "emptySince": 1, "pipeline": 1, "relocation": 1,
		"users.id": 1, "users.join": 1, "connections.endpoint": 1,
	})
	cursor, err := s.c.Find(ctx, filter, o)
	if err != nil {
		return nil, coded(doing, err)
	}
	var list []SessionSummary
	return list, coded(doing, cursor.All(ctx, &list))
}
