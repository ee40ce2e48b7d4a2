package store

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// SetStopRequested stores that request by, to stop, is the last word about subscribe connection c. A request that came
// before by loses. Ids of requests sort by their time (UUIDv7).
func (s *Sessions) SetStopRequested(
	ctx context.Context, id control.SessionID, c control.Connection, by string,
) error {
	return s.updateConnection(ctx, "count a stop in", id, c,
		bson.M{"requestedBy": bson.M{"$lt": by}},
		bson.M{"requestedBy": by, "state": control.ConnectionClosed})
}

// SetOfferRequested is [Sessions.SetStopRequested] for a request to offer. A connection that was stopped is new again;
// of any other the state is not touched, because only its media server knows it: a client that has vanished at this
// very moment would seem to be connected for ever.
func (s *Sessions) SetOfferRequested(
	ctx context.Context, id control.SessionID, c control.Connection, by string,
) error {
	const doing = "count a request for an offer in"
	var err error
	for range 2 { // a request before by may stop, or begin again, between the two
		err = s.updateConnection(ctx, doing, id, c,
			bson.M{"requestedBy": bson.M{"$lt": by}, "state": bson.M{"$ne": control.ConnectionClosed}},
			bson.M{"requestedBy": by})
		if !errors.Is(err, ErrGuard) {
			return err
		}
		err = s.updateConnection(ctx, doing, id, c,
			bson.M{"requestedBy": bson.M{"$lt": by}, "state": control.ConnectionClosed},
			bson.M{"requestedBy": by, "state": control.ConnectionNew})
		if !errors.Is(err, ErrGuard) {
			return err
		}
	}
	return err
}
