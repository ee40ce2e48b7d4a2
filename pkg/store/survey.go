package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// What follows is for operators' tools, which read everything, page by page, and write nothing.

// MissingIndexes names the indexes that a service makes at start and that are not there: "sessions(state,_id)".
func (s *Store) MissingIndexes(ctx context.Context) ([]string, error) {
	var missing []string
	for collection, models := range indexes() {
		present, err := s.db.Collection(collection).Indexes().ListSpecifications(ctx)
		if err != nil {
			return nil, coded("list the indexes of "+collection, err)
		}
		there := map[string]bool{}
		for _, index := range present {
			there[fieldsOf(index.KeysDocument)] = true
		}
		for _, model := range models {
			keys, err := bson.Marshal(model.Keys)
			if err != nil {
				return nil, fmt.Errorf("store: encode the keys of an index: %w", err)
			}
			if fields := fieldsOf(keys); !there[fields] {
				missing = append(missing, collection+"("+fields+")")
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// fieldsOf is the fields of an index in their order.
func fieldsOf(keys bson.Raw) string {
	elements, _ := keys.Elements() // what cannot be read is not the index that is looked for
	names := make([]string, len(elements))
	for i, element := range elements {
		names[i] = element.Key()
	}
	return strings.Join(names, ",")
}

// Overdue lists closed sessions that were to be forgotten before a time.
func (s *Sessions) Overdue(ctx context.Context, before time.Time, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list overdue sessions",
		bson.M{"state": control.SessionClosed, "expireAt": bson.M{"$lt": before}}, options.Find().SetLimit(limit))
}

// List is a page of the presence of users, by session and user; after is the id of the last one of the page before.
func (p *Presence) List(ctx context.Context, after string, limit int64) ([]control.Presence, error) {
	cursor, err := p.c.Find(ctx, bson.M{"_id": bson.M{"$gt": after}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit))
	if err != nil {
		return nil, coded("list the presence of users", err)
	}
	var list []control.Presence
	return list, coded("list the presence of users", cursor.All(ctx, &list))
}

// List is a page of negotiations by id, without the SDP; after is the id of the last one of the page before.
func (n *Negotiations) List(ctx context.Context, after string, limit int64) ([]control.Negotiation, error) {
	cursor, err := n.c.Find(ctx, bson.M{"_id": bson.M{"$gt": after}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(limit).
			SetProjection(bson.M{"offer": 0, "answers": 0}))
	if err != nil {
		return nil, coded("list negotiations", err)
	}
	var list []control.Negotiation
	return list, coded("list negotiations", cursor.All(ctx, &list))
}
