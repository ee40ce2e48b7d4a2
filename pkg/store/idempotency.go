package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Idempotency is the collection "idempotency": what calls with an Idempotency-Key were answered, for as long as the
// same answer is due. A record belongs to the replica that claimed it until its lease is over.
type Idempotency struct{ c *mongo.Collection }

// IdempotencyRecord is one keyed call. Request is the id of the request that it publishes, the same in every try, so
// that nothing happens twice. Response is nil while the call is being handled.
type IdempotencyRecord struct {
	ID       string             `bson:"_id"` // hash of caller, path and key
	Request  string             `bson:"request"`
	BodyHash string             `bson:"bodyHash"`
	Holder   string             `bson:"holder"` // one try of the call
	LeaseTo  time.Time          `bson:"leaseTo"`
	ExpireAt time.Time          `bson:"expireAt"`
	Response *IdempotencyAnswer `bson:"response"`
}

// IdempotencyAnswer is the answer that is given again.
type IdempotencyAnswer struct {
	Status  int               `bson:"status"`
	Headers map[string]string `bson:"headers"`
	Body    []byte            `bson:"body"`
}

// Claim enters r if its call is new, or takes over the lease of an earlier try that ended without an answer. claimed
// says whether the caller of Claim is now to handle the call; the record is the one that is stored, so its Request may
// be an earlier try's. A record that is past its expiry counts as none.
func (i *Idempotency) Claim(ctx context.Context, r IdempotencyRecord, now time.Time) (
	stored IdempotencyRecord, claimed bool, err error,
) {
	_, err = i.c.DeleteOne(ctx, bson.M{"_id": r.ID, "expireAt": bson.M{"$lte": now}})
	if err != nil {
		return stored, false, coded("forget an old idempotency key", err)
	}
	_, err = i.c.InsertOne(ctx, r)
	if err == nil {
		return r, true, nil
	}
	if !mongo.IsDuplicateKeyError(err) {
		return stored, false, coded("claim an idempotency key", err)
	}
	return i.takeOver(ctx, r, now)
}

// takeOver claims a record whose lease is over, and else reads it.
func (i *Idempotency) takeOver(ctx context.Context, r IdempotencyRecord, now time.Time) (
	stored IdempotencyRecord, claimed bool, err error,
) {
	free := bson.M{"_id": r.ID, "response": nil, "bodyHash": r.BodyHash, "leaseTo": bson.M{"$lte": now}}
	lease := bson.M{"$set": bson.M{"holder": r.Holder, "leaseTo": r.LeaseTo}}
	after := options.FindOneAndUpdate().SetReturnDocument(options.After)
	err = i.c.FindOneAndUpdate(ctx, free, lease, after).Decode(&stored)
	if err == nil {
		return stored, true, nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return stored, false, coded("take over an idempotency key", err)
	}
	err = i.c.FindOne(ctx, bson.M{"_id": r.ID}).Decode(&stored)
	return stored, false, coded("read an idempotency key", err)
}

// Complete stores the answer. [ErrGuard] if the lease went to another try meanwhile.
func (i *Idempotency) Complete(ctx context.Context, id, holder string, answer IdempotencyAnswer) error {
	return i.update(ctx, id, holder, bson.M{"response": answer})
}

// Release ends the lease without an answer: the next try handles the call, under the same request id. [ErrGuard] if the
// lease went to another try meanwhile.
func (i *Idempotency) Release(ctx context.Context, id, holder string) error {
	return i.update(ctx, id, holder, bson.M{"leaseTo": time.UnixMilli(0)})
}

func (i *Idempotency) update(ctx context.Context, id, holder string, fields bson.M) error {
	result, err := i.c.UpdateOne(ctx, bson.M{"_id": id, "holder": holder, "response": nil}, bson.M{"$set": fields})
	if err == nil && result.MatchedCount == 0 {
		return ErrGuard
	}
	return coded(fmt.Sprintf("update idempotency key %s", id), err)
}
