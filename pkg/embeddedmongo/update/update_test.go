package update_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/update"
)

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		before, after bson.D
		want          update.Difference
	}{
		"nothing": {bson.D{{Key: "a", Value: int32(1)}}, bson.D{{Key: "a", Value: int32(1)}}, update.Difference{}},
		"another type of number": {
			bson.D{{Key: "a", Value: int32(1)}},
			bson.D{{Key: "a", Value: int64(1)}},
			update.Difference{Updated: bson.D{{Key: "a", Value: int64(1)}}},
		},
		"below, and removed": {
			bson.D{{Key: "a", Value: bson.D{{Key: "x", Value: "1"}, {Key: "y", Value: "2"}}}},
			bson.D{{Key: "a", Value: bson.D{{Key: "x", Value: "3"}}}},
			update.Difference{Updated: bson.D{{Key: "a.x", Value: "3"}}, Removed: bson.A{"a.y"}},
		},
		"a new document is one value": {
			bson.D{},
			bson.D{{Key: "a", Value: bson.D{{Key: "x", Value: "1"}}}},
			update.Difference{Updated: bson.D{{Key: "a", Value: bson.D{{Key: "x", Value: "1"}}}}},
		},
		"array grows": {
			bson.D{{Key: "a", Value: bson.A{"1"}}},
			bson.D{{Key: "a", Value: bson.A{"1", "2"}}},
			update.Difference{Updated: bson.D{{Key: "a.1", Value: "2"}}},
		},
		"array shrinks": {
			bson.D{{Key: "a", Value: bson.A{"1", "2"}}},
			bson.D{{Key: "a", Value: bson.A{"2"}}},
			update.Difference{
				Updated:   bson.D{{Key: "a.0", Value: "2"}},
				Truncated: bson.A{bson.D{{Key: "field", Value: "a"}, {Key: "newSize", Value: int32(1)}}},
			},
		},
	} {
		if d := cmp.Diff(c.want, update.Compare(c.before, c.after)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestApply_LeavesTheDocumentAlone(t *testing.T) {
	doc := func() bson.D {
		return bson.D{{Key: "_id", Value: "x"}, {Key: "list", Value: bson.A{"a", "b"}}, {Key: "d", Value: bson.D{{Key: "n", Value: int32(1)}}}}
	}
	filter, err := query.Compile(bson.D{{Key: "list", Value: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	before := doc()
	for operator, fields := range map[string]bson.D{
		"$set":   {{Key: "list.$", Value: "c"}, {Key: "d.n", Value: "new"}},
		"$push":  {{Key: "list", Value: "c"}},
		"$pull":  {{Key: "list", Value: "a"}},
		"$unset": {{Key: "d.n", Value: ""}},
		"$inc":   {{Key: "d.n", Value: int32(1)}},
		"$pop":   {{Key: "list", Value: int32(-1)}},
	} {
		u, err := update.New(filter, bson.D{{Key: operator, Value: fields}}, nil)
		if err != nil {
			t.Fatal(operator, err)
		}
		after, err := u.Apply(before)
		if err != nil {
			t.Fatal(operator, err)
		}
		if d := cmp.Diff(doc(), before); d != "" {
			t.Fatal(operator, d)
		}
		if difference := update.Compare(before, after); difference.Empty() {
			t.Error(operator, "changed nothing")
		}
	}
}
