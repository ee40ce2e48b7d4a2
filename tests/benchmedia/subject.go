//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/freeport"
)

const (
	perWorker    = 50 // subscribers of one load process
	readyTimeout = 20 * time.Second
	warmUp       = time.Second
	quiet        = 100 * time.Millisecond
	arrivalTime  = 2 * time.Second // packets that are not there by then are lost
)

// subject is one server under test with its clients.
type subject struct {
	candidate
	address string
	n       int
	process
	publisher   *worker
	subscribers []*worker

	before int64 // bytes of RSS without subscribers
	rounds map[string][]result
}

// result is what one round of one mode brought.
type result struct {
	sent, received int64
	cpu            time.Duration // of the server for each delivered packet
	allocs         float64       // of the server for each delivered packet
	memory         int64         // bytes of RSS for each subscriber, at the end
	latency        []time.Duration
}

// start starts a server, connects its clients and sends a little, so that all of it is warm.
func start(ctx context.Context, c candidate, dir string, n int) (s *subject, err error) {
	s = &subject{candidate: c, n: n, rounds: map[string][]result{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", c.name, err)
			s.stop()
		}
	}()
	if s.publisher, err = startWorker(ctx); err != nil {
		return nil, err
	}
	if s.program == "" {
		err = s.connectBare(ctx)
	} else {
		err = s.connect(ctx, filepath.Join(dir, s.program))
	}
	if err != nil {
		return nil, err
	}
	_, err = s.publisher.do(order{Send: warmUp, Mode: evenMode})
	return s, err
}

func (s *subject) connect(ctx context.Context, program string) error {
	if err := s.serve(ctx, program); err != nil {
		return err
	}
	first := order{
		Baseline: s.name == pion, Address: s.address, Publish: true, Send: 200 * time.Millisecond, Mode: evenMode,
	}
	published, err := s.publisher.do(first)
	if err != nil {
		return err
	}
	if s.before, err = s.rss(); err != nil {
		return err
	}
	_, err = s.subscribe(ctx, func(n int) order {
		return order{Baseline: s.name == pion, Address: s.address, Room: published.Room, Subscribers: n}
	})
	return err
}

// connectBare makes the publisher's process the server.
func (s *subject) connectBare(ctx context.Context) (err error) {
	s.process = s.publisher.process
	if s.before, err = s.rss(); err != nil {
		return err
	}
	receivers, err := s.subscribe(ctx, func(n int) order { return order{Receivers: n} })
	if err != nil {
		return err
	}
	_, err = s.publisher.do(order{Targets: receivers, Segmented: s.name == bareGSO})
	return err
}

func (s *subject) serve(ctx context.Context, program string) error {
	listener, err := freeport.Listen(ctx)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	args := []string{"--listen", s.address, "--media-udp", "127.0.0.1:0", "--log-level", "error"}
	if s.name == pion {
		args = []string{s.address}
	}
	s.cmd = command(ctx, program, args...)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	return s.waitReady(ctx)
}

func (s *subject) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/metrics", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-ticker.C:
		}
	}
}

// subscribe starts the clients, each process with the order for so many.
func (s *subject) subscribe(ctx context.Context, first func(n int) order) (receivers []netip.AddrPort, err error) {
	for left := s.n; left > 0; left -= perWorker {
		w, err := startWorker(ctx)
		if err != nil {
			return nil, err
		}
		s.subscribers = append(s.subscribers, w)
		r, err := w.do(first(min(left, perWorker)))
		if err != nil {
			return nil, err
		}
		receivers = append(receivers, r.Receivers...)
	}
	return receivers, nil
}

// round sends for a time and notes what that cost.
func (s *subject) round(ctx context.Context, m string, d time.Duration) error {
	before, err := s.settle()
	if err != nil {
		return err
	}
	allocs, err := s.allocations(ctx)
	if err != nil {
		return err
	}
	cpu, err := s.cpu()
	if err != nil {
		return err
	}
	sent, err := s.publisher.do(order{Send: d, Mode: m})
	if err != nil {
		return err
	}
	want := before + int64(sent.Sent*s.n)
	r := result{sent: int64(sent.Sent) * int64(s.n)}
	for deadline := time.Now().Add(arrivalTime); ; {
		if r.received, _, err = s.collect(order{}); err != nil {
			return err
		}
		if r.received >= want || time.Now().After(deadline) {
			break
		}
	}
	r.received -= before
	now, err := s.cpu()
	if err != nil {
		return err
	}
	allocated, err := s.allocations(ctx)
	if err != nil {
		return err
	}
	if _, r.latency, err = s.collect(order{Samples: true}); err != nil {
		return err
	}
	rss, err := s.rss()
	if err != nil {
		return err
	}
	r.memory = (rss - s.before) / int64(s.n)
	r.cpu = (now - cpu) / time.Duration(max(r.received, 1))
	r.allocs = (allocated - allocs) / float64(max(r.received, 1))
	s.rounds[m] = append(s.rounds[m], r)
	return nil
}

// allocations counts those of the server since it began.
func (s *subject) allocations(ctx context.Context) (float64, error) {
	if s.program == "" {
		r, err := s.publisher.do(order{})
		return r.Mallocs, err
	}
	return metric(ctx, s.address, "go_memstats_mallocs_total")
}

// settle waits until nothing arrives any more and forgets what did.
func (s *subject) settle() (received int64, err error) {
	for last := int64(-1); received != last; {
		last = received
		time.Sleep(quiet)
		if received, _, err = s.collect(order{Samples: true}); err != nil {
			return 0, err
		}
	}
	return received, nil
}

// collect asks all subscribers.
func (s *subject) collect(o order) (received int64, samples []time.Duration, err error) {
	for _, w := range s.subscribers {
		r, err := w.do(o)
		if err != nil {
			return 0, nil, err
		}
		received += r.Received
		samples = append(samples, r.Samples...)
	}
	return received, samples, nil
}

func (s *subject) stop() {
	for _, w := range append(s.subscribers, s.publisher) {
		if w != nil {
			_ = w.in.Close()
			w.stop()
		}
	}
	if s.cmd != nil {
		s.process.stop()
	}
}
