package iceconfig_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/iceconfig"
)

func TestServers_AreNeverNull(t *testing.T) {
	if got := (iceconfig.Config{}).Servers(); got == nil || len(got) != 0 {
		t.Fatalf("got %v, want an empty list", got)
	}
}

func TestServers_CarryTheCredentials(t *testing.T) {
	c := iceconfig.Config{Server: []string{"turn:turn.example.org:3478"}, Username: "u", Credential: "p"}
	want := []control.ICEServer{{URLs: []string{"turn:turn.example.org:3478"}, Username: "u", Credential: "p"}}
	if diff := cmp.Diff(want, c.Servers()); diff != "" {
		t.Fatal(diff)
	}
}

func TestValidate(t *testing.T) {
	for url, ok := range map[string]bool{
		"stun:stun.example.org": true, "turns:t.example.org:5349?transport=tcp": true,
		"http://example.org": false, "stun:": false, "": false,
	} {
		err := iceconfig.Config{Server: []string{url}}.Validate()
		if (err == nil) != ok {
			t.Errorf("%q: got %v", url, err)
		}
	}
}
