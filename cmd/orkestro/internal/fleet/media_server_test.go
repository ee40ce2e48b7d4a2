package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
)

// mortal is a media server without media. Its lives are told as they begin, and end with their context.
func mortal(lives chan<- string) *MediaServer {
	serve := func(ctx context.Context, listen string, listening func(string)) error {
		listening(listen)
		lives <- listen
		<-ctx.Done()
		if cause := context.Cause(ctx); errors.Is(cause, mediaserver.ErrKilled) {
			return cause
		}
		return nil
	}
	return &MediaServer{id: "media-1", serve: serve, wake: make(chan struct{}, 1), address: "nowhere"}
}

func TestMediaServer_ComesBackAfterItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lives, ended := make(chan string), make(chan error, 1)
		m := mortal(lives)
		ctx, stop := context.WithCancel(t.Context())
		go func() { ended <- m.run(ctx, func(string) {}) }()
		first := <-lives
		if m.Start() {
			t.Error("a running server was started")
		}
		if !m.Kill() || m.Kill() {
			t.Error("a running server is killed once")
		}
		time.Sleep(restTime - time.Millisecond)
		if state, left := m.State(); state != Killed || left != time.Millisecond {
			t.Errorf("before the end of its rest: %s, %s left", state, left)
		}
		if second := <-lives; second != first {
			t.Errorf("back at %s, not at %s", second, first)
		}
		if state, _ := m.State(); state != Running {
			t.Errorf("back as %s", state)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}

func TestMediaServer_StartsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lives, ended := make(chan string), make(chan error, 1)
		m := mortal(lives)
		ctx, stop := context.WithCancel(t.Context())
		go func() { ended <- m.run(ctx, func(string) {}) }()
		<-lives
		for range 3 { // what is left over of one rest does not shorten the next
			m.Kill()
			began := time.Now()
			for range 2 { // as by a double click
				if !m.Start() {
					t.Error("a killed server was not started")
				}
			}
			<-lives
			if rest := time.Since(began); rest != 0 {
				t.Errorf("started only after %s", rest)
			}
		}
		m.Kill()
		began := time.Now()
		<-lives
		if rest := time.Since(began); rest != restTime {
			t.Errorf("started after %s by itself", rest)
		}
		m.Kill()
		stop() // while it rests
		if err := <-ended; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}
