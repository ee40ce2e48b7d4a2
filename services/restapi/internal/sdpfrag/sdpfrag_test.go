package sdpfrag_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/restapi/internal/sdpfrag"
)

const (
	host = "1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0"

	trickle = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n" +
		"a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=candidate:" + host + "\r\na=end-of-candidates\r\n"

	offer = "v=0\r\no=- 42 7 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:old1\r\na=ice-pwd:oldpwd\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=candidate:" + host + "\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=ice-ufrag:old1\r\na=ice-pwd:oldpwd\r\n"
)

func TestParse_Trickle(t *testing.T) {
	f, err := sdpfrag.Parse(trickle)
	if err != nil {
		t.Fatal(err)
	}
	if f.Ufrag != "EsAw" || f.Password != "P2uYro0UCOQ4zxjKXaWCBui1" || !f.End || len(f.Candidates) != 1 {
		t.Fatalf("%+v", f)
	}
	c := f.Candidates[0]
	if c.Candidate != "candidate:"+host || *c.SDPMid != "0" || *c.UsernameFragment != "EsAw" {
		t.Errorf("%+v", c)
	}
}

// A blank at the end of a line would make other credentials of those that are in use, and candidates a restart.
func TestParse_TrimsLines(t *testing.T) {
	f, err := sdpfrag.Parse(strings.ReplaceAll(trickle, "\r\n", " \r\n"))
	if err != nil || f.Ufrag != "EsAw" || *f.Candidates[0].SDPMid != "0" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestParse_RefusesWhatIsNone(t *testing.T) {
	many := strings.Repeat("a=candidate:"+host+"\n", sdpfrag.MaxCandidates+1)
	for name, text := range map[string]string{
		"nothing": "", "no SDP": "hello", "only a mid": "m=audio 9 x 0\na=mid:0", "half of the credentials": "a=ice-ufrag:abcd",
		"two of them": "a=ice-ufrag:abcd\na=ice-pwd:p\na=ice-ufrag:efgh", "too many candidates": many,
		"too long": "a=candidate:" + strings.Repeat("x", sdpfrag.MaxBytes),
	} {
		if _, err := sdpfrag.Parse(text); !errors.Is(err, sdpfrag.ErrFragment) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A restart changes ICE and nothing else: another SDP session id would be taken for another connection.
func TestRestart_ReplacesOnlyICE(t *testing.T) {
	f, err := sdpfrag.Parse(trickle)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sdpfrag.Restart(offer, f)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "old") || strings.Count(text, "a=ice-ufrag:EsAw\r\n") != 2 ||
		strings.Count(text, "a=candidate:") != 1 || !strings.Contains(text, "o=- 42 8 IN IP4 127.0.0.1\r\n") {
		t.Error(text)
	}
	if got := sdpfrag.Ufrag(text); got != "EsAw" {
		t.Errorf("the ufrag is %q", got)
	}
}

func TestOf_IsReadAgain(t *testing.T) {
	f, err := sdpfrag.Parse(trickle)
	if err != nil {
		t.Fatal(err)
	}
	restarted, err := sdpfrag.Restart(offer, f)
	if err != nil {
		t.Fatal(err)
	}
	fragment, err := sdpfrag.Of(restarted)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sdpfrag.Parse(fragment)
	if err != nil || again.Ufrag != f.Ufrag || again.Password != f.Password || len(again.Candidates) != 1 {
		t.Errorf("%q: %+v, %v", fragment, again, err)
	}
}

// FuzzRestart looks for what makes us panic: both texts come from clients.
func FuzzRestart(f *testing.F) {
	f.Add(trickle, offer)
	f.Add("a=end-of-candidates", "v=0")
	f.Fuzz(func(t *testing.T, fragment, offer string) {
		parsed, err := sdpfrag.Parse(fragment)
		if err != nil {
			return
		}
		restarted, err := sdpfrag.Restart(offer, parsed)
		if err != nil {
			return
		}
		_, _ = sdpfrag.Of(restarted)
	})
}
