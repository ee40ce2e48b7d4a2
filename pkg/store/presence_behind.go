package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// MarkBehind says that a message to these users was lost because their queues are full: each needs a sync once it reads
// again. Users that are not entered, because they have left, stay so.
func (p *Presence) MarkBehind(ctx context.Context, session control.SessionID, users []control.UserID) error {
	_, err := p.c.UpdateMany(ctx, bson.M{"_id": bson.M{"$in": presenceIDs(session, users)}},
		bson.M{"$set": bson.M{"behind": true}})
	return coded(fmt.Sprintf("mark users of session %s as behind", session), err)
}

// ClearBehind takes the mark of a user away: it is about to get a sync, of the state from now on.
func (p *Presence) ClearBehind(ctx context.Context, session control.SessionID, user control.UserID) error {
	_, err := p.c.UpdateOne(ctx, bson.M{"_id": presenceID(session, user), "behind": true},
		bson.M{"$set": bson.M{"behind": false}})
	return coded(fmt.Sprintf("user %s is no longer behind", user), err)
}

// Behind is those of users that are marked.
func (p *Presence) Behind(ctx context.Context, users []UserKey) ([]UserKey, error) {
	if len(users) == 0 {
		return nil, nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = presenceID(u.Session, u.User)
	}
	cursor, err := p.c.Find(ctx, bson.M{"_id": bson.M{"$in": ids}, "behind": true},
		options.Find().SetProjection(bson.M{"session": 1, "user": 1}))
	if err != nil {
		return nil, coded("list users that are behind", err)
	}
	var marked []control.Presence
	if err := cursor.All(ctx, &marked); err != nil {
		return nil, coded("list users that are behind", err)
	}
	behind := make([]UserKey, len(marked))
	for i, m := range marked {
		behind[i] = UserKey{Session: m.Session, User: m.User}
	}
	return behind, nil
}

func presenceIDs(session control.SessionID, users []control.UserID) []string {
	ids := make([]string, len(users))
	for i, user := range users {
		ids[i] = presenceID(session, user)
	}
	return ids
}
