package media_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pion/webrtc/v4"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(value T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

func presenting(t *testing.T, f *fixture, p *media.Pipeline) *kurentoClient {
	t.Helper()
	c := newKurentoClient(t, f, p, media.WebRTCEndpointParams{UseDataChannels: true})
	c.sends(webrtc.MimeTypeOpus)
	c.sends(webrtc.MimeTypeVP8)
	c.negotiate()
	return c
}

func viewing(t *testing.T, f *fixture, p *media.Pipeline) *kurentoClient {
	t.Helper()
	c := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	c.receivesOnly(webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo)
	c.negotiate()
	return c
}

// silent says what still flows to c.
func (c *kurentoClient) silent() error {
	for kind := range map[media.MediaType]bool{media.Audio: true, media.Video: true} {
		if flowing, err := c.endpoint.MediaFlowingIn(kind); err != nil || flowing {
			return fmt.Errorf("%s still flows, %w", kind, err)
		}
	}
	return nil
}

// A chain of relays that is put together from its end, taken apart and put together again.
func TestPassThrough_Chain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	presenter, viewer := presenting(t, f, p), viewing(t, f, p)
	first, second := must[*media.PassThrough](t)(p.NewPassThrough()), must[*media.PassThrough](t)(p.NewPassThrough())
	for _, pair := range [][2]media.Connectable{{second, viewer.endpoint}, {first, second}, {presenter.endpoint, first}} {
		source := pair[0].(interface {
			Connect(media.Connectable, ...media.MediaType) error
		})
		if err := source.Connect(pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error { return viewer.has(20) })
	for name, flows := range map[string]func(media.MediaType) (bool, error){
		"in of the first": first.MediaFlowingIn, "out of the last": second.MediaFlowingOut,
		"out of the presenter": presenter.endpoint.MediaFlowingOut, "in of the viewer": viewer.endpoint.MediaFlowingIn,
	} {
		if flowing, err := flows(media.Video); err != nil || !flowing {
			t.Errorf("%s: %v, %v", name, flowing, err)
		}
	}
	if err := first.Disconnect(second, media.Video); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if flowing, _ := viewer.endpoint.MediaFlowingIn(media.Video); flowing {
			return errors.New("video flows over a broken chain")
		}
		if flowing, _ := viewer.endpoint.MediaFlowingIn(media.Audio); !flowing {
			return errors.New("audio went with the video")
		}
		return nil
	})
	before := viewer.video.count()
	if err := first.Connect(second, media.Video); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return viewer.has(before + 20) })
	f.Release(first.ID())
	testkit.Eventually(t, viewer.silent)
}

// Media comes back to its sender through a relay, and relays in a circle carry nothing and hang nobody.
func TestPassThrough_LoopbackAndCircle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	c := presenting(t, f, p)
	relay, other := must[*media.PassThrough](t)(p.NewPassThrough()), must[*media.PassThrough](t)(p.NewPassThrough())
	for _, err := range []error{c.endpoint.Connect(relay), relay.Connect(c.endpoint)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error { return c.has(20) })
	for _, err := range []error{relay.Connect(other), other.Connect(relay), other.Connect(other)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, c.silent) // the circle took the place of what fed the relay
	if flowing, _ := other.MediaFlowingIn(media.Video); flowing {
		t.Error("a circle flows")
	}
}

// Messages of data channels pass relays as media does.
func TestPassThrough_Messages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	c := newKurentoClient(t, f, p, media.WebRTCEndpointParams{UseDataChannels: true})
	relay := must[*media.PassThrough](t)(p.NewPassThrough())
	if err := errors.Join(c.endpoint.Connect(relay, media.Data), relay.Connect(c.endpoint, media.Data)); err != nil {
		t.Fatal(err)
	}
	channel, err := c.pc.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	echoed := make(chan string, 1)
	channel.OnMessage(func(m webrtc.DataChannelMessage) { echoed <- string(m.Data) })
	channel.OnOpen(func() { _ = channel.SendText("hello") })
	c.negotiate()
	if got := <-echoed; got != "hello" {
		t.Errorf("echo %q", got)
	}
}

func TestDispatcherOneToMany_Switches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	hub := must[*media.DispatcherOneToMany](t)(p.NewDispatcherOneToMany())
	newPort := func(c *kurentoClient) *media.HubPort {
		port := must[*media.HubPort](t)(hub.NewPort())
		for _, err := range []error{c.endpoint.Connect(port), port.Connect(c.endpoint)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return port
	}
	one, two := presenting(t, f, p), presenting(t, f, p)
	portOne, portTwo := newPort(one), newPort(two)
	if err := hub.SetSource(portOne); err != nil {
		t.Fatal(err)
	}
	late := viewing(t, f, p)
	newPort(late) // a port that comes later is served too
	testkit.Eventually(t, func() error { return errors.Join(two.has(20), late.has(20)) })
	if flowing, _ := one.endpoint.MediaFlowingIn(media.Video); flowing {
		t.Error("the source hears itself")
	}
	before := late.video.count()
	if err := hub.SetSource(portTwo); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return errors.Join(one.has(20), late.has(before+20)) })
	assertContinuous(t, late.video)
	testkit.Eventually(t, two.silent)
	hub.RemoveSource()
	testkit.Eventually(t, func() error { return errors.Join(one.silent(), late.silent()) })
	if err := hub.SetSource(portOne); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return two.has(40) })
	f.Release(portOne.ID())
	testkit.Eventually(t, two.silent)
	var refused *media.Error
	if err := hub.SetSource(portOne); !errors.As(err, &refused) || refused.Code != 40101 {
		t.Errorf("a released port as source: %v", err)
	}
}

func TestDispatcher_AnyToAny(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	hub := must[*media.Dispatcher](t)(p.NewDispatcher())
	presenter, viewer := presenting(t, f, p), viewing(t, f, p)
	in, out := must[*media.HubPort](t)(hub.NewPort()), must[*media.HubPort](t)(hub.NewPort())
	for _, err := range []error{
		hub.Connect(in, out), presenter.endpoint.Connect(in), out.Connect(viewer.endpoint),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error { return viewer.has(20) })
	f.Release(hub.ID())
	testkit.Eventually(t, viewer.silent)
	if got := presenter.endpoint.SinkConnections(); len(got) != 0 {
		t.Errorf("connections to a released hub: %v", got)
	}
}

// Whatever is connected in whatever order, what is listed agrees on both sides, every sink has one source a kind, and a
// release leaves nothing of an element behind.
func TestGraph_ListsWhatIs(t *testing.T) {
	f := newFixture(t)
	rapid.Check(t, func(r *rapid.T) {
		p, err := f.CreatePipeline("", 0)
		if err != nil {
			r.Fatal(err)
		}
		defer f.Release(p.ID())
		elements := []*media.PassThrough{}
		for range 4 {
			e, err := p.NewPassThrough()
			if err != nil {
				r.Fatal(err)
			}
			elements = append(elements, e)
		}
		feeds := map[[2]string]string{} // by sink and kind
		pick := rapid.IntRange(0, len(elements)-1)
		kinds := rapid.SampledFrom([]media.MediaType{media.Audio, media.Video, media.Data})
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			source, sink := elements[pick.Draw(r, "source")], elements[pick.Draw(r, "sink")]
			kind := kinds.Draw(r, "kind")
			key := [2]string{sink.ID(), string(kind)}
			switch rapid.IntRange(0, 9).Draw(r, "what") {
			case 0:
				f.Release(source.ID())
				for k, from := range feeds {
					if from == source.ID() || k[0] == source.ID() {
						delete(feeds, k)
					}
				}
			case 1, 2:
				_ = source.Disconnect(sink, kind)
				if feeds[key] == source.ID() {
					delete(feeds, key)
				}
			default:
				_ = source.Connect(sink, kind)
				if _, there := f.Object(source.ID()); !there {
					break
				}
				if _, there := f.Object(sink.ID()); there {
					feeds[key] = source.ID()
				}
			}
		}
		listed := 0
		for _, e := range elements {
			for _, c := range e.SinkConnections() {
				listed++
				if feeds[[2]string{c.Sink, string(c.Type)}] != c.Source {
					r.Fatalf("%v is listed, connected are %v", c, feeds)
				}
			}
			for _, c := range e.SourceConnections() {
				if feeds[[2]string{c.Sink, string(c.Type)}] != c.Source {
					r.Fatalf("%v is listed, connected are %v", c, feeds)
				}
			}
		}
		if listed != len(feeds) {
			r.Fatalf("%d connections are listed, %d were made", listed, len(feeds))
		}
	})
}
