package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// endedFor is how long a join that has ended is remembered. Chosen: a request is delivered again within minutes.
	endedFor = time.Hour
	// endedKept is how many are at most: a page that loads again and again rejoins each time. Chosen: more than end while
	// a request waits to be delivered again.
	endedKept = 1000
)

// AddUser takes a user into an active session: once, only while there is a place, and not under a join that has ended
// already. maxUsers 0 means no limit.
func (s *Sessions) AddUser(ctx context.Context, id control.SessionID, user control.User, maxUsers int) error {
	guard := bson.M{
		"state": control.SessionActive, "users.id": bson.M{"$ne": user.ID}, "ended": bson.M{"$ne": user.Join},
	}
	if maxUsers > 0 {
		guard[fmt.Sprintf("users.%d", maxUsers-1)] = bson.M{"$exists": false}
	}
	return s.update(ctx, "add a user to", id, guard,
		bson.M{
			"$push": bson.M{"users": user}, "$set": bson.M{"emptySince": nil},
			"$pull": bson.M{"ended": bson.M{"$lt": control.IDsFrom(user.JoinedAt.Add(-endedFor))}},
		})
}

// Rejoin begins a new presence of a user that is there under the join replaces: user's Join, at which its name,
// metadata and permissions are only taken when profile is set. What it published and its connections stay until
// [Sessions.DropOldJoin], so that they can be found and ended.
func (s *Sessions) Rejoin(
	ctx context.Context, id control.SessionID, replaces control.JoinID, user control.User, profile bool,
) error {
	set := bson.M{
		"users.$[u].join":          user.Join,
		"users.$[u].state":         control.UserJoined,
		"users.$[u].subscriptions": user.Subscriptions,
		"users.$[u].subscribedBy":  "",
		"users.$[u].failures":      0,
	}
	if profile {
		set["users.$[u].name"] = user.Name
		set["users.$[u].protocol"] = user.Protocol
		set["users.$[u].metadata"] = user.Metadata
		set["users.$[u].permissions"] = user.Permissions
	}
	return s.update(ctx, "rejoin a user in", id,
		bson.M{"state": control.SessionActive, "users": presentUser(user.ID, replaces)},
		bson.M{"$set": set, "$push": nowEnded(replaces)}, userFilter(user.ID, replaces))
}

// DropOldJoin forgets what a user published and its connections under joins before join.
func (s *Sessions) DropOldJoin(
	ctx context.Context, id control.SessionID, user control.UserID, join control.JoinID,
) error {
	before := bson.M{"$ne": join}
	return s.update(ctx, "forget earlier joins in", id,
		bson.M{"users": presentUser(user, join)},
		bson.M{
			"$pull": bson.M{
				"connections":        bson.M{"user": user, "join": before},
				"users.$[u].streams": bson.M{"join": before},
			},
			"$inc": bson.M{"users.$[u].streamsRev": 1},
		}, userFilter(user, join))
}

// MarkLeaving begins to take a user out: from now on it is no longer in the session as others read it.
func (s *Sessions) MarkLeaving(
	ctx context.Context, id control.SessionID, user control.UserID, join control.JoinID, reason string,
) error {
	return s.update(ctx, "begin to remove a user of", id,
		bson.M{"users": presentUser(user, join)},
		bson.M{"$set": bson.M{"users.$[u].leaving": reason}}, userFilter(user, join))
}

// RemoveLeaving takes out a user that was marked by [Sessions.MarkLeaving], with its connections.
func (s *Sessions) RemoveLeaving(
	ctx context.Context, id control.SessionID, user control.UserID, join control.JoinID,
) error {
	return s.update(ctx, "remove a user of", id,
		bson.M{"users": bson.M{"$elemMatch": bson.M{"id": user, "join": join, "leaving": bson.M{"$ne": ""}}}},
		bson.M{
			"$pull": bson.M{
				"users":       bson.M{"id": user, "join": join},
				"connections": bson.M{"user": user},
			},
			"$push": nowEnded(join),
		})
}

// nowEnded remembers that a join has ended.
func nowEnded(join control.JoinID) bson.M {
	return bson.M{"ended": bson.M{"$each": []control.JoinID{join}, "$slice": -endedKept}}
}

// SetUserTold says that everybody has been told that the user came, by the message added.
func (s *Sessions) SetUserTold(ctx context.Context, id control.SessionID, user control.UserID, added string) error {
	return s.update(ctx, "say that a user was announced in", id,
		bson.M{"users": bson.M{"$elemMatch": bson.M{"id": user, "added": added, "told": false}}},
		bson.M{"$set": bson.M{"users.$[u].told": true}}, bson.M{"u.id": user, "u.added": added})
}

// SetStreamTold says that everybody has been told of a stream, by the message that it names.
func (s *Sessions) SetStreamTold(ctx context.Context, id control.SessionID, stream control.Stream) error {
	told := bson.M{"id": stream.ID, "added": stream.Added, "told": false}
	return s.update(ctx, "say that a stream was announced in", id,
		bson.M{"users": bson.M{"$elemMatch": bson.M{"id": stream.User, "streams": bson.M{"$elemMatch": told}}}},
		bson.M{"$set": bson.M{"users.$[u].streams.$[s].told": true}},
		bson.M{"u.id": stream.User}, bson.M{"s.id": stream.ID, "s.added": stream.Added})
}

// MarkEmpty says since when nobody is in the session; the guard is that nobody is.
func (s *Sessions) MarkEmpty(ctx context.Context, id control.SessionID, since time.Time) error {
	return s.update(ctx, "mark as empty", id,
		bson.M{"state": control.SessionActive, "users": bson.M{"$size": 0}, "emptySince": nil},
		bson.M{"$set": bson.M{"emptySince": since}})
}

// SetSubscriptions stores what a user wants to receive, unless a later request than by has said so already. Ids of
// requests sort by their time (UUIDv7).
func (s *Sessions) SetSubscriptions(
	ctx context.Context, id control.SessionID, user control.UserID, join control.JoinID,
	wanted control.Subscriptions, by string,
) error {
	element := present(user, join)
	element["subscribedBy"] = bson.M{"$lt": by}
	return s.update(ctx, "set subscriptions in", id,
		bson.M{"users": bson.M{"$elemMatch": element}},
		bson.M{"$set": bson.M{"users.$[u].subscriptions": wanted, "users.$[u].subscribedBy": by}},
		userFilter(user, join))
}

// present matches, as an element of users, a user under one join that is not leaving.
func present(user control.UserID, join control.JoinID) bson.M {
	return bson.M{"id": user, "join": join, "leaving": ""}
}

// presentUser is the guard that the user is in the session under join.
func presentUser(user control.UserID, join control.JoinID) bson.M {
	return bson.M{"$elemMatch": present(user, join)}
}

// userFilter is the array filter u for the user of presentUser.
func userFilter(user control.UserID, join control.JoinID) bson.M {
	return bson.M{"u.id": user, "u.join": join}
}
