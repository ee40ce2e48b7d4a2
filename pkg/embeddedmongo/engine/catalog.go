package engine

import (
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// CollectionInfo is what is known of a collection.
type CollectionInfo struct {
	Namespace Namespace
	UUID      uuid.UUID
	Indexes   []IndexSpec // that on _id first
	Documents int
}

// Collections lists all collections of a database, or with "" of all, sorted by name.
func (e *Engine) Collections(db string) []CollectionInfo {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var infos []CollectionInfo
	for ns, c := range e.collections {
		if db == "" || ns.DB == db {
			infos = append(infos, CollectionInfo{
				Namespace: ns, UUID: c.uuid, Indexes: c.specs(), Documents: len(c.byID),
			})
		}
	}
	slices.SortFunc(infos, func(a, b CollectionInfo) int {
		return strings.Compare(a.Namespace.String(), b.Namespace.String())
	})
	return infos
}

// Collection is what is known of one, or nil.
func (e *Engine) Collection(ns Namespace) *CollectionInfo {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c := e.collections[ns]
	if c == nil {
		return nil
	}
	return &CollectionInfo{Namespace: ns, UUID: c.uuid, Indexes: c.specs(), Documents: len(c.byID)}
}

func (c *collection) specs() []IndexSpec {
	specs := []IndexSpec{idIndex()}
	for _, x := range c.indexes {
		specs = append(specs, x.spec)
	}
	return specs
}

// settings is the collection without its documents, for the journal and for create events.
func (c *collection) settings() bson.D {
	indexes := make(bson.A, len(c.indexes))
	for i, x := range c.indexes {
		indexes[i] = x.spec.Document()
	}
	return bson.D{{Key: "uuid", Value: c.uuid.String()}, {Key: "indexes", Value: indexes}}
}

// Create makes an empty collection.
func (tx *Tx) Create(ns Namespace) error {
	if tx.engine.collections[ns] != nil {
		return fault.New(fault.NamespaceExists, "Collection %s already exists.", ns)
	}
	_, err := tx.collection(ns)
	return err
}

// Drop removes a collection with its documents.
func (tx *Tx) Drop(ns Namespace) error {
	if tx.engine.collections[ns] == nil {
		return fault.New(fault.NamespaceNotFound, "ns not found")
	}
	delete(tx.engine.collections, ns)
	tx.record(Change{Kind: KindDrop, Namespace: ns})
	return nil
}

// DropDatabase removes all collections of a database.
func (tx *Tx) DropDatabase(db string) error {
	var all []Namespace
	for ns := range tx.engine.collections {
		if ns.DB == db {
			all = append(all, ns)
		}
	}
	for _, ns := range all {
		if err := tx.Drop(ns); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		tx.record(Change{Kind: KindDropDatabase, Namespace: Namespace{DB: db}})
	}
	return nil
}

// CreateIndex makes an index and tells whether it is new. The same one again is no error; another one of that name, or
// for that key, is.
func (tx *Tx) CreateIndex(ns Namespace, spec IndexSpec) (created bool, err error) {
	if isID(spec.Key) {
		return false, nil
	}
	c, err := tx.collection(ns)
	if err != nil {
		return false, err
	}
	for _, x := range c.indexes {
		sameKey, same := equalDocs(x.spec.Key, spec.Key), equalDocs(x.spec.Document(), spec.Document())
		switch {
		case same:
			return false, nil
		case x.spec.Name == spec.Name:
			return false, fault.New(fault.IndexKeySpecsConflict,
				"An existing index has the same name as the requested index: %s", spec.Name)
		case sameKey:
			return false, fault.New(fault.IndexOptionsConflict,
				"Index already exists with a different name or options: %s", x.spec.Name)
		}
	}
	x, err := c.build(spec)
	if err != nil {
		return false, err
	}
	c.indexes = append(c.indexes, x)
	tx.record(Change{Kind: KindIndexes, Namespace: ns, Document: c.settings()})
	return true, nil
}

// DropIndex removes the indexes for which which is true, and returns how many there were before.
func (tx *Tx) DropIndex(ns Namespace, which func(IndexSpec) bool) (before int, err error) {
	c := tx.engine.collections[ns]
	if c == nil {
		return 0, fault.New(fault.NamespaceNotFound, "ns not found %s", ns)
	}
	before = len(c.indexes) + 1
	kept := slices.DeleteFunc(slices.Clone(c.indexes), func(x *index) bool { return which(x.spec) })
	if len(kept) != len(c.indexes) {
		c.indexes = kept
		tx.record(Change{Kind: KindIndexes, Namespace: ns, Document: c.settings()})
	}
	return before, nil
}

func isID(key bson.D) bool { return len(key) == 1 && key[0].Key == "_id" }

func checkNamespace(ns Namespace) error {
	bad := ns.DB == "" || len(ns.DB) > 63 || strings.ContainsAny(ns.DB, "/\\. \"$\x00") ||
		ns.Collection == "" || len(ns.Collection) > 200 || strings.ContainsAny(ns.Collection, "$\x00") ||
		strings.HasPrefix(ns.Collection, ".")
	if bad {
		return fault.New(fault.InvalidNamespace, "Invalid namespace specified '%s'", ns)
	}
	return nil
}
