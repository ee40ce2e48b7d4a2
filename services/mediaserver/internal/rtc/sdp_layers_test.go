package rtc

import (
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
)

// What is offered of layers, and what Pion is told of it.
func TestLayersOf(t *testing.T) {
	for name, c := range map[string]struct {
		lines  string
		layers []string
		kept   []string
	}{
		"three":           {"rid:q send|rid:h send|rid:f send|simulcast:send q;h;f", []string{"q", "h", "f"}, nil},
		"both directions": {"rid:a send|rid:b send|rid:c recv|simulcast:recv c send a;b", []string{"a", "b"}, nil},
		"alternatives and a paused one": {
			"rid:a send pt=96|rid:b send pt=98|rid:c send|simulcast:send a,b;~c", []string{"a", "c"}, nil,
		},
		"more than are taken": {
			"rid:1 send|rid:2 send|rid:3 send|rid:4 send|rid:5 send|simulcast:send 1;2;3;4;5", []string{"1", "2", "3", "4"}, nil,
		},
		"one twice":            {"rid:a send|simulcast:send a;a", nil, []string{"rid:a send"}},
		"not described":        {"rid:a send|simulcast:send a;b", nil, []string{"rid:a send"}},
		"not announced":        {"rid:a send|rid:b send", nil, []string{"rid:a send"}},
		"what is received":     {"rid:a recv|rid:b recv|simulcast:recv a;b", nil, []string{"rid:a recv"}},
		"not the syntax":       {"rid:ä send|rid:b. send|simulcast:send ä;b.", nil, []string{"rid:ä send"}},
		"SSRC group (Plan B)":  {"ssrc-group:SIM 1 2 3|ssrc:1 cname:x", nil, []string{"ssrc-group:SIM 1 2 3", "ssrc:1 cname:x"}},
		"nothing after a send": {"rid:a send|rid:b send|simulcast:send", nil, []string{"rid:a send"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &sdp.MediaDescription{}
			for line := range strings.SplitSeq(c.lines, "|") {
				key, value, _ := strings.Cut(line, ":")
				m.Attributes = append(m.Attributes, sdp.Attribute{Key: key, Value: value})
			}
			if got := layersOf(m); !slices.Equal(got, c.layers) {
				t.Errorf("layers %q, want %q", got, c.layers)
			}
			withKnownLayers(&sdp.SessionDescription{MediaDescriptions: []*sdp.MediaDescription{m}})
			want := c.kept
			for _, rid := range c.layers {
				want = append(want, "rid:"+rid+" send")
			}
			if c.layers != nil {
				want = append(want, "simulcast:send "+strings.Join(c.layers, ";"))
			}
			var got []string
			for _, a := range m.Attributes {
				got = append(got, a.Key+":"+a.Value)
			}
			if !slices.Equal(got, want) {
				t.Errorf("Pion is told %q, want %q", got, want)
			}
		})
	}
}
