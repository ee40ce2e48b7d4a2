package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/app"
)

// drainable is a media server that can be asked to end as its process is by SIGTERM.
type drainable struct {
	*process
	asked chan os.Signal
	ended chan error
	stop  context.CancelFunc

	mu    sync.Mutex
	lines []string // of its log
}

// Write implements io.Writer for the log.
func (d *drainable) Write(line []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, string(line))
	return len(line), nil
}

// logs waits until a line is in the log.
func (d *drainable) logs(t *testing.T, text string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !slices.ContainsFunc(d.lines, func(line string) bool { return strings.Contains(line, text) }) {
			return fmt.Errorf("%q is not in the log", text)
		}
		return nil
	})
}

func startDrainable(t *testing.T, cfg app.Config, deps app.Deps) *drainable {
	t.Helper()
	d := &drainable{process: &process{}, asked: make(chan os.Signal, 1), ended: make(chan error, 1)}
	cfg.Listen, deps.Asked = "127.0.0.1:0", d.asked
	listening := make(chan string, 1)
	deps.Listening = func(address string) { listening <- address }
	var ctx context.Context
	ctx, d.stop = context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		d.ended <- app.Run(ctx, cfg, deps, slog.New(slog.NewTextHandler(d, nil)))
	}()
	t.Cleanup(func() {
		d.stop()
		<-over
	})
	d.address = <-listening
	return d
}

func (d *drainable) ask() { d.asked <- syscall.SIGTERM }

func (d *drainable) goesOn(t *testing.T) {
	t.Helper()
	select {
	case err := <-d.ended:
		t.Fatalf("it ended: %v", err)
	default:
	}
}

func (d *drainable) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestDrain_AloneUntilClientsHaveReleasedTheirPipelines(t *testing.T) {
	d := startDrainable(t, app.Config{DrainTimeout: time.Hour}, app.Deps{})
	client := d.connect(t, newPool(t))
	pipelines := make([]string, 2)
	for i := range pipelines {
		var err error
		if pipelines[i], err = client.CreatePipeline(t.Context(), mediaapi.PipelineParams{}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			d.ask() // it goes on serving meanwhile
		}
	}
	for _, pipeline := range pipelines {
		d.goesOn(t)
		if err := client.ReleaseObject(t.Context(), pipeline); err != nil {
			t.Fatal(err)
		}
	}
	d.ends(t)
}

func TestDrain_AloneUntilTheTimeIsOver(t *testing.T) {
	d := startDrainable(t, app.Config{DrainTimeout: 50 * time.Millisecond}, app.Deps{})
	if _, err := d.connect(t, newPool(t)).CreatePipeline(t.Context(), mediaapi.PipelineParams{}); err != nil {
		t.Fatal(err)
	}
	d.ask()
	d.ends(t)
}

// startDrainable starts a media server m1 that is registered.
func (s *surroundings) startDrainable(t *testing.T) *drainable {
	t.Helper()
	d := startDrainable(t, app.Config{
		ID: "m1", MongoURL: s.mongoURL, MongoDatabase: "orkestro", DrainTimeout: time.Minute,
	}, app.Deps{Broker: s.broker})
	s.awaitAvailability(t, control.AvailabilityActive)
	testkit.Eventually(t, func() error {
		if status, body := d.get(t, "/readyz"); status != 200 {
			return errors.New(body)
		}
		return nil
	})
	return d
}

func (s *surroundings) awaitAvailability(t *testing.T, want control.Availability) control.MediaServer {
	t.Helper()
	var server control.MediaServer
	testkit.Eventually(t, func() error {
		var err error
		if server, err = s.store.MediaServers.Get(t.Context(), "m1"); err == nil && server.Availability != want {
			err = fmt.Errorf("it is %s, want %s", server.Availability, want)
		}
		return err
	})
	return server
}

// The drain of a process that was asked to end is undone, it is asked again, and ends when it is empty.
func TestDrain_OfTheFleet(t *testing.T) {
	s := newSurroundings(t)
	d := s.startDrainable(t)
	d.ask()
	server := s.awaitAvailability(t, control.AvailabilityDraining)
	if server.Drain.By != control.DrainBySignal || server.Drain.Deadline.Sub(server.Drain.Since) != time.Minute {
		t.Errorf("drained by %+v", server.Drain)
	}
	if err := s.store.MediaServers.Undrain(t.Context(), "m1"); err != nil {
		t.Fatal(err)
	}
	d.logs(t, "the drain was undone, the media server goes on")
	d.ask()
	server = s.awaitAvailability(t, control.AvailabilityDraining)
	d.goesOn(t)
	if err := s.store.MediaServers.SetDrained(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	d.ends(t)
	server = s.awaitAvailability(t, control.AvailabilityDrained)
	if server.Status != control.StatusDown {
		t.Errorf("it left as %s", server.Status)
	}
	s.startDrainable(t) // its drain was of the process before
}

func TestDrain_AskedTwiceEndsAtOnce(t *testing.T) {
	s := newSurroundings(t)
	d := s.startDrainable(t)
	d.ask()
	s.awaitAvailability(t, control.AvailabilityDraining)
	d.ask()
	d.ends(t)
	server := s.awaitAvailability(t, control.AvailabilityDraining)
	if server.Status != control.StatusDown {
		t.Errorf("it left as %s", server.Status)
	}
}

// What an operator drains stays drained, whatever becomes of the process.
func TestDrain_OfAnOperatorOutlivesTheProcess(t *testing.T) {
	s := newSurroundings(t)
	d := s.startDrainable(t)
	drain := control.Drain{
		Since: time.Now(), Deadline: time.Now().Add(time.Hour), Then: control.DrainWait, By: "key:ops",
	}
	if err := s.store.MediaServers.Drain(t.Context(), "m1", drain); err != nil {
		t.Fatal(err)
	}
	d.ask()
	d.ask()
	d.ends(t)
	again := startDrainable(t, app.Config{ID: "m1", MongoURL: s.mongoURL, MongoDatabase: "orkestro"},
		app.Deps{Broker: s.broker})
	testkit.Eventually(t, func() error {
		server, err := s.store.MediaServers.Get(t.Context(), "m1")
		if err == nil && server.Status != control.StatusUp {
			err = errors.New("it has not come back")
		}
		return err
	})
	server := s.awaitAvailability(t, control.AvailabilityDraining)
	if server.Drain.By != "key:ops" {
		t.Errorf("drained by %+v", server.Drain)
	}
	again.ask() // in a drain of an operator that nobody carries out
	again.ask()
	again.ends(t)
}

// A server that has not reached its fleet has nothing on it that anybody waits for.
func TestDrain_BeforeItIsRegistered(t *testing.T) {
	s := newSurroundings(t)
	d := startDrainable(t, app.Config{
		ID: "m1", MongoURL: "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", MongoDatabase: "orkestro",
		DrainTimeout: time.Hour,
	}, app.Deps{Broker: s.broker})
	d.ask()
	d.ends(t)
}
