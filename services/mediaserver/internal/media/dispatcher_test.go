package media_test

import (
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// A port that becomes the source while it is being released ends what the source before it sent: there is none then.
func TestDispatcherOneToMany_SourceThatIsGoing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hub := must[*media.DispatcherOneToMany](t)(f.pipeline(t).NewDispatcherOneToMany())
	before := must[*media.HubPort](t)(hub.NewPort())
	going := must[*media.HubPort](t)(hub.NewPort())
	sink := must[*media.HubPort](t)(hub.NewPort())
	if err := hub.SetSource(before); err != nil {
		t.Fatal(err)
	}
	if sink.Source() != before {
		t.Fatal("the source is not sent to the other ports")
	}
	going.Leave()
	if err := hub.SetSource(going); err != nil {
		t.Fatal(err)
	}
	f.Release(going.ID())
	if sink.Source() != nil {
		t.Error("an earlier source is still sent")
	}
}
