// Package store is the truth in MongoDB, and the only package that knows its driver. One file a collection. Every write
// is a partial update with a guard in its filter; a lost guard is reported as [ErrGuard] and is not a failure: somebody
// else already did it, or the world moved on. Nothing reads a document, changes it and writes it back.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"github.com/orkestro/orkestro/pkg/control"
)

// Results that callers test for with errors.Is.
var (
	// ErrGuard: the guard of a write did not match, nothing was written.
	ErrGuard = errors.New("store: guard did not match")
	// ErrNotFound: there is no such document.
	ErrNotFound = errors.New("store: not found")
)

const (
	// serverSelectionTimeout: an election takes a few seconds; requests give up after 5 s (HTTP API contract).
	serverSelectionTimeout = 4 * time.Second
	// connectTimeout also bounds how long a database that is cut off goes unnoticed by the driver's own monitoring, which
	// then closes what waits for an answer, change streams among it. The driver's default is half a minute.
	connectTimeout = 5 * time.Second
	// operationTimeout bounds each call whose context has no deadline of its own.
	operationTimeout = 5 * time.Second
)

// Store is one connection to the database with its collections. Safe for concurrent use.
type Store struct {
	client  *mongo.Client
	db      *mongo.Database
	schemas *schemas

	Sessions     *Sessions
	Negotiations *Negotiations
	Presence     *Presence
	MediaServers *MediaServers
	RestAPIs     *Replicas
	Wrappers     *Replicas
	Idempotency  *Idempotency
	Audit        *Audit
	Leases       *Leases
	Rollouts     *Rollouts
	Membership   *Membership
}

// CheckURL says what is wrong with the URL of a deployment. It looks nothing up.
func CheckURL(url string) error {
	if !strings.HasPrefix(url, "mongodb://") && !strings.HasPrefix(url, "mongodb+srv://") {
		return errors.New("mongodb:// or mongodb+srv:// is needed")
	}
	return nil
}

// Open connects to the MongoDB deployment at url (a replica set, for change streams) and makes the indexes. It retries
// nothing itself; the driver does. Close ends it.
func Open(ctx context.Context, url, database string) (*Store, error) {
	s, err := OpenToLook(ctx, url, database)
	if err != nil {
		return nil, err
	}
	if err := ensureIndexes(ctx, s.db); err != nil {
		_ = s.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// OpenToLook is [Open] for a tool that must leave the database as it is: no indexes are made.
func OpenToLook(ctx context.Context, url, database string) (*Store, error) {
	client, err := mongo.Connect(ctx, options.Client().
		ApplyURI(url).
		SetRegistry(newRegistry()).
		// An array is never null, so that elements can be pushed to it.
		SetBSONOptions(&options.BSONOptions{NilSliceAsEmpty: true}).
		SetWriteConcern(writeconcern.Majority()).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetRetryWrites(true).
		SetConnectTimeout(connectTimeout).
		SetTimeout(operationTimeout).
		SetServerSelectionTimeout(serverSelectionTimeout))
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	db, schemas := client.Database(database), newSchemas()
	return &Store{
		client:       client,
		db:           db,
		schemas:      schemas,
		Sessions:     &Sessions{c: db.Collection("sessions"), schemas: schemas},
		Negotiations: &Negotiations{c: db.Collection("negotiations")},
		Presence:     &Presence{c: db.Collection("presence")},
		MediaServers: &MediaServers{c: db.Collection("mediaservers"), schemas: schemas},
		RestAPIs:     &Replicas{c: db.Collection("restapis")},
		Wrappers:     &Replicas{c: db.Collection("wrappers")},
		Idempotency:  &Idempotency{c: db.Collection("idempotency")},
		Audit:        &Audit{c: db.Collection("audit")},
		Leases:       &Leases{c: db.Collection("leases")},
		Rollouts:     &Rollouts{c: db.Collection("rollouts"), schemas: schemas},
		Membership:   &Membership{c: db.Collection("membership")},
	}, nil
}

// Ping is nil while the primary answers.
func (s *Store) Ping(ctx context.Context) error { return s.client.Ping(ctx, readpref.Primary()) }

// Close disconnects.
func (s *Store) Close(ctx context.Context) error {
	err := s.client.Disconnect(ctx)
	s.Audit.worker.Wait() // it has nothing left to write to
	return err
}

// coded turns a driver error into one with a code: nothing found and lost guards stay as they are, what trying again
// may mend becomes unavailable.
func coded(doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrGuard), errors.Is(err, ErrNotFound):
		return err
	case errors.Is(err, mongo.ErrNoDocuments):
		return ErrNotFound
	case mongo.IsNetworkError(err), mongo.IsTimeout(err), isUnreachable(err):
		return &control.Error{
			Code: control.CodeUnavailable, Detail: "the database cannot be reached", RetryAfter: time.Second,
			Err: fmt.Errorf("%s: %w", doing, err),
		}
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func isUnreachable(err error) bool {
	var cleared interface{ Retryable() bool } // the driver's connections all went down with one of them
	if errors.As(err, &cleared) && cleared.Retryable() {
		return true
	}
	var server mongo.ServerError
	return errors.As(err, &server) &&
		(server.HasErrorLabel("RetryableWriteError") || server.HasErrorLabel("NetworkError"))
}
