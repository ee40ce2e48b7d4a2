// Package idempotency makes a POST with an Idempotency-Key happen once: within the key's life the same caller, path,
// query, key and body get the first answer again. The HTTP layer wraps its POSTs in it. It knows no operation: what is
// handled twice, because a replica died in between, is handled under the same request id, and everything behind it is
// idempotent by that.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

const (
	// life of a key (HTTP API contract).
	life = 24 * time.Hour
	// lease is how long one try may take before another is allowed: longer than any POST waits, and no longer than a
	// caller likes to wait for a replica that has died.
	lease = 8 * time.Second
	// retryAfter is told to a caller whose first try is still being handled.
	retryAfter = time.Second
	// storeTimeout bounds storing the answer, for which its caller waits.
	storeTimeout = 2 * time.Second
	// maxKey is the longest key, in characters (HTTP API contract).
	maxKey = 128
)

// Store keeps the records; [store.Idempotency] is one.
type Store interface {
	Claim(ctx context.Context, r store.IdempotencyRecord, now time.Time) (store.IdempotencyRecord, bool, error)
	Complete(ctx context.Context, id, holder string, answer store.IdempotencyAnswer) error
	Release(ctx context.Context, id, holder string) error
}

// Keeper answers keyed calls. Safe for concurrent use.
type Keeper struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
}

// New keeps its records in s.
func New(s Store, now func() time.Time, logger *slog.Logger) *Keeper {
	return &Keeper{store: s, now: now, log: logger.With(logging.KeyComponent, "idempotency")}
}

// Call is one keyed call. Caller tells callers apart; Target is the path, with its query.
type Call struct {
	Caller string
	Target string
	Key    string
	Body   []byte
}

// CheckKey is [control.CodeInvalid] for what is no key: 1 to 128 visible ASCII characters are.
func CheckKey(key string) error {
	ok := len(key) >= 1 && len(key) <= maxKey
	for _, c := range []byte(key) {
		ok = ok && c > ' ' && c < 0x7f
	}
	if !ok {
		return control.Errorf(control.CodeInvalid, "Idempotency-Key: 1 to %d visible ASCII characters are needed", maxKey)
	}
	return nil
}

// Serve answers a call: with the answer that is stored, or by next, which handles it under the request id it is given.
// An answer of next is stored unless it is a failure of ours (5xx), after which the caller may try again. Serve reports
// whether the answer was a stored one.
func (k *Keeper) Serve(
	w http.ResponseWriter, r *http.Request, c Call, next func(http.ResponseWriter, string),
) (replayed bool) {
	record, claimed, err := k.claim(r.Context(), c)
	switch {
	case err != nil:
		problem.FromError(err).Write(w, r)
	case claimed:
		k.handle(w, r, record, next)
	case record.BodyHash != hash(string(c.Body)):
		problem.New(control.CodeInvalid, "Idempotency-Key: it was used with another body").Write(w, r)
	case record.Response == nil:
		problem.FromError(&control.Error{
			Code: control.CodeConflict, Detail: "the first request with this key is still being handled",
			RetryAfter: retryAfter,
		}).Write(w, r)
	default:
		replay(w, *record.Response)
		return true
	}
	return false
}

// claim tries once more when the record disappears between two looks at it.
func (k *Keeper) claim(ctx context.Context, c Call) (store.IdempotencyRecord, bool, error) {
	now := k.now()
	record := store.IdempotencyRecord{
		ID: hash(c.Caller, c.Target, c.Key), Request: control.NewID(), BodyHash: hash(string(c.Body)),
		Holder: control.NewID(), LeaseTo: now.Add(lease), ExpireAt: now.Add(life),
	}
	stored, claimed, err := k.store.Claim(ctx, record, now)
	if errors.Is(err, store.ErrNotFound) {
		return k.store.Claim(ctx, record, now)
	}
	return stored, claimed, err
}

func (k *Keeper) handle(
	w http.ResponseWriter, r *http.Request, record store.IdempotencyRecord, next func(http.ResponseWriter, string),
) {
	recorder := newRecorder()
	// Stored before it is sent, so that a caller that repeats itself at once finds it; a panic ends the lease.
	defer recorder.copyTo(w)
	defer k.settle(r.Context(), record, recorder)
	next(recorder, record.Request)
	recorder.finished = true
}

// settle stores the answer, or ends the lease if there is none worth it; the caller may be gone by then.
func (k *Keeper) settle(ctx context.Context, record store.IdempotencyRecord, recorder *recorder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var err error
	if recorder.finished && recorder.status < http.StatusInternalServerError {
		err = k.store.Complete(ctx, record.ID, record.Holder, recorder.answer())
	} else {
		err = k.store.Release(ctx, record.ID, record.Holder)
	}
	if err != nil && !errors.Is(err, store.ErrGuard) {
		k.log.WarnContext(ctx, "an answer was not stored; the same key is handled again, under the same request id",
			logging.KeyRequest, record.Request, logging.KeyError, err)
	}
}

// hash is of all parts, which cannot run into each other.
func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
