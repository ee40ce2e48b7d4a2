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

// answersKept is how many answers of a connection stay, for offers that are sent again. Chosen: a client has one offer
// in flight at a time.
const answersKept = 4

// Negotiations is the collection "negotiations": the SDP of each connection. Safe for concurrent use.
type Negotiations struct{ c *mongo.Collection }

// Get reads what was negotiated on one connection. Errors: [ErrNotFound].
func (n *Negotiations) Get(ctx context.Context, id string) (*control.Negotiation, error) {
	var negotiation control.Negotiation
	err := n.c.FindOne(ctx, byID(id)).Decode(&negotiation)
	return &negotiation, coded("read negotiation "+id, err)
}

// StoreAnswer keeps what an offer of connection c was answered with. Errors: [ErrGuard] when it is there already, by
// the same endpoint, or belongs to a join or epoch that is over.
func (n *Negotiations) StoreAnswer(
	ctx context.Context, session control.SessionID, c control.Connection, answer control.SDPAnswer, now time.Time,
) error {
	id := control.NegotiationID(session, c.User, c.Kind)
	same := bson.M{"$elemMatch": bson.M{"seq": answer.Seq, "endpoint": answer.Endpoint}}
	return n.upsert(ctx, "store an answer in", id,
		bson.M{"join": c.Join, "epoch": c.Epoch, "answers": bson.M{"$not": same}},
		bson.M{
			"$push": bson.M{"answers": bson.M{"$each": []control.SDPAnswer{answer}, "$slice": -answersKept}},
			"$max":  bson.M{"seq": answer.Seq},
			"$set":  bson.M{"updatedAt": now},
			"$setOnInsert": bson.M{
				"session": session, "user": c.User, "kind": c.Kind,
				"accepted": answer.Seq, "answeredSeq": int64(0), "offer": "",
			},
		})
}

// StoreOffer keeps the server's offer seq on connection c, the first of a join and epoch in place of what was there
// before. Errors: [ErrGuard] when this or a later one is there already.
func (n *Negotiations) StoreOffer(
	ctx context.Context, session control.SessionID, c control.Connection, seq int64, sdp string, now time.Time,
) error {
	id := control.NegotiationID(session, c.User, c.Kind)
	err := n.update(ctx, "store an offer in", id,
		bson.M{"join": c.Join, "epoch": c.Epoch, "seq": bson.M{"$lt": seq}},
		bson.M{"$set": bson.M{"seq": seq, "offer": sdp, "updatedAt": now}})
	if !isGuard(err) {
		return err
	}
	return n.upsert(ctx, "begin", id,
		bson.M{"$or": bson.A{bson.M{"join": bson.M{"$ne": c.Join}}, bson.M{"epoch": bson.M{"$ne": c.Epoch}}}},
		bson.M{"$set": bson.M{
			"session": session, "user": c.User, "kind": c.Kind, "join": c.Join, "epoch": c.Epoch,
			"accepted": int64(0), "seq": seq, "offer": sdp, "answeredSeq": int64(0),
			"answers": []control.SDPAnswer{}, "updatedAt": now,
		}})
}

// SetAnswered says that the client answered the server's offer seq on connection c. Errors: [ErrGuard] when it had said
// so already.
func (n *Negotiations) SetAnswered(
	ctx context.Context, session control.SessionID, c control.Connection, seq int64, now time.Time,
) error {
	return n.update(ctx, "store the answer to", control.NegotiationID(session, c.User, c.Kind),
		bson.M{"join": c.Join, "epoch": c.Epoch, "answeredSeq": bson.M{"$lt": seq}},
		bson.M{"$set": bson.M{"answeredSeq": seq, "updatedAt": now}})
}

// RemoveUser forgets the negotiations of one user under one join, "" for every join.
func (n *Negotiations) RemoveUser(
	ctx context.Context, session control.SessionID, user control.UserID, join control.JoinID,
) error {
	ids := bson.A{
		control.NegotiationID(session, user, control.Publish), control.NegotiationID(session, user, control.Subscribe),
	}
	filter := bson.M{"_id": bson.M{"$in": ids}}
	if join != "" {
		filter["join"] = join
	}
	_, err := n.c.DeleteMany(ctx, filter)
	return coded(fmt.Sprintf("forget the negotiations of user %s", user), err)
}

// RemoveSession forgets the negotiations of a session.
func (n *Negotiations) RemoveSession(ctx context.Context, session control.SessionID) error {
	_, err := n.c.DeleteMany(ctx, bson.M{"session": session})
	return coded(fmt.Sprintf("forget the negotiations of session %s", session), err)
}

func (n *Negotiations) update(ctx context.Context, doing, id string, guard, update bson.M) error {
	guard["_id"] = id
	return updateOne(ctx, n.c, doing+" negotiation "+id, guard, update)
}

// upsert is update for a document that may not be there yet. One that is there and does not match the guard shows as a
// duplicate key.
func (n *Negotiations) upsert(ctx context.Context, doing, id string, guard, update bson.M) error {
	guard["_id"] = id
	_, err := n.c.UpdateOne(ctx, guard, update, options.Update().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		return ErrGuard
	}
	return coded(doing+" negotiation "+id, err)
}
