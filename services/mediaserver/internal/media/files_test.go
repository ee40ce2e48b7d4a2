package media_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

func TestFiles_WhatCanBeNamed(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	outside := t.TempDir()
	link := filepath.Join(outside, "link")
	if err := os.Symlink(l.dir, link); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]mediaapi.ErrorCode{
		l.uri("a.webm"):                       0,
		l.uri("new/folder/a%20b.webm"):        0,
		"a.webm":                              0,
		"file://localhost" + l.dir + "/a.mkv": 0,
		"file://" + link + "/a.webm":          0,
		l.uri("../a.webm"):                    40107,
		l.uri("x/../../a.webm"):               40107,
		l.uri("%2e%2e/a.webm"):                40107,
		"../a.webm":                           40107,
		"file:///etc/passwd":                  40107,
		"file://" + l.dir:                     40107,
		"file://" + l.dir + "-not/a.webm":     40107,
		"file://elsewhere" + l.dir + "/a":     40107,
		"http://127.0.0.1/a.webm":             40107,
		"":                                    40107,
		"file:a.webm":                         40107,
		"rtsp://127.0.0.1/a":                  40108,
		l.uri(strings.Repeat("a/", 2048)):     40107,
	} {
		_, err := p.NewRecorderEndpoint(media.RecorderEndpointParams{URI: uri, MediaProfile: "WEBM"})
		if codeOf(err) != want {
			t.Errorf("recorder of %q: %v, want %d", uri, err, want)
		}
		if _, err := p.NewPlayerEndpoint(uri); codeOf(err) != want {
			t.Errorf("player of %q: %v, want %d", uri, err, want)
		}
	}
}

// A link that leads out of the folder is not followed, to read or to write.
func TestFiles_LinksLeadNowhere(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.webm")
	if err := os.Rename(filepath.Join(l.dir, "vp8.webm"), secret); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file.webm": secret, "folder": outside} {
		if err := os.Symlink(target, filepath.Join(l.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file.webm", "folder/secret.webm"} {
		player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri(name)))
		if err := player.Play(t.Context()); codeOf(err) != 40600 {
			t.Errorf("playing %s: %v", name, err)
		}
		recorder, _ := l.recorder(t, p, name, "WEBM")
		err := recorder.Record(t.Context())
		if name != "file.webm" && codeOf(err) != 40107 { // a link as the file itself is replaced
			t.Errorf("recording %s: %v", name, err)
		}
	}
	if after, err := os.ReadFile(secret); err != nil || string(after) != string(before) {
		t.Errorf("the file outside was written: %v", err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("%v was made outside, %v", entries, err)
	}
}

// Two recorders never write to one file, and who plays what is recorded over still has it.
func TestFiles_OneRecorderAFile(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri("vp8.webm")))
	playing := l.keep(player)
	if err := player.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, _ := l.recorder(t, p, "vp8.webm", "WEBM")
	second, _ := l.recorder(t, p, "vp8.webm", "WEBM")
	if err := first.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Record(t.Context()); codeOf(err) != 40107 {
		t.Errorf("the second recorder: %v", err)
	}
	if err := first.StopAndWait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Record(t.Context()); err != nil {
		t.Errorf("the second recorder after the first: %v", err)
	}
	if err := player.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if failed := playing.errors(); len(failed) > 0 {
		t.Errorf("the player: %v", failed)
	}
	if err := player.Play(t.Context()); codeOf(err) != 40005 { // empty
		t.Errorf("playing what is empty: %v", err)
	}
}

func TestFiles_NoneWithoutTheSetting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	if _, err := p.NewPlayerEndpoint("file:///tmp/a.webm"); codeOf(err) != 40108 {
		t.Errorf("player: %v", err)
	}
	params := media.RecorderEndpointParams{URI: "file:///tmp/a.webm", MediaProfile: "WEBM"}
	if _, err := p.NewRecorderEndpoint(params); codeOf(err) != 40108 {
		t.Errorf("recorder: %v", err)
	}
	for _, profile := range []string{"JPEG_VIDEO_ONLY", "FLV", "KURENTO_SPLIT_RECORDER", "", "AVI"} {
		params.MediaProfile = profile
		if _, err := p.NewRecorderEndpoint(params); codeOf(err) != 40108 {
			t.Errorf("profile %q: %v", profile, err)
		}
	}
}

func TestPlayer_RefusalsAndPositions(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	ctx := t.Context()
	for name, want := range map[string]mediaapi.ErrorCode{
		"none.webm": 40600, "aac.mp4": 40005, "README.md": 40005, ".": 40600,
	} {
		player, err := p.NewPlayerEndpoint(name)
		if err != nil {
			if name != "." {
				t.Fatal(err)
			}
			continue
		}
		if err := player.Play(ctx); codeOf(err) != want {
			t.Errorf("playing %s: %v, want %d", name, err, want)
		}
	}
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint("vp8.webm"))
	d := l.keep(player)
	if err := player.SetPosition(ctx, 1000); codeOf(err) != 40700 {
		t.Errorf("seeking while stopped: %v", err)
	}
	if err := player.Play(ctx); err != nil {
		t.Fatal(err)
	}
	info, err := player.VideoInfo(ctx)
	if err != nil || !info.IsSeekable || info.Duration < 2000 || info.Duration > 2020 || info.SeekableEnd != info.Duration {
		t.Errorf("video info %+v, %v", info, err)
	}
	for _, position := range []int64{-1, 5000, 1 << 60} {
		if err := player.SetPosition(ctx, position); codeOf(err) != 40700 {
			t.Errorf("seeking to %d: %v", position, err)
		}
	}
	for _, do := range []func(context.Context) error{
		player.Pause, player.Pause, func(ctx context.Context) error { return player.SetPosition(ctx, 1500) },
	} {
		if err := do(ctx); err != nil {
			t.Error(err)
		}
	}
	if position, err := player.Position(ctx); err != nil || position != 1500 || player.State() != "PAUSE" {
		t.Errorf("at %d in state %s, %v", position, player.State(), err)
	}
	if err := player.Play(ctx); err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, d.has(media.EventEndOfStream))
	if failed := d.errors(); len(failed) > 0 {
		t.Error(fmt.Sprint(failed))
	}
}
