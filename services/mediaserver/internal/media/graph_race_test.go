package media_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Several clients rewire one pipeline at once, release what others use, and ask about it: nothing is left connected to
// what is gone, and nothing hangs.
func TestGraph_RewiredByMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	hub := must[*media.DispatcherOneToMany](t)(p.NewDispatcherOneToMany())
	type element interface {
		media.Connectable
		Connect(media.Connectable, ...media.MediaType) error
		Disconnect(media.Connectable, ...media.MediaType) error
		MediaFlowingIn(media.MediaType) (bool, error)
		SinkConnections(...media.MediaType) []media.Connection
		SourceConnections(...media.MediaType) []media.Connection
	}
	make1 := func(kind int) (element, error) {
		switch kind {
		case 0:
			return p.NewPassThrough()
		case 1:
			return hub.NewPort()
		case 2:
			return p.NewRTPEndpoint(media.RTPEndpointParams{})
		default:
			return p.NewWebRTCEndpoint(media.WebRTCEndpointParams{})
		}
	}
	var mu sync.Mutex
	var elements []element
	for i := range 12 {
		e, err := make1(i % 4)
		if err != nil {
			t.Fatal(err)
		}
		elements = append(elements, e)
	}
	pick := func() element {
		mu.Lock()
		defer mu.Unlock()
		return elements[rand.IntN(len(elements))]
	}
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for i := range 300 {
				a, b := pick(), pick()
				switch rand.IntN(10) {
				case 0:
					f.Release(a.ID())
					fresh, err := make1(i % 4)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					elements[rand.IntN(len(elements))] = fresh
					mu.Unlock()
				case 1:
					_ = a.Disconnect(b)
				case 2:
					_, _ = a.MediaFlowingIn(media.Video)
				case 3:
					if port, ok := a.(*media.HubPort); ok {
						_ = hub.SetSource(port)
					}
				default:
					_ = a.Connect(b)
				}
			}
		})
	}
	clients.Wait()
	live := map[string]bool{}
	for _, child := range append(p.Children(), hub.Children()...) {
		live[child.ID()] = true
	}
	for _, child := range append(p.Children(), hub.Children()...) {
		e, ok := child.(element)
		if !ok {
			continue // the hub
		}
		for _, c := range append(e.SinkConnections(), e.SourceConnections()...) {
			if !live[c.Source] || !live[c.Sink] {
				t.Fatalf("%v is connected to what is gone", c)
			}
		}
	}
}
