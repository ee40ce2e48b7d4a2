package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// Membership is the collection "membership": every manifest that a fleet was given, none of them ever changed. What is
// in it is believed for its signatures only. Safe for concurrent use.
type Membership struct{ c *mongo.Collection }

// Append adds the manifest of the next generation. Errors: [ErrGuard] when one of that generation is there already.
func (m *Membership) Append(ctx context.Context, manifest control.MembershipManifest) error {
	_, err := m.c.InsertOne(ctx, manifest)
	if mongo.IsDuplicateKeyError(err) {
		return ErrGuard
	}
	return coded(fmt.Sprintf("store membership manifest %d", manifest.Generation), err)
}

// Documents is every manifest as it was signed, by generation.
func (m *Membership) Documents(ctx context.Context) ([]string, error) {
	manifests, err := m.list(ctx)
	documents := make([]string, len(manifests))
	for i, manifest := range manifests {
		documents[i] = manifest.Document
	}
	return documents, err
}

func (m *Membership) list(ctx context.Context) ([]control.MembershipManifest, error) {
	cursor, err := m.c.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, coded("list membership manifests", err)
	}
	var manifests []control.MembershipManifest
	return manifests, coded("list membership manifests", cursor.All(ctx, &manifests))
}
