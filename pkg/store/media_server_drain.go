package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// A drain belongs to who began it, because that decides when it ends by itself: see [MediaServers.Register]. What
// others ask for while it goes on changes when and how it ends. Drains of rollouts are given up to whoever asks later;
// one of an operator stays one, so that it outlives the process, and one by a signal stays one, so that it does not.

// change is an update with what it needs.
type change struct{ guard, set bson.D }

// Drain has no new session placed on a server any more: once it has returned, none is. The drain of one that drains
// gets another deadline and another end. Errors: [ErrGuard] when the server is drained already, down or not known.
func (m *MediaServers) Drain(ctx context.Context, id control.MediaServerID, drain control.Drain) error {
	up := bson.E{Key: "status", Value: bson.D{{Key: "$ne", Value: control.StatusDown}}}
	ending := bson.D{{Key: "drain.deadline", Value: drain.Deadline}, {Key: "drain.then", Value: drain.Then}}
	return m.first(ctx, "drain", id,
		change{append(active(), up), draining(drain)},
		change{bson.D{isDraining(), up, {Key: "drain.by", Value: control.DrainBySignal}}, ending},
		change{bson.D{isDraining(), up}, append(ending, bson.E{Key: "drain.by", Value: drain.By})})
}

// DrainBySignal is [MediaServers.Drain] by the process of an instance that was asked to end. It does not put off the
// deadline of an operator. A rollout's drain becomes one of its own, begun now: the rollout's may have begun before the
// process did, as otherwise only that of an earlier process has. Errors: [ErrGuard] when the server is drained
// already, or another instance has taken the id.
func (m *MediaServers) DrainBySignal(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, drain control.Drain,
) error {
	drain.By = control.DrainBySignal
	own := bson.E{Key: "instance", Value: instance}
	later := bson.E{Key: "drain.deadline", Value: bson.D{{Key: "$gt", Value: drain.Deadline}}}
	then := bson.E{Key: "drain.then", Value: drain.Then}
	deadline := bson.E{Key: "drain.deadline", Value: drain.Deadline}
	return m.first(ctx, "drain", id,
		change{append(active(), own), draining(drain)},
		change{bson.D{isDraining(), own, byRollout()}, draining(drain)},
		change{bson.D{isDraining(), own, later}, bson.D{deadline, then}},
		change{bson.D{isDraining(), own}, bson.D{then}})
}

// Undrain has new sessions placed on a server again. Errors: [ErrGuard] when it is active, or not known.
func (m *MediaServers) Undrain(ctx context.Context, id control.MediaServerID) error {
	return m.update(ctx, "undrain", id,
		bson.D{{Key: "availability", Value: bson.D{{Key: "$ne", Value: control.AvailabilityActive}}}},
		bson.D{{Key: "$set", Value: undrained()}})
}

// NoteDrain says what is left on a server that drains, and why it cannot be moved ("": nothing is known to be in the
// way). Errors: [ErrGuard] when that drain is over.
func (m *MediaServers) NoteDrain(
	ctx context.Context, id control.MediaServerID, since time.Time, remaining int64, waiting string,
) error {
	return m.update(ctx, "note what is left on", id,
		bson.D{isDraining(), {Key: "drain.since", Value: since}},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "drain.remaining", Value: remaining}, {Key: "drain.waiting", Value: waiting},
		}}})
}

// SetDrained says that server, as it was read, is empty. Errors: [ErrGuard] when that drain or that instance is over,
// or something has been placed on it since.
func (m *MediaServers) SetDrained(ctx context.Context, server control.MediaServer) error {
	if server.Drain == nil {
		return ErrGuard
	}
	return m.update(ctx, "mark as drained", server.ID,
		bson.D{
			isDraining(),
			{Key: "drain.since", Value: server.Drain.Since},
			{Key: "instance", Value: server.Instance},
			{Key: "placed", Value: server.Placed},
		},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "availability", Value: control.AvailabilityDrained},
			{Key: "drain.remaining", Value: int64(0)},
			{Key: "drain.waiting", Value: ""},
		}}})
}

// LeaveDrained marks an instance as down that is drained: nothing is lost with it. Errors: [ErrGuard] when it is not
// drained any more.
func (m *MediaServers) LeaveDrained(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID,
) error {
	return m.update(ctx, "say goodbye of", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "availability", Value: control.AvailabilityDrained}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: control.StatusDown}}}})
}

// first makes the first of some changes whose guard matches.
func (m *MediaServers) first(ctx context.Context, doing string, id control.MediaServerID, changes ...change) error {
	for _, c := range changes {
		err := m.update(ctx, doing, id, c.guard, bson.D{{Key: "$set", Value: c.set}})
		if !errors.Is(err, ErrGuard) {
			return err
		}
	}
	return ErrGuard
}

// endsDrain is the filter for the server whose drain ends because this instance of it registers: one by a signal was of
// the process before, and one by a rollout has done its work if the version is another one.
func endsDrain(server control.MediaServer) bson.D {
	return bson.D{
		{Key: "instance", Value: bson.D{{Key: "$ne", Value: server.Instance}}},
		{Key: "$or", Value: bson.A{
			bson.D{{Key: "drain.by", Value: control.DrainBySignal}},
			bson.D{byRollout(), {Key: "version", Value: bson.D{{Key: "$ne", Value: server.Version}}}},
		}},
	}
}

func active() bson.D { return bson.D{{Key: "availability", Value: control.AvailabilityActive}} }

func isDraining() bson.E { return bson.E{Key: "availability", Value: control.AvailabilityDraining} }

// byRollout is the filter for drains whose By begins with [control.DrainByRollout].
func byRollout() bson.E {
	return bson.E{Key: "drain.by", Value: bson.D{
		{Key: "$gte", Value: control.DrainByRollout}, {Key: "$lt", Value: control.DrainByRollout + behindNames},
	}}
}

func draining(drain control.Drain) bson.D {
	return bson.D{
		{Key: "availability", Value: control.AvailabilityDraining}, {Key: "drain", Value: drain},
	}
}

func undrained() bson.D {
	return bson.D{{Key: "availability", Value: control.AvailabilityActive}, {Key: "drain", Value: nil}}
}
