package rtc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
)

// withFirstFormat leaves of each m-line of an answer the first format and its RTX, as Firefox answers.
func withFirstFormat(text string) string {
	var parsed sdp.SessionDescription
	if parsed.UnmarshalString(text) != nil {
		return text
	}
	for _, m := range parsed.MediaDescriptions {
		if formats := formatsOf(m); len(formats) > 1 {
			kept := []string{formats[0].payload}
			for _, f := range formats {
				if f.carries == formats[0].payload {
					kept = append(kept, f.payload)
				}
			}
			keepFormats(m, kept)
		}
	}
	changed, err := parsed.Marshal()
	if err != nil {
		return text
	}
	return string(changed)
}

// without rejects every m-line of an answer that begins with the codec.
func without(name string) func(string) string {
	return func(text string) string {
		var parsed sdp.SessionDescription
		if parsed.UnmarshalString(text) != nil {
			return text
		}
		for _, m := range parsed.MediaDescriptions {
			if formats := formatsOf(m); len(formats) > 0 && strings.HasSuffix(formats[0].codec.MIME, name) {
				m.MediaName.Port.Value = 0
				m.MediaName.Formats = []string{"0"} // as Chromium writes it
				m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool { return a.Key != "mid" })
				m.Attributes = append(m.Attributes, sdp.Attribute{Key: "inactive"})
			}
		}
		changed, err := parsed.Marshal()
		if err != nil {
			return text
		}
		// What is rejected is not bundled with the others.
		return strings.Replace(string(changed), "BUNDLE 0 ", "BUNDLE ", 1)
	}
}

func forwarded() []Codec {
	var list []Codec
	for _, c := range videoCodecs() {
		list = append(list, newCodec(c.RTPCodecCapability))
	}
	return list
}

// Whatever comes and goes in whatever order, a client gets every stream that it can decode, also one that names a
// single codec in each answer.
func TestSubscribePeer_EveryCodecAtAnyTime(t *testing.T) {
	for name, answers := range map[string]func(string) string{"all": nil, "one format": withFirstFormat} {
		t.Run(name, func(t *testing.T) {
			engine := newTestEngine(t)
			v := newViewer(t, engine, (*webrtc.MediaEngine).RegisterDefaultCodecs)
			v.answers = answers
			var tracks []Track
			for i, c := range forwarded() {
				s := newStream(t, engine, control.KindVideo, c)
				tracks = append(tracks, Track{Stream: control.StreamID("cam" + strconv.Itoa(i)), Source: s.Source})
				v.watch(tracks[max(0, i-1):]...) // the one before the last leaves, and its m-line is used again
				id := tracks[i].Stream
				s.sendUntil(t, func() error {
					if len(v.of(id)) < 10 {
						return fmt.Errorf("%s: %d packets", c.MIME+" "+c.Format, len(v.of(id)))
					}
					return nil
				})
				if got := v.of(id)[0].mime; !strings.EqualFold(got, c.MIME) {
					t.Errorf("%s came as %s", c.MIME, got)
				}
			}
		})
	}
}

// A client that rejects the first m-line, with no codec in it, gets the others.
func TestSubscribePeer_RejectedFirst(t *testing.T) {
	engine := newTestEngine(t)
	v := newViewer(t, engine, (*webrtc.MediaEngine).RegisterDefaultCodecs)
	v.answers = without("AV1")
	av1 := newStream(t, engine, control.KindVideo, Codec{MIME: webrtc.MimeTypeAV1, ClockRate: 90_000})
	cam := newStream(t, engine, control.KindVideo, vp8())
	sound := newStream(t, engine, control.KindAudio, opus())
	first := Track{Stream: "screen", Source: av1.Source}
	v.watch(first, Track{Stream: "sound", Source: sound.Source})
	sound.sendUntil(t, func() error {
		if len(v.of("sound")) == 0 {
			return errors.New("no sound")
		}
		return nil
	})
	v.watch(first, Track{Stream: "cam", Source: cam.Source})
	cam.sendUntil(t, func() error { return enough(v, 10) })
	av1.send(t, 10)
	if got := av1.sinksWritten(); got != 0 {
		t.Errorf("%d packets were sent on the m-line that was rejected", got)
	}
}

// sinksWritten is what all sinks of a source have sent.
func (s *Source) sinksWritten() (packets uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sinks {
		packets += k.Sent().Packets
	}
	return packets
}

func TestH264Profile(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"levels":                        {"42e01f", "42e034", true},
		"ways to say constrained":       {"42e01f", "42c01e", true},
		"main that keeps to baseline":   {"42e01f", "4d801f", true},
		"baseline is not constrained":   {"42001f", "42e01f", false},
		"constrained high is not high":  {"640c1f", "64001f", false},
		"capitals":                      {"42E01F", "42e01f", true},
		"main is not high":              {"4d001f", "64001f", false},
		"what cannot be read, and main": {"x", "4d001f", false},
	} {
		if got := h264Profile(c.a) == h264Profile(c.b); got != c.same {
			t.Errorf("%s: %s and %s are the same: %v", name, c.a, c.b, got)
		}
	}
}

// An answer of any formats is read without trouble, and what it is read as is what it says.
func TestDescription_FormatsOf(t *testing.T) {
	answer := chromiumOffer(t, "chromium-offer.sdp")
	rapid.Check(t, func(t *rapid.T) {
		text := answer
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text = text[:at] + rapid.StringOfN(rapid.RuneFrom([]rune("0919 :/=a\r\n")), 0, 4, -1).Draw(t, "text") + text[at+1:]
		}
		d, err := ParseDescription(text)
		if err != nil {
			return
		}
		for _, m := range d.Media {
			formats := d.formatsOf(m.MID)
			if m.Rejected && len(formats) > 0 {
				t.Fatalf("%d formats of an m-line that is rejected", len(formats))
			}
		}
		for _, kind := range KindsOf() {
			if d.withEveryFormat(kind) {
				at := slices.IndexFunc(d.Media, func(m Media) bool { return m.Kind == kind })
				if got := len(formatsOf(d.parsed.MediaDescriptions[at])); got != 5 { // Opus, RED, G722, PCMU, PCMA
					t.Fatalf("%d formats", got) // VP8, RTX, H264, VP9, AV1
				}
			}
		}
	})
}
