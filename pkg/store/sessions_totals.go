package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// SessionTotals is how much there is.
type SessionTotals struct {
	Sessions   map[control.SessionState]int64 // that are active or closing
	Users      int64                          // in them
	Relocating int64                          // of the active ones
}

// Totals counts. It reads every live session: for somebody who asks now and then.
func (s *Sessions) Totals(ctx context.Context) (SessionTotals, error) {
	live := bson.A{control.SessionActive, control.SessionClosing}
	cursor, err := s.c.Aggregate(ctx, bson.A{
		bson.M{"$match": bson.M{"state": bson.M{"$in": live}}},
		bson.M{"$group": bson.M{
			"_id": "$state", "sessions": bson.M{"$sum": 1}, "users": bson.M{"$sum": bson.M{"$size": "$users"}},
		}},
	})
	if err != nil {
		return SessionTotals{}, coded("count the sessions", err)
	}
	var groups []struct {
		State    control.SessionState `bson:"_id"`
		Sessions int64                `bson:"sessions"`
		Users    int64                `bson:"users"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return SessionTotals{}, coded("count the sessions", err)
	}
	totals := SessionTotals{Sessions: map[control.SessionState]int64{}}
	for _, g := range groups {
		totals.Sessions[g.State] += g.Sessions
		totals.Users += g.Users
	}
	// Few have the field, and those are indexed by it.
	totals.Relocating, err = s.c.CountDocuments(ctx, bson.M{"relocation.until": bson.M{"$gt": time.Time{}}})
	return totals, coded("count the sessions that are moved", err)
}
