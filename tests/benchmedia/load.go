//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"
)

// The clients are processes of their own, so that the server's processor time is its own: this program again, with
// "load" as its argument. They are told what to do by lines of JSON, and answer each with one.

// order is one line for a load process.
type order struct {
	Baseline    bool          `json:"baseline,omitempty"`    // first order: which server this is
	Address     string        `json:"address,omitempty"`     // first order: of the server
	Room        room          `json:"room,omitzero"`         // first order of subscribers
	Subscribers int           `json:"subscribers,omitempty"` // connect so many
	Publish     bool          `json:"publish,omitempty"`     // connect a publisher
	Send        time.Duration `json:"send,omitempty"`        // have the publisher send for so long
	Mode        string        `json:"mode,omitempty"`        // how it sends
	Samples     bool          `json:"samples,omitempty"`     // give the latencies, and forget them

	Receivers int              `json:"receivers,omitempty"` // open so many plain sockets
	Targets   []netip.AddrPort `json:"targets,omitempty"`   // be a bare sender to them
	Segmented bool             `json:"segmented,omitempty"` // and send in batches
}

// report is the answer to one order.
type report struct {
	Err      string          `json:"err,omitempty"`
	Room     room            `json:"room,omitzero"`
	Sent     int             `json:"sent,omitempty"`
	Received int64           `json:"received"`
	Samples  []time.Duration `json:"samples,omitempty"`

	Receivers []netip.AddrPort `json:"receivers,omitempty"`
	Mallocs   float64          `json:"mallocs"` // of the load process, since it began
}

// load is the state of a load process.
type load struct {
	signals signaller
	sender  interface {
		send(ctx context.Context, m mode, d time.Duration) (packets int, err error)
	}
	subscribers []*subscriber
}

// runLoad does what it is told until its input ends.
func runLoad(ctx context.Context) error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var l load
	for {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := l.obey(ctx, o)
		if err != nil {
			r.Err = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
}

func (l *load) obey(ctx context.Context, o order) (r report, err error) {
	if o.Address != "" {
		if err := l.dial(ctx, o); err != nil {
			return r, err
		}
	}
	if o.Publish {
		if l.sender, err = newPublisher(ctx, l.signals); err != nil {
			return r, fmt.Errorf("publisher: %w", err)
		}
		if k, ok := l.signals.(*kurento); ok {
			r.Room = k.room
		}
	}
	if err := l.subscribe(ctx, o.Subscribers); err != nil {
		return r, fmt.Errorf("subscriber: %w", err)
	}
	if err := l.bare(o, &r); err != nil {
		return r, fmt.Errorf("bare: %w", err)
	}
	if o.Send > 0 {
		if r.Sent, err = l.sender.send(ctx, modes()[o.Mode], o.Send); err != nil {
			return r, err
		}
	}
	for _, k := range l.subscribers {
		r.Received += k.received.Load()
		if o.Samples {
			r.Samples = append(r.Samples, k.take()...)
		}
	}
	r.Mallocs = mallocs()
	return r, nil
}

// bare does what the bare servers need.
func (l *load) bare(o order, r *report) (err error) {
	for range o.Receivers {
		k, address, err := newBareReceiver()
		if err != nil {
			return err
		}
		l.subscribers, r.Receivers = append(l.subscribers, k), append(r.Receivers, address)
	}
	if len(o.Targets) > 0 {
		l.sender, err = newBareSender(o.Targets, o.Segmented)
	}
	return err
}

func (l *load) dial(ctx context.Context, o order) (err error) {
	if o.Baseline {
		l.signals = overHTTP{"http://" + o.Address}
		return nil
	}
	l.signals, err = dialKurento(ctx, o.Address, o.Room)
	return err
}

// subscribe connects n subscribers, a few at a time: joins are not what is measured.
func (l *load) subscribe(ctx context.Context, n int) error {
	const atOnce = 8
	var mu sync.Mutex
	var errs []error
	var workers sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for range n {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			k, err := newSubscriber(ctx, l.signals)
			mu.Lock()
			defer mu.Unlock()
			l.subscribers, errs = append(l.subscribers, k), append(errs, err)
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}
