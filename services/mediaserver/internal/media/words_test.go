package media_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

// Of several requests about one thing the latest counts, whichever comes last; one that failed does not count.
func TestObey_TheLatestRequestCounts(t *testing.T) {
	f := newFixture(t)
	endpoint, err := f.pipeline(t).NewSubscribeEndpoint("ben", "join", control.Subscriptions{})
	if err != nil {
		t.Fatal(err)
	}
	var obeyed []string
	say := func(about, by string, err error) {
		t.Helper()
		got := endpoint.Obey(about, by, func() error {
			obeyed = append(obeyed, about+by)
			return err
		})
		if !errors.Is(got, err) {
			t.Fatalf("%s of %s: got %v, want %v", about, by, got, err)
		}
	}
	failed := errors.New("failed")
	say("a", "2", nil)
	say("a", "1", nil) // late
	say("b", "1", nil)
	say("a", "2", nil) // again
	say("a", "4", failed)
	say("a", "3", nil)
	say("a", "", nil) // of somebody who does not care
	if want := []string{"a2", "b1", "a2", "a4", "a3", "a"}; !slices.Equal(obeyed, want) {
		t.Errorf("obeyed %v, want %v", obeyed, want)
	}
}
