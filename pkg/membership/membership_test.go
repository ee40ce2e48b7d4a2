package membership_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/membership"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newKey(tb testing.TB) ed25519.PrivateKey {
	tb.Helper()
	key, err := membership.NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func server(id string) control.MediaServer {
	return control.MediaServer{
		ID: control.MediaServerID(id), Instance: "i1", URL: "ws://10.0.0.1:8888/kurento", Version: "v1", StartedAt: now,
	}
}

func token(id string) membership.Token {
	return membership.Token{
		Server: id, Version: "v1", Generation: 1, NotBefore: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	}
}

// issue is the credential of a token, through the file that it travels in.
func issue(tb testing.TB, key ed25519.PrivateKey, tok membership.Token) membership.Credential {
	tb.Helper()
	issued, err := membership.Issue(key, tok)
	if err != nil {
		tb.Fatal(err)
	}
	file, err := issued.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	read, err := membership.ParseCredential(file)
	if err != nil {
		tb.Fatal(err)
	}
	return read
}

func follow(tb testing.TB, key ed25519.PrivateKey, documents ...string) *membership.Verifier {
	tb.Helper()
	v := membership.NewVerifier(membership.KeyOf(key))
	if err := v.Follow(documents); err != nil {
		tb.Fatal(err)
	}
	return v
}

func sign(tb testing.TB, m membership.Manifest, keys ...ed25519.PrivateKey) string {
	tb.Helper()
	document, err := m.Sign(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return document
}

func TestVerifier_TellsMembersFromOthers(t *testing.T) {
	key := newKey(t)
	good := issue(t, key, token("m1"))
	stolen := good.Present(server("m1"))
	presented := func(c membership.Credential, s control.MediaServer) control.MediaServer {
		s.Membership = c.Present(s)
		return s
	}
	changed := func(change func(*membership.Token)) control.MediaServer {
		tok := token("m1")
		change(&tok)
		return presented(issue(t, key, tok), server("m1"))
	}
	lying := func(change func(*control.MediaServer)) control.MediaServer {
		s := presented(good, server("m1"))
		change(&s)
		return s
	}
	other := newKey(t)
	cases := map[string]struct {
		server control.MediaServer
		want   string
	}{
		"a member":          {presented(good, server("m1")), ""},
		"one of many":       {presented(issue(t, key, token("media-*")), server("media-7")), ""},
		"nothing":           {server("m1"), membership.RefusedMissing},
		"no token":          {lying(func(s *control.MediaServer) { s.Membership.Token = "" }), membership.RefusedMissing},
		"garbage":           {lying(func(s *control.MediaServer) { s.Membership.Token = "a.b" }), membership.RefusedForged},
		"another key":       {presented(issue(t, other, token("m1")), server("m1")), membership.RefusedForged},
		"another server":    {presented(good, server("m2")), membership.RefusedServer},
		"not of these":      {presented(issue(t, key, token("media-*")), server("m1")), membership.RefusedServer},
		"another version":   {changed(func(t *membership.Token) { t.Version = "v2" }), membership.RefusedVersion},
		"expired":           {changed(func(t *membership.Token) { t.Expires = now }), membership.RefusedExpired},
		"not yet":           {changed(func(t *membership.Token) { t.NotBefore = now.Add(time.Second) }), membership.RefusedNotYet},
		"of a later one":    {changed(func(t *membership.Token) { t.Generation = 2 }), membership.RefusedNotYet},
		"another URL":       {lying(func(s *control.MediaServer) { s.URL = "ws://10.0.0.2:8888/kurento" }), membership.RefusedReplayed},
		"another process":   {lying(func(s *control.MediaServer) { s.Instance = "i2" }), membership.RefusedReplayed},
		"another start":     {lying(func(s *control.MediaServer) { s.StartedAt = now.Add(time.Second) }), membership.RefusedReplayed},
		"another's version": {lying(func(s *control.MediaServer) { s.Version = "v2" }), membership.RefusedReplayed},
		"no proof":          {lying(func(s *control.MediaServer) { s.Membership.Proof = "" }), membership.RefusedReplayed},
		"a stolen token": {func() control.MediaServer {
			s := server("m2")
			s.Membership = stolen
			return s
		}(), membership.RefusedReplayed},
	}
	v := follow(t, key)
	for name, c := range cases {
		for range 2 { // the second time from memory
			if got := v.Admit(c.server, now); got.Refused != c.want {
				t.Errorf("%s: refused for %q, want %q", name, got.Refused, c.want)
			}
		}
	}
	member := presented(good, server("m1"))
	if got := v.Admit(member, now.Add(2*time.Hour)); got.Refused != membership.RefusedExpired {
		t.Errorf("later: %+v", got)
	}
	if got := membership.NewVerifier(membership.KeyOf(key)).Admit(member, now); got.Refused != membership.RefusedAll {
		t.Errorf("before the manifests are read: %+v", got)
	}
}

// A proof holds for what the database gives back of a start: whole milliseconds.
func TestCredential_ProvesWhatTheStoreKeeps(t *testing.T) {
	key := newKey(t)
	s := server("m1")
	s.StartedAt = now.Add(123456789 * time.Nanosecond)
	s.Membership = issue(t, key, token("m1")).Present(s)
	s.StartedAt = s.StartedAt.Truncate(time.Millisecond).In(time.FixedZone("", 3600))
	if got := follow(t, key).Admit(s, now); got.Refused != "" {
		t.Errorf("%+v", got)
	}
}

func TestRotation(t *testing.T) {
	first, second, third, thief := newKey(t), newKey(t), newKey(t), newKey(t)
	m1 := membership.First(membership.KeyOf(first))
	m2 := m1.Next(membership.KeyOf(second), now, time.Hour)
	m3 := m2.Next(membership.KeyOf(third), now.Add(2*time.Hour), 0)
	d2, d3 := sign(t, m2, first, second), sign(t, m3, second, third)

	member := func(key ed25519.PrivateKey, generation int64) control.MediaServer {
		tok := token("m1")
		tok.Generation, tok.Expires = generation, now.Add(100*time.Hour)
		s := server("m1")
		s.Membership = issue(t, key, tok).Present(s)
		return s
	}
	old, fresh := member(first, 1), member(second, 2)
	forged := member(first, 2) // the old key must not sign for the new generation
	for name, v := range map[string]*membership.Verifier{
		"configured with the first key": follow(t, first, d2), "with the second": follow(t, second, d2),
	} {
		for _, c := range []struct {
			server control.MediaServer
			at     time.Time
			want   string
		}{
			{old, now, ""},
			{old, now.Add(time.Hour), membership.RefusedGeneration},
			{fresh, now, ""},
			{fresh, now.Add(time.Hour), ""},
			{forged, now, membership.RefusedForged},
		} {
			if got := v.Admit(c.server, c.at); got.Refused != c.want {
				t.Errorf("%s: %q, want %q", name, got.Refused, c.want)
			}
		}
	}

	follows := func(key ed25519.PrivateKey, documents ...string) int64 {
		m, err := membership.Follow(membership.KeyOf(key), documents)
		if (err != nil) != (m.Generation == 0) || err != nil && !errors.Is(err, membership.ErrForged) {
			t.Errorf("generation %d with %v", m.Generation, err)
		}
		return m.Generation
	}
	stolen := m2.Next(membership.KeyOf(thief), now, 0)
	for name, c := range map[string]struct{ got, want int64 }{
		"nothing stored":                  {follows(first), 1},
		"all of them":                     {follows(first, d2, d3), 3},
		"the newest key":                  {follows(third, d2, d3), 3},
		"a stranger's key":                {follows(thief, d2, d3), 0},
		"a hole":                          {follows(first, d3), 0},
		"the old key signs after its end": {follows(first, d2, sign(t, stolen, first, thief)), 2},
		"a stranger signs":                {follows(first, d2, sign(t, stolen, thief)), 2},
		"the same generation again":       {follows(first, d2, sign(t, m1.Next(membership.KeyOf(thief), now, 0), first)), 2},
		"garbage between":                 {follows(first, d2, "garbage", d3), 3},
	} {
		if c.got != c.want {
			t.Errorf("%s: generation %d, want %d", name, c.got, c.want)
		}
	}

	v := follow(t, first, d2, d3)
	if err := v.Follow([]string{d2}); err != nil {
		t.Fatal(err)
	}
	if m, _ := v.Manifest(); m.Generation != 3 {
		t.Errorf("somebody took generation 3 back: %d", m.Generation)
	}
}

func TestManifest_NamesVersions(t *testing.T) {
	first, second := newKey(t), newKey(t)
	m := membership.First(membership.KeyOf(first)).Next(membership.KeyOf(second), now, time.Hour)
	m.Versions = []string{"v2"}
	s := server("m1")
	s.Membership = issue(t, first, token("m1")).Present(s)
	if got := follow(t, first, sign(t, m, first)).Admit(s, now); got.Refused != membership.RefusedVersion {
		t.Errorf("%+v", got)
	}
}

// What was signed for one purpose counts for no other.
func TestDocuments_AreOfOneKind(t *testing.T) {
	key := newKey(t)
	manifest := sign(t, membership.First(membership.KeyOf(key)), key)
	if _, err := membership.VerifyToken(manifest, membership.KeyOf(key)); !errors.Is(err, membership.ErrMalformed) {
		t.Errorf("a manifest is a token: %v", err)
	}
	good := issue(t, key, token("m1")).Document
	for name, document := range map[string]string{
		"unknown field": reseal(t, key, `{"server":"m1","admin":true}`),
		"two documents": reseal(t, key, `{} {}`),
		"no name":       reseal(t, key, `{"server":"*"}`),
		"too long":      good + strings.Repeat("A", 4096),
		"two of them":   good + "." + strings.Split(good, ".")[1],
		"padded":        good + "=",
		"empty":         "",
	} {
		if _, err := membership.ParseToken(document); !errors.Is(err, membership.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reseal signs a payload as a token.
func reseal(tb testing.TB, key ed25519.PrivateKey, payload string) string {
	tb.Helper()
	signature := ed25519.Sign(key, []byte("orkestro-membership-token-1\n"+payload))
	return base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestParseCredential_RefusesWhatDoesNotBelongTogether(t *testing.T) {
	key := newKey(t)
	a, err := issue(t, key, token("m1")).Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := issue(t, key, token("m1")).Encode()
	if err != nil {
		t.Fatal(err)
	}
	const boundary = "-----BEGIN ORKESTRO"
	mixed := strings.Split(string(a), boundary)[0] + boundary + strings.Split(string(b), boundary)[1]
	for name, file := range map[string]string{
		"a stranger's key": mixed, "only a key": strings.Split(string(a), boundary)[0], "nothing": "",
		"only a token": boundary + strings.Split(string(a), boundary)[1],
	} {
		if _, err := membership.ParseCredential([]byte(file)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	key := newKey(f)
	f.Add(issue(f, key, token("media-*")).Document)
	f.Add("e30.AA")
	f.Fuzz(func(t *testing.T, document string) {
		tok, err := membership.ParseToken(document)
		if err != nil {
			return
		}
		if _, err := tok.Sign(key); err != nil { // what is taken can be written
			t.Errorf("%+v: %v", tok, err)
		}
		s := server("m1")
		s.Membership = &control.Membership{Token: document, Proof: document}
		if got := follow(t, key).Admit(s, now); got.Refused == "" {
			t.Errorf("admitted by %q", document)
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	key := newKey(f)
	next := membership.First(membership.KeyOf(key)).Next(membership.KeyOf(newKey(f)), now, time.Hour)
	next.Versions = []string{"v1"}
	f.Add(sign(f, next, key))
	f.Add("e30.AA.AA")
	f.Fuzz(func(t *testing.T, document string) {
		m, err := membership.ParseManifest(document)
		if err != nil {
			return
		}
		if _, err := m.Next(membership.KeyOf(key), now, time.Hour).Sign(key); err != nil {
			t.Errorf("nothing can follow %+v: %v", m, err)
		}
	})
}

func FuzzParseCredential(f *testing.F) {
	file, err := issue(f, newKey(f), token("m1")).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := membership.ParseCredential(file)
		if err != nil {
			return
		}
		if _, err := c.Encode(); err != nil {
			t.Error(err)
		}
	})
}
