package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// UserKey names a user of a session.
type UserKey struct {
	Session control.SessionID
	User    control.UserID
}

// Touch says that these users were heard of. Those that are not entered, because they have left, stay so.
func (p *Presence) Touch(ctx context.Context, users []UserKey, at time.Time) error {
	if len(users) == 0 {
		return nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = presenceID(u.Session, u.User)
	}
	_, err := p.c.UpdateMany(ctx, bson.M{"_id": bson.M{"$in": ids}}, bson.M{"$set": bson.M{"seenAt": at}})
	return coded("touch the presence of users", err)
}

// TouchSession says that everybody who is entered in a session was heard of.
func (p *Presence) TouchSession(ctx context.Context, session control.SessionID, at time.Time) error {
	_, err := p.c.UpdateMany(ctx, bson.M{"session": session}, bson.M{"$set": bson.M{"seenAt": at}})
	return coded("touch the presence of session "+string(session), err)
}
