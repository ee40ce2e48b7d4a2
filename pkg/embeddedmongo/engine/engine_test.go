package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fataler interface{ Fatal(args ...any) }

func must(t fataler, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func open(tb testing.TB, cfg engine.Config) *engine.Engine {
	tb.Helper()
	e, err := engine.Open(cfg, slog.New(slog.DiscardHandler))
	must(tb, err)
	tb.Cleanup(func() { must(tb, e.Close()) })
	return e
}

func space(collection string) engine.Namespace {
	return engine.Namespace{DB: "d", Collection: collection}
}

func write(t fataler, e *engine.Engine, run func(tx *engine.Tx) error) {
	_, err := e.Write(context.Background(), nil, func(tx *engine.Tx) (bson.D, error) { return nil, run(tx) })
	must(t, err)
}

func find(t fataler, e *engine.Engine, ns engine.Namespace, filter bson.D) []any {
	compiled, err := query.Compile(filter)
	must(t, err)
	docs, err := e.Find(context.Background(), ns, engine.Query{Filter: compiled, Sort: bson.D{{Key: "_id", Value: int32(1)}}})
	must(t, err)
	var ids []any
	for _, doc := range docs {
		ids = append(ids, doc[0].Value)
	}
	return ids
}

// TestFind_IndexesChangeNoResult compares a collection with indexes to one without, for any documents and filters.
func TestFind_IndexesChangeNoResult(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.Int32Range(0, 4), func(n int32) any { return n }),
		rapid.Map(rapid.SampledFrom([]string{"a", "b"}), func(s string) any { return s }),
		rapid.Just[any](nil),
		rapid.Just[any](bson.A{int32(1), int32(3)}),
		rapid.Just[any](bson.A{}),
	)
	operator := rapid.SampledFrom([]string{"$eq", "$gt", "$gte", "$lt", "$lte", "$ne"})
	e := open(t, engine.Config{})
	rapid.Check(t, func(t *rapid.T) {
		plain, indexed := space("plain"), space("indexed")
		write(t, e, func(tx *engine.Tx) error {
			if _, err := tx.CreateIndex(indexed, index("ab", "a", 1, "b", -1)); err != nil {
				return err
			}
			_, err := tx.CreateIndex(indexed, index("b", "b", 1))
			return err
		})
		for id := range rapid.IntRange(0, 12).Draw(t, "documents") {
			doc := bson.D{{Key: "_id", Value: int32(id)}, {Key: "a", Value: value.Draw(t, "a")}}
			if rapid.Bool().Draw(t, "has b") {
				doc = append(doc, bson.E{Key: "b", Value: value.Draw(t, "b")})
			}
			write(t, e, func(tx *engine.Tx) error {
				_, err := tx.Insert(plain, doc)
				_, err2 := tx.Insert(indexed, doc)
				return errors.Join(err, err2)
			})
		}
		for range 5 {
			filter := bson.D{}
			for _, field := range []string{"a", "b"} {
				if rapid.Bool().Draw(t, "ask "+field) {
					condition := bson.D{}
					for range rapid.IntRange(1, 2).Draw(t, "conditions") {
						condition = append(condition, bson.E{Key: operator.Draw(t, "op"), Value: value.Draw(t, "value")})
					}
					filter = append(filter, bson.E{Key: field, Value: condition})
				}
			}
			if d := cmp.Diff(find(t, e, plain, filter), find(t, e, indexed, filter)); d != "" {
				t.Fatalf("filter %v: %s", filter, d)
			}
		}
		write(t, e, func(tx *engine.Tx) error { return tx.DropDatabase("d") })
	})
}

func index(name string, keys ...any) engine.IndexSpec {
	spec := engine.IndexSpec{Name: name}
	for pair := range slices.Chunk(keys, 2) {
		spec.Key = append(spec.Key, bson.E{Key: pair[0].(string), Value: int32(pair[1].(int))})
	}
	return spec
}

func TestExplain_UsesIndexes(t *testing.T) {
	e := open(t, engine.Config{})
	ns := space("c")
	write(t, e, func(tx *engine.Tx) error {
		_, err := tx.CreateIndex(ns, index("state_1__id_1", "state", 1, "_id", 1))
		return err
	})
	for want, filter := range map[string]bson.D{
		"IDHACK":               {{Key: "_id", Value: "x"}},
		"IXSCAN state_1__id_1": {{Key: "state", Value: "active"}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: "x"}}}},
		"COLLSCAN":             {{Key: "state", Value: nil}},
	} {
		compiled, err := query.Compile(filter)
		must(t, err)
		if got := e.Explain(ns, compiled); got != want {
			t.Errorf("%v is served by %s, want %s", filter, got, want)
		}
	}
}

func TestLog_ForgetsTheOldest(t *testing.T) {
	e := open(t, engine.Config{MaxChanges: 3})
	start := e.Changes().Visible()
	for i := range 4 {
		write(t, e, func(tx *engine.Tx) error {
			_, err := tx.Insert(space("c"), bson.D{{Key: "_id", Value: int32(i)}})
			return err
		})
	}
	_, _, err := e.Changes().Read(start, 10)
	var lost *fault.Error
	if !errors.As(err, &lost) || lost.Code != fault.ChangeStreamHistoryLost {
		t.Fatalf("read from before the log: %v", err)
	}
}

func TestCompact_KeepsEverything(t *testing.T) {
	dir := t.TempDir()
	ns := space("c")
	e, err := engine.Open(engine.Config{Dir: dir, CompactBytes: 1, CompactPeriod: 1}, slog.New(slog.DiscardHandler))
	must(t, err)
	for i := range 200 {
		retry := &engine.Retry{Session: "s", Number: int64(i)}
		_, err := e.Write(t.Context(), retry, func(tx *engine.Tx) (bson.D, error) {
			_, err := tx.Insert(ns, bson.D{{Key: "_id", Value: int32(i)}})
			return bson.D{{Key: "n", Value: int32(i)}}, err
		})
		must(t, err)
	}
	testkit.Eventually(t, func() error {
		_, err := os.Stat(filepath.Join(dir, "log-00000001"))
		if err == nil {
			return errors.New("the first segment is still there")
		}
		return nil
	})
	want := find(t, e, ns, bson.D{})
	must(t, e.Close())

	again := open(t, engine.Config{Dir: dir})
	if d := cmp.Diff(want, find(t, again, ns, bson.D{})); d != "" {
		t.Error(d)
	}
	reply, err := again.Write(t.Context(), &engine.Retry{Session: "s", Number: 199},
		func(*engine.Tx) (bson.D, error) { return nil, errors.New("executed again") })
	must(t, err)
	if d := cmp.Diff(bson.D{{Key: "n", Value: int32(199)}}, reply); d != "" {
		t.Error("retried after a restart", d)
	}
}
