package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// AddConnection enters a connection of a user that is there, under the present epoch; the guard is that it has none of
// that kind yet.
func (s *Sessions) AddConnection(ctx context.Context, id control.SessionID, c control.Connection) error {
	none := bson.M{"$not": bson.M{"$elemMatch": bson.M{"id": c.ID, "join": c.Join, "epoch": c.Epoch}}}
	return s.update(ctx, "add a connection to", id,
		bson.M{
			"state": control.SessionActive, "epoch": c.Epoch,
			"users": presentUser(c.User, c.Join), "connections": none,
		},
		bson.M{"$push": bson.M{"connections": c}})
}

// SetEndpoint gives connection c, as it was read, another endpoint. The empty handle says that it has none.
func (s *Sessions) SetEndpoint(
	ctx context.Context, id control.SessionID, c control.Connection, endpoint control.EndpointRef, now time.Time,
) error {
	return s.updateConnection(ctx, "set an endpoint of", id, c,
		bson.M{"endpoint": c.Endpoint.ID, "seq": c.Seq, "state": c.State},
		bson.M{"endpoint": endpoint, "state": control.ConnectionNew, "stateSeq": int64(0), "changedAt": now})
}

// SetAnswered says that offer seq of the publish connection c, as it was read, was answered, and what the user
// publishes from then on. rev is the user's StreamsRev as it was read. The guard is also that the connection was not
// stopped: its endpoint is being released then.
func (s *Sessions) SetAnswered(
	ctx context.Context, id control.SessionID, c control.Connection, seq int64, streams []control.Stream, rev int64,
) error {
	user := present(c.User, c.Join)
	user["streamsRev"] = rev
	return s.update(ctx, "answer an offer in", id,
		bson.M{
			"epoch": c.Epoch, "users": bson.M{"$elemMatch": user},
			"connections": thisConnection(c, bson.M{
				"seq": c.Seq, "endpoint": c.Endpoint.ID, "state": bson.M{"$ne": control.ConnectionClosed},
			}),
		},
		bson.M{
			"$set": bson.M{"connections.$[c].seq": seq, "users.$[u].streams": streams},
			"$inc": bson.M{"users.$[u].streamsRev": 1},
		},
		connectionFilter(c), userFilter(c.User, c.Join))
}

// SetStreams replaces the streams of a user, as it was read.
func (s *Sessions) SetStreams(
	ctx context.Context, id control.SessionID, user control.User, streams []control.Stream,
) error {
	guard := present(user.ID, user.Join)
	guard["streamsRev"] = user.StreamsRev
	return s.update(ctx, "mark streams in", id,
		bson.M{"users": bson.M{"$elemMatch": guard}},
		bson.M{
			"$set": bson.M{"users.$[u].streams": streams},
			"$inc": bson.M{"users.$[u].streamsRev": 1},
		},
		userFilter(user.ID, user.Join))
}

// SetSeq counts an offer of connection c: one that was refused (publish) or made (subscribe).
func (s *Sessions) SetSeq(ctx context.Context, id control.SessionID, c control.Connection, seq int64) error {
	return s.updateConnection(ctx, "count an offer of", id, c,
		bson.M{"seq": bson.M{"$lt": seq}}, bson.M{"seq": seq})
}

// StopPublishing closes the publish connection c unless an offer after upTo was answered: all up to it are void then.
func (s *Sessions) StopPublishing(
	ctx context.Context, id control.SessionID, c control.Connection, upTo int64, now time.Time,
) error {
	return s.updateConnection(ctx, "stop publishing in", id, c,
		bson.M{"seq": bson.M{"$lte": upTo}},
		bson.M{"seq": upTo, "state": control.ConnectionClosed, "changedAt": now})
}

// ClearStopped forgets the endpoint and the streams of the publish connection c, as it was read, that was closed.
func (s *Sessions) ClearStopped(ctx context.Context, id control.SessionID, c control.Connection) error {
	return s.update(ctx, "clear a stopped connection of", id,
		bson.M{
			"users": presentUser(c.User, c.Join),
			"connections": thisConnection(c, bson.M{
				"seq": c.Seq, "endpoint": c.Endpoint.ID, "state": control.ConnectionClosed,
			}),
		},
		bson.M{
			"$set": bson.M{"connections.$[c].endpoint": control.EndpointRef{}, "users.$[u].streams": []control.Stream{}},
			"$inc": bson.M{"users.$[u].streamsRev": 1},
		},
		connectionFilter(c), userFilter(c.User, c.Join))
}

// SetConnectionState stores event number of the endpoint of connection c; an older event loses. A connection that is
// connected makes its user joined and its failures forgotten, one that failed makes it reconnecting and counts.
func (s *Sessions) SetConnectionState(
	ctx context.Context, id control.SessionID, c control.Connection,
	state control.ConnectionState, number int64, now time.Time,
) error {
	set := bson.M{
		"connections.$[c].state": state, "connections.$[c].stateSeq": number, "connections.$[c].changedAt": now,
	}
	update := bson.M{"$set": set}
	filters := []any{connectionFilter(c)}
	switch state {
	case control.ConnectionConnected:
		set["users.$[u].state"], set["users.$[u].failures"] = control.UserJoined, 0
		filters = append(filters, userFilter(c.User, c.Join))
	case control.ConnectionFailed:
		set["users.$[u].state"] = control.UserReconnecting
		update["$inc"] = bson.M{"users.$[u].failures": 1}
		filters = append(filters, userFilter(c.User, c.Join))
	default:
	}
	guard := bson.M{
		"endpoint": c.Endpoint.ID, "stateSeq": bson.M{"$lt": number}, "state": bson.M{"$ne": control.ConnectionClosed},
	}
	return s.update(ctx, "store a connection state in", id,
		bson.M{"users": presentUser(c.User, c.Join), "connections": thisConnection(c, guard)}, update, filters...)
}

// SetPaused stores which kinds of a stream, as it was read, are paused. rev is the user's StreamsRev as it was read.
func (s *Sessions) SetPaused(ctx context.Context, id control.SessionID, stream control.Stream, rev int64) error {
	user := present(stream.User, stream.Join)
	user["streamsRev"] = rev
	element := "users.$[u].streams.$[s]."
	return s.update(ctx, "pause a stream of", id,
		bson.M{"users": bson.M{"$elemMatch": user}},
		bson.M{
			"$set": bson.M{
				element + "pausedKinds": stream.PausedKinds, element + "state": stream.State,
				element + "pausedBy": stream.PausedBy, element + "updated": stream.Updated,
			},
			"$inc": bson.M{"users.$[u].streamsRev": 1},
		},
		userFilter(stream.User, stream.Join), bson.M{"s.id": stream.ID})
}

// updateConnection sets fields of connection c, under a guard on it.
func (s *Sessions) updateConnection(
	ctx context.Context, doing string, id control.SessionID, c control.Connection, guard, set bson.M,
) error {
	fields := bson.M{}
	for key, value := range set {
		fields["connections.$[c]."+key] = value
	}
	return s.update(ctx, doing, id,
		bson.M{"connections": thisConnection(c, guard)}, bson.M{"$set": fields}, connectionFilter(c))
}

// thisConnection matches connection c under its join and epoch, and guard.
func thisConnection(c control.Connection, guard bson.M) bson.M {
	element := bson.M{"id": c.ID, "join": c.Join, "epoch": c.Epoch}
	for key, value := range guard {
		element[key] = value
	}
	return bson.M{"$elemMatch": element}
}

// connectionFilter is the array filter c for the connection of thisConnection.
func connectionFilter(c control.Connection) bson.M {
	return bson.M{"c.id": c.ID, "c.join": c.Join, "c.epoch": c.Epoch}
}
