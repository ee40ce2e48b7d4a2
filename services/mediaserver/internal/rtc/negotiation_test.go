package rtc

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// offers are what browsers write: Chromium's as it came from it, the others after its habits.
func offers(tb testing.TB) map[string]string {
	tb.Helper()
	list := map[string]string{}
	for _, name := range []string{"chromium-offer", "chromium-simulcast-offer", "firefox-simulcast-offer", "safari-offer"} {
		text, err := os.ReadFile("testdata/" + name + ".sdp")
		if err != nil {
			tb.Fatal(err)
		}
		list[name] = string(text)
	}
	return list
}

func answerTo(tb testing.TB, engine *Engine, offer string) (*sdp.SessionDescription, error) {
	tb.Helper()
	d, err := ParseDescription(offer)
	if err != nil {
		return nil, err
	}
	peer, err := engine.NewPublishPeer(Handlers{})
	if err != nil {
		tb.Fatal(err)
	}
	defer peer.Close()
	text, _, err := peer.Answer(tb.Context(), d)
	if err != nil {
		return nil, err
	}
	answer := &sdp.SessionDescription{}
	return answer, answer.UnmarshalString(text)
}

// names are the formats of the first m-line of a kind, in order.
func names(answer *sdp.SessionDescription, kind string) (list []string) {
	for _, m := range answer.MediaDescriptions {
		if m.MediaName.Media != kind || m.MediaName.Port.Value == 0 {
			continue
		}
		for _, f := range formatsOf(m) {
			list = append(list, strings.TrimPrefix(f.codec.MIME, kind+"/"))
		}
		return list
	}
	return nil
}

// Each browser's offer, and what applications make of it, is answered with what can be forwarded, in the order that it
// names: the sender takes the first.
func TestAnswer_ToBrowsers(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(offer string) string { return strings.ReplaceAll(offer, old, with) }
	}
	same := func(offer string) string { return offer }
	opusFirst := []string{"opus", "red", "G722", "PCMU", "PCMA"}
	for name, c := range map[string]struct {
		offer        string
		edit         func(string) string
		audio, video []string
	}{
		"Chromium": {"chromium-offer", same, opusFirst, []string{"VP8", "rtx", "H264", "rtx", "AV1", "rtx", "VP9", "rtx"}},
		"Chromium, redundant audio first": {
			"chromium-offer",
			replace("SAVPF 111 63 ", "SAVPF 63 111 "),
			[]string{"red", "opus", "G722", "PCMU", "PCMA"},
			[]string{"VP8", "rtx", "H264", "rtx", "AV1", "rtx", "VP9", "rtx"},
		},
		"Chromium, stereo and bitrates asked for": {
			"chromium-offer",
			func(offer string) string {
				offer = strings.Replace(offer, "useinbandfec=1", "useinbandfec=1;stereo=1;maxaveragebitrate=510000", 1)
				return strings.Replace(offer, "a=mid:1\r\n", "a=mid:1\r\nb=AS:2500\r\nb=TIAS:2500000\r\n", 1)
			},
			opusFirst,
			[]string{"VP8", "rtx", "H264", "rtx", "AV1", "rtx", "VP9", "rtx"},
		},
		"Chromium, formats taken away but not what is said of them": {
			"chromium-offer", func(offer string) string {
				at := strings.Index(offer, "m=video")
				end := at + strings.Index(offer[at:], "\r\n")
				return offer[:at] + "m=video 9 UDP/TLS/RTP/SAVPF 98 99" + offer[end:]
			}, opusFirst, []string{"VP9", "rtx"},
		},
		"lines end with LF": {
			"chromium-offer",
			replace("\r\n", "\n"),
			opusFirst,
			[]string{"VP8", "rtx", "H264", "rtx", "AV1", "rtx", "VP9", "rtx"},
		},
		"Firefox, simulcast": {
			"firefox-simulcast-offer",
			same,
			[]string{"opus", "G722", "PCMU", "PCMA"},
			[]string{"VP8", "rtx", "VP9", "rtx", "H264", "rtx", "AV1", "rtx"},
		},
		"Safari": {"safari-offer", same, opusFirst, []string{"H264", "rtx", "VP8", "rtx"}},
		"Safari, with a high profile only": {
			"safari-offer", replace("profile-level-id=42e01f", "profile-level-id=64001f"), opusFirst, []string{"H264", "rtx", "VP8", "rtx"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := answerTo(t, newTestEngine(t), c.edit(offers(t)[c.offer]))
			if err != nil {
				t.Fatal(err)
			}
			if got := names(answer, control.KindAudio); !slices.Equal(got, c.audio) {
				t.Errorf("audio %v, want %v", got, c.audio)
			}
			got := names(answer, control.KindVideo)
			if len(got) == 0 || got[0] != c.video[0] {
				t.Errorf("video %v begins with something else than %s", got, c.video[0])
			}
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(c.video)); !slices.Equal(got, want) {
				t.Errorf("video %v, want %v", got, want)
			}
		})
	}
}

func TestAnswer_Refuses(t *testing.T) {
	engine := newTestEngine(t)
	offer := offers(t)["firefox-simulcast-offer"]
	for name, text := range map[string]string{
		"no mid":         strings.Replace(offer, "a=mid:1\r\n", "", 1),
		"the mid twice":  strings.Replace(offer, "a=mid:1\r\n", "a=mid:0\r\n", 1),
		"no fingerprint": strings.Replace(offer, "a=fingerprint:", "a=x-fingerprint:", 1),
		"no password":    strings.ReplaceAll(offer, "a=ice-pwd:", "a=x-pwd:"),
		"text":           strings.Replace(offer, "m=video", "m=text", 1),
	} {
		if _, err := answerTo(t, engine, text); !errors.Is(err, ErrSDP) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDescription reads any text; what Pion gets of one that was taken can be read again and has the same m-lines.
func FuzzDescription(f *testing.F) {
	for _, text := range offers(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDescription(text)
		if err != nil {
			if !errors.Is(err, ErrSDP) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, m := range d.Media {
			d.formatsOf(m.MID)
			d.layers(m.MID)
		}
		for _, change := range []func(){func() {}, func() { d.withEveryFormat(control.KindVideo) }} {
			change()
			short, err := d.text(webrtc.SDPTypeOffer)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseDescription(short)
			if err != nil {
				t.Fatalf("%v\n%s", err, short)
			}
			if len(again.Media) != len(d.Media) {
				t.Fatalf("%d m-lines of %d", len(again.Media), len(d.Media))
			}
		}
	})
}
