package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// Presence is the collection "presence": when each user was last heard of. One that leaves stays entered until somebody
// has looked, a while later, whether anything is left of it. Safe for concurrent use.
type Presence struct{ c *mongo.Collection }

// Begin enters a user that joins, as heard of at that time.
func (p *Presence) Begin(
	ctx context.Context, session control.SessionID, user control.UserID, at time.Time,
) error {
	_, err := p.c.UpdateOne(ctx, bson.M{"_id": presenceID(session, user)},
		bson.M{"$set": bson.M{"session": session, "user": user, "seenAt": at}}, options.Update().SetUpsert(true))
	return coded(fmt.Sprintf("enter the presence of user %s", user), err)
}

// Get reads when a user was last heard of. Errors: [ErrNotFound].
func (p *Presence) Get(
	ctx context.Context, session control.SessionID, user control.UserID,
) (control.Presence, error) {
	var presence control.Presence
	err := p.c.FindOne(ctx, bson.M{"_id": presenceID(session, user)}).Decode(&presence)
	return presence, coded(fmt.Sprintf("read the presence of user %s", user), err)
}

// Heard says that a user was heard of at that time, if nothing later is known. One that is not entered stays so.
func (p *Presence) Heard(
	ctx context.Context, session control.SessionID, user control.UserID, at time.Time,
) error {
	_, err := p.c.UpdateOne(ctx, bson.M{"_id": presenceID(session, user)}, bson.M{"$max": bson.M{"seenAt": at}})
	return coded(fmt.Sprintf("note that user %s was heard of", user), err)
}

// Idle lists users that were last heard of before a time, the longest silent first.
func (p *Presence) Idle(ctx context.Context, before time.Time, limit int64) ([]control.Presence, error) {
	cursor, err := p.c.Find(ctx, bson.M{"seenAt": bson.M{"$lt": before}},
		options.Find().SetSort(bson.D{{Key: "seenAt", Value: 1}}).SetLimit(limit))
	if err != nil {
		return nil, coded("list idle users", err)
	}
	var idle []control.Presence
	return idle, coded("list idle users", cursor.All(ctx, &idle))
}

// InSession lists the users of a session, also those that have left since and are not forgotten yet.
func (p *Presence) InSession(ctx context.Context, session control.SessionID) ([]control.Presence, error) {
	cursor, err := p.c.Find(ctx, bson.M{"session": session})
	if err != nil {
		return nil, coded("list the presence of session "+string(session), err)
	}
	var users []control.Presence
	return users, coded("list the presence of session "+string(session), cursor.All(ctx, &users))
}

// Remove forgets a user, unless it was heard of after a time.
func (p *Presence) Remove(
	ctx context.Context, session control.SessionID, user control.UserID, notAfter time.Time,
) error {
	_, err := p.c.DeleteOne(ctx, bson.M{"_id": presenceID(session, user), "seenAt": bson.M{"$lte": notAfter}})
	return coded(fmt.Sprintf("forget the presence of user %s", user), err)
}

// RemoveSession forgets the users of a session.
func (p *Presence) RemoveSession(ctx context.Context, session control.SessionID) error {
	_, err := p.c.DeleteMany(ctx, bson.M{"session": session})
	return coded(fmt.Sprintf("forget the presence of session %s", session), err)
}

func presenceID(session control.SessionID, user control.UserID) string {
	return string(session) + "/" + string(user)
}
