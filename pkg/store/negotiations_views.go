package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// Viewed is what the offer Seq of a viewer was answered with.
type Viewed struct {
	Session  control.SessionID
	Viewer   control.UserID
	Epoch    int64
	Seq      int64
	Endpoint string
	Offer    string
	Answer   string
}

// StoreView keeps the answer to a viewer's offer, and makes the record with the first one. Errors: [ErrGuard] when it,
// or a later one, is there already.
func (n *Negotiations) StoreView(ctx context.Context, v Viewed, now time.Time) error {
	answer := control.SDPAnswer{Seq: v.Seq, SDP: v.Answer}
	set := bson.M{"seq": v.Seq, "accepted": v.Seq, "offer": v.Offer, "updatedAt": now}
	push := bson.M{"answers": bson.M{"$each": []control.SDPAnswer{answer}, "$slice": -answersKept}}
	id := control.NegotiationID(v.Session, v.Viewer, control.View)
	guard := bson.M{"epoch": v.Epoch, "seq": bson.M{"$lt": v.Seq}}
	if v.Seq > 1 {
		return n.update(ctx, "store an answer in", id, guard, bson.M{"$set": set, "$push": push})
	}
	return n.upsert(ctx, "begin", id, guard, bson.M{"$set": bson.M{
		"session": v.Session, "user": v.Viewer, "kind": control.View, "join": control.JoinID(v.Viewer), "epoch": v.Epoch,
		"endpoint": v.Endpoint, "seq": v.Seq, "accepted": v.Seq, "answeredSeq": int64(0), "offer": v.Offer,
		"answers": []control.SDPAnswer{answer}, "updatedAt": now,
	}})
}

// Views lists the viewers of a session, without the SDP.
func (n *Negotiations) Views(ctx context.Context, session control.SessionID) ([]control.Negotiation, error) {
	cursor, err := n.c.Find(ctx, bson.M{"session": session, "kind": control.View},
		options.Find().SetProjection(bson.M{"offer": 0, "answers": 0}))
	if err != nil {
		return nil, coded("list viewers", err)
	}
	var views []control.Negotiation
	return views, coded("list viewers", cursor.All(ctx, &views))
}

// RemoveView forgets a viewer.
func (n *Negotiations) RemoveView(ctx context.Context, session control.SessionID, viewer control.UserID) error {
	_, err := n.c.DeleteOne(ctx, byID(control.NegotiationID(session, viewer, control.View)))
	return coded(fmt.Sprintf("forget viewer %s", viewer), err)
}
