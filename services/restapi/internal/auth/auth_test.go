package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
)

const secret = "0123456789abcdef"

func newTokens(t *testing.T, now *time.Time) *auth.Tokens {
	t.Helper()
	tokens, err := auth.NewTokens([]byte(secret), func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestTokens_LiveAndExpire(t *testing.T) {
	now := time.Now()
	tokens := newTokens(t, &now)
	token, expires, err := tokens.Issue("s", "u", time.Minute)
	if err != nil || expires.Before(now.Add(time.Minute)) || expires.After(now.Add(time.Minute+time.Second)) {
		t.Fatalf("expires %s: %v", expires, err)
	}
	if p, err := tokens.Parse(token); err != nil || p.Session != "s" || p.User != "u" || !p.IsUser() {
		t.Fatalf("got %+v, %v", p, err)
	}
	now = expires.Add(time.Second)
	if _, err := tokens.Parse(token); control.CodeOf(err) != control.CodeUnauthorized {
		t.Fatalf("expired: got %v", err)
	}
}

func TestTokens_RefuseForgeries(t *testing.T) {
	now := time.Now()
	tokens := newTokens(t, &now)
	claims := jwt.MapClaims{"session": "s", "user": "u", "exp": now.Add(time.Hour).Unix()}
	sign := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, token := range map[string]string{
		"garbage":   "x.y.z",
		"none":      sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims),
		"other key": sign(jwt.SigningMethodHS256, []byte("another secret!!"), claims),
		"HS512":     sign(jwt.SigningMethodHS512, []byte(secret), claims),
		"no end":    sign(jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"session": "s", "user": "u"}),
		"no user": sign(jwt.SigningMethodHS256, []byte(secret),
			jwt.MapClaims{"session": "s", "exp": now.Add(time.Hour).Unix()}),
	} {
		if _, err := tokens.Parse(token); control.CodeOf(err) != control.CodeUnauthorized {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := auth.NewTokens([]byte("short"), time.Now); err == nil {
		t.Error("a short secret is taken")
	}
}

func TestKeys(t *testing.T) {
	keys, err := auth.ParseKeys([]string{"a:one", " b:two:three "})
	if err != nil {
		t.Fatal(err)
	}
	for bearer, want := range map[string]string{"one": "a", "two:three": "b", "two": "", "": "", "a:one": ""} {
		if name, ok := keys.Find(bearer); name != want || ok != (want != "") {
			t.Errorf("%q: got %q", bearer, name)
		}
	}
	for _, bad := range []string{"x", ":x", "x:", "a:one,a:two", "a:one,b:one"} {
		if _, err := auth.ParseKeys(strings.Split(bad, ",")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
