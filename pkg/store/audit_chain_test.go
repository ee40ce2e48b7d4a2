package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	mongodriver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/audit"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// chain reads the whole chain, page by page, and verifies it.
func chain(t interface {
	Helper()
	Fatal(args ...any)
	Context() context.Context
}, s *store.Store, noted ...audit.Head,
) ([]control.AuditEntry, *audit.Verifier) {
	t.Helper()
	v := audit.NewVerifier(noted...)
	var all []control.AuditEntry
	for filter := (store.AuditFilter{Chain: true, Limit: 7}); ; {
		page, err := s.Audit.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			v.Link(e)
		}
		all = append(all, page...)
		if len(page) < filter.Limit {
			break
		}
		filter.AfterSeq = page[len(page)-1].Seq
	}
	loose, err := s.Audit.List(t.Context(), store.AuditFilter{Loose: true, Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range loose {
		v.Outside(e)
	}
	return all, v
}

func entry(id string) control.AuditEntry {
	return control.AuditEntry{
		ID: id, Time: time.Now(), Actor: "key:k", Action: "session.create", Object: "session:" + id, Reason: "because",
		Result: "ok",
	}
}

// stores are several processes on one database, and the collection as somebody sees it who goes around them.
func stores(t *testing.T, n int) ([]*store.Store, *mongodriver.Collection) {
	t.Helper()
	url, database := mongo.URL(t)
	opened := make([]*store.Store, n)
	for i := range opened {
		s, err := store.Open(t.Context(), url, database)
		must(t, err)
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		opened[i] = s
	}
	client, err := mongodriver.Connect(t.Context(), options.Client().ApplyURI(url))
	must(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return opened, client.Database(database).Collection("audit")
}

// Whatever is appended by several processes at once, some of it more than once and by callers that give up at any
// moment: the chain holds, and what was acknowledged is in it once.
func TestAudit_IsAChainWhoeverAppends(t *testing.T) {
	processes, _ := stores(t, 3)
	round := 0
	acknowledged, seen, v := map[string]bool{}, map[string]int{}, audit.NewVerifier()
	rapid.Check(t, func(rt *rapid.T) {
		round++
		ids := rapid.IntRange(1, 30).Draw(rt, "ids")
		seed := rapid.Uint64().Draw(rt, "seed")
		var mu sync.Mutex
		var appending sync.WaitGroup
		for i, s := range processes {
			for j := range 4 {
				random := rand.New(rand.NewPCG(seed, uint64(i*100+j)))
				appending.Go(func() {
					for range 6 {
						id := fmt.Sprintf("entry-%d-%d", round, random.IntN(ids))
						ctx, cancel := context.WithCancel(t.Context())
						if random.IntN(3) == 0 {
							ctx, cancel = context.WithTimeout(t.Context(), rand.N(5*time.Millisecond))
						}
						err := s.Audit.Append(ctx, entry(id))
						if gaveUp := ctx.Err() != nil; err != nil && !gaveUp {
							t.Errorf("append %s: %v", id, err)
						}
						cancel()
						if err == nil {
							mu.Lock()
							acknowledged[id] = true
							mu.Unlock()
						}
					}
				})
			}
		}
		appending.Wait()
		entries, err := processes[0].Audit.List(t.Context(), store.AuditFilter{
			Chain: true, AfterSeq: v.Head().Seq, Limit: 1000,
		})
		must(t, err)
		for _, e := range entries {
			v.Link(e)
			seen[e.ID]++
		}
		if findings := v.Findings(); len(findings) > 0 {
			rt.Fatalf("the chain does not hold: %+v", findings)
		}
		for id := range acknowledged {
			if seen[id] != 1 {
				rt.Fatalf("%s was acknowledged and is there %d times", id, seen[id])
			}
		}
		for id, n := range seen {
			if n != 1 {
				rt.Fatalf("%s is there %d times", id, n)
			}
		}
	})
}

// A process that dies between the entries of a batch, and one that finds the rest of it there.
func TestAudit_GoesOnBehindAHalfWrittenBatch(t *testing.T) {
	processes, raw := stores(t, 1)
	must(t, processes[0].Audit.Append(t.Context(), entry("first")))
	entries, _ := chain(t, processes[0])
	half := audit.After(audit.HeadAt(entries[0]), entry("half"))
	half.Time = half.Time.UTC().Truncate(time.Millisecond)
	half = audit.After(audit.HeadAt(entries[0]), half)
	_, err := raw.InsertOne(t.Context(), half)
	must(t, err)
	for _, id := range []string{"half", "rest", "first"} {
		must(t, processes[0].Audit.Append(t.Context(), entry(id)))
	}
	entries, v := chain(t, processes[0])
	if len(entries) != 3 || len(v.Findings()) > 0 {
		t.Errorf("%d entries, %+v", len(entries), v.Findings())
	}
}

func TestAudit_TellsWhatWasTamperedWith(t *testing.T) {
	set := func(seq int, fields bson.M) func(*testing.T, *mongodriver.Collection) {
		return func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			_, err := c.UpdateOne(t.Context(), bson.M{"seq": seq}, bson.M{"$set": fields})
			must(t, err)
		}
	}
	remove := func(filter bson.M) func(*testing.T, *mongodriver.Collection) {
		return func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			_, err := c.DeleteMany(t.Context(), filter)
			must(t, err)
		}
	}
	for name, c := range map[string]struct {
		tamper func(*testing.T, *mongodriver.Collection)
		kind   string
		seq    int64
	}{
		"actor edited":  {set(4, bson.M{"actor": "key:somebody"}), audit.FindingEdited, 4},
		"action edited": {set(4, bson.M{"action": "session.close"}), audit.FindingEdited, 4},
		"object edited": {set(4, bson.M{"object": "session:x"}), audit.FindingEdited, 4},
		"reason edited": {set(4, bson.M{"reason": ""}), audit.FindingEdited, 4},
		"result edited": {set(4, bson.M{"result": "internal"}), audit.FindingEdited, 4},
		"time edited":   {set(4, bson.M{"time": now}), audit.FindingEdited, 4},
		"hash edited":   {set(4, bson.M{"hash": "00"}), audit.FindingEdited, 4},
		"edited with a hash that fits": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			e := read(t, c, 4)
			e.Actor = "key:somebody"
			set(4, bson.M{"actor": e.Actor, "hash": audit.Hash(e)})(t, c)
		}, audit.FindingBroken, 5},
		"one missing":       {remove(bson.M{"seq": 4}), audit.FindingMissing, 5},
		"the first missing": {remove(bson.M{"seq": bson.M{"$lt": 3}}), audit.FindingMissing, 3},
		"the last missing":  {remove(bson.M{"seq": bson.M{"$gt": 8}}), audit.FindingCut, 10},
		"all missing":       {remove(bson.M{}), audit.FindingCut, 10},
		"two swapped": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			set(4, bson.M{"seq": 100})(t, c)
			set(5, bson.M{"seq": 4})(t, c)
			set(100, bson.M{"seq": 5})(t, c)
		}, audit.FindingBroken, 4},
		"one put in at the end": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			e := entry("forged")
			e.Seq, e.Previous = 11, read(t, c, 9).Hash
			e.Hash = audit.Hash(e)
			_, err := c.InsertOne(t.Context(), e)
			must(t, err)
		}, audit.FindingBroken, 11},
		"one put in outside": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			_, err := c.InsertOne(t.Context(), entry("forged"))
			must(t, err)
		}, audit.FindingOutside, 0},
		"one put in before the first": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			e := entry("forged")
			e.Seq = -1
			_, err := c.InsertOne(t.Context(), e)
			must(t, err)
		}, audit.FindingOutside, -1},
		"all written anew": {func(t *testing.T, c *mongodriver.Collection) {
			t.Helper()
			var head audit.Head
			for seq := range 10 {
				e := read(t, c, seq+1)
				e.Reason = "another"
				e = audit.After(head, e)
				head = audit.HeadAt(e)
				set(seq+1, bson.M{"reason": e.Reason, "previous": e.Previous, "hash": e.Hash})(t, c)
			}
		}, audit.FindingRewrote, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			processes, raw := stores(t, 1)
			for i := range 10 {
				must(t, processes[0].Audit.Append(t.Context(), entry(fmt.Sprint("entry-", i))))
			}
			head, err := processes[0].Audit.Head(t.Context())
			must(t, err)
			if _, v := chain(t, processes[0], head); len(v.Findings()) > 0 {
				t.Fatalf("before: %+v", v.Findings())
			}
			c.tamper(t, raw)
			_, v := chain(t, processes[0], head)
			if found := v.Findings(); len(found) == 0 || found[0].Kind != c.kind || found[0].Seq != c.seq {
				t.Errorf("found %+v, want %s at %d", found, c.kind, c.seq)
			}
		})
	}
}

func read(t *testing.T, c *mongodriver.Collection, seq int) (e control.AuditEntry) {
	t.Helper()
	must(t, c.FindOne(t.Context(), bson.M{"seq": seq}).Decode(&e))
	return e
}

// Entries of before there was a chain stay as they are, and a repeated one of them is not entered again.
func TestAudit_BearsEntriesOfBefore(t *testing.T) {
	processes, raw := stores(t, 1)
	before := entry("before")
	before.Time = before.Time.Add(-time.Hour)
	_, err := raw.InsertOne(t.Context(), before)
	must(t, err)
	for _, id := range []string{"before", "after"} {
		must(t, processes[0].Audit.Append(t.Context(), entry(id)))
	}
	entries, v := chain(t, processes[0])
	if len(entries) != 1 || len(v.Findings()) > 0 {
		t.Errorf("%+v, %+v", entries, v.Findings())
	}
}

func TestAudit_BoundsItsTexts(t *testing.T) {
	processes, _ := stores(t, 1)
	long := entry("long")
	long.Reason = "\xff" + string(make([]rune, 1000)) + "ééééééééééééééééééééééééééééé"
	must(t, processes[0].Audit.Append(t.Context(), long))
	_, v := chain(t, processes[0])
	if len(v.Findings()) > 0 {
		t.Errorf("%+v", v.Findings())
	}
	for name, change := range map[string]func(*control.AuditEntry){
		"no id":       func(e *control.AuditEntry) { e.ID = "" },
		"long object": func(e *control.AuditEntry) { e.Object = string(make([]byte, 513)) },
		"no text":     func(e *control.AuditEntry) { e.Actor = "\xff" },
	} {
		e := entry(name)
		change(&e)
		if err := processes[0].Audit.Append(t.Context(), e); control.CodeOf(err) != control.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkAudit_Append is what many requests of the same moment cost in three processes, beside writing each entry by
// itself and without a chain.
func BenchmarkAudit_Append(b *testing.B) {
	url, database := mongo.URL(b)
	var processes []*store.Store
	var collections []*mongodriver.Collection
	for range 3 {
		s, err := store.Open(b.Context(), url, database)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		client, err := mongodriver.Connect(b.Context(), options.Client().ApplyURI(url))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = client.Disconnect(context.Background()) }()
		processes, collections = append(processes, s), append(collections, client.Database(database).Collection("loose"))
	}
	for name, write := range map[string]func(process int) error{
		"chained": func(i int) error { return processes[i].Audit.Append(b.Context(), entry(control.NewID())) },
		"loose": func(i int) error {
			_, err := collections[i].InsertOne(b.Context(), entry(control.NewID()))
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(10) // of each processor
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := write(rand.N(3)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
