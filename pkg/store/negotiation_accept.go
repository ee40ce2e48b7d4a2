package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// acceptTries bounds looking again when another offer of the same user came in between.
const acceptTries = 3

// Offer is an offer on a user's publish connection that asks to be counted.
type Offer struct {
	Session control.SessionID
	User    control.UserID
	Join    control.JoinID
	Epoch   int64
	Seq     int64
	SDP     string // kept where a later offer may be no more than a part of it (WHIP); else ""
}

// Accept counts an offer: the next one of its join and epoch, where a new join or epoch begins with 1, or one that was
// counted before. Errors: [ErrGuard] for one that skips a number.
func (n *Negotiations) Accept(ctx context.Context, o Offer, now time.Time) error {
	id := control.NegotiationID(o.Session, o.User, control.Publish)
	for range acceptTries {
		err := n.count(ctx, id, o, now)
		if !isGuard(err) {
			return err
		}
		if err := n.counted(ctx, id, o); !errors.Is(err, errRaced) {
			return err
		}
	}
	return &control.Error{
		Code: control.CodeUnavailable, Detail: "too many offers at once", RetryAfter: time.Second,
	}
}

// errRaced: the document changed between two looks at it.
var errRaced = errors.New("store: changed meanwhile")

// count is the write: [ErrGuard] if the offer is not the next one.
func (n *Negotiations) count(ctx context.Context, id string, o Offer, now time.Time) error {
	if o.Seq > 1 {
		return n.update(ctx, "count an offer in", id,
			bson.M{"join": o.Join, "epoch": o.Epoch, "accepted": o.Seq - 1},
			bson.M{"$set": bson.M{"accepted": o.Seq, "offer": o.SDP, "updatedAt": now}})
	}
	return n.upsert(ctx, "begin", id,
		bson.M{"$or": bson.A{bson.M{"join": bson.M{"$ne": o.Join}}, bson.M{"epoch": bson.M{"$lt": o.Epoch}}}},
		bson.M{"$set": bson.M{
			"session": o.Session, "user": o.User, "kind": control.Publish, "join": o.Join, "epoch": o.Epoch,
			"accepted": o.Seq, "seq": int64(0), "offer": o.SDP, "answeredSeq": int64(0),
			"answers": []control.SDPAnswer{}, "updatedAt": now,
		}})
}

// counted is the look at an offer that is not the next one: nil if it was counted before.
func (n *Negotiations) counted(ctx context.Context, id string, o Offer) error {
	negotiation, err := n.Get(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound) && o.Seq == 1:
		return errRaced
	case errors.Is(err, ErrNotFound):
		return ErrGuard
	case err != nil:
		return fmt.Errorf("look at an offer: %w", err)
	case negotiation.Join != o.Join, negotiation.Epoch != o.Epoch, o.Seq > negotiation.Accepted+1:
		return ErrGuard
	case o.Seq == negotiation.Accepted+1:
		return errRaced
	default:
		return nil
	}
}
