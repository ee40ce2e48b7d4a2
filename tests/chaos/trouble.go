package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
	"github.com/orkestro/orkestro/tests/harness"
)

// trouble is something bad that can be done to a fleet and undone.
type trouble interface {
	Do(ctx context.Context) error
	Undo(ctx context.Context) error
	String() string
}

// killed is a process that is gone at once, and started again.
type killed struct{ *harness.Process }

func (t killed) Do(context.Context) error       { t.Kill(); return nil }
func (t killed) Undo(ctx context.Context) error { return t.Start(ctx) }
func (t killed) String() string                 { return "kill " + t.Name }

// stopped is a process that an orchestrator ends, and starts again.
type stopped struct{ *harness.Process }

func (t stopped) Do(context.Context) error       { return t.Stop() }
func (t stopped) Undo(ctx context.Context) error { return t.Start(ctx) }
func (t stopped) String() string                 { return "stop " + t.Name }

// frozen is a process that does nothing for a while and knows nothing of it.
type frozen struct{ *harness.Process }

func (t frozen) Do(context.Context) error   { return t.Pause() }
func (t frozen) Undo(context.Context) error { return t.Resume() }
func (t frozen) String() string             { return "freeze " + t.Name }

// cutOff is a process that no packet reaches or leaves.
type cutOff struct{ *harness.Process }

func (t cutOff) Do(ctx context.Context) error   { return t.CutOff(ctx) }
func (t cutOff) Undo(ctx context.Context) error { return t.Heal(ctx) }
func (t cutOff) String() string                 { return "cut off " + t.Name }

// linkLost are two processes that do not reach each other, and everybody else.
type linkLost struct{ from, to *harness.Process }

func (t linkLost) Do(ctx context.Context) error   { return t.from.CutOffFrom(ctx, t.to) }
func (t linkLost) Undo(ctx context.Context) error { return t.from.HealFrom(ctx, t.to) }
func (t linkLost) String() string                 { return "cut off " + t.from.Name + " from " + t.to.Name }

// drained is a media server that has to give its calls away, and then gets some again.
type drained struct {
	*harness.Process
	api *harness.API
}

func (t drained) Do(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := t.ask(ctx, http.MethodPost, map[string]any{"timeout": "0s", "then": "relocate"})
	if ctx.Err() != nil {
		return nil // nobody answers while what answers is in trouble, too
	}
	return err
}
func (t drained) Undo(ctx context.Context) error { return t.ask(ctx, http.MethodDelete, nil) }
func (t drained) String() string                 { return "drain " + t.Name }

func (t drained) ask(ctx context.Context, method string, body any) error {
	path := "/v1/admin/servers/" + t.Name + "/drain"
	_, err := t.api.Insist(ctx, harness.Request{Method: method, Path: path, Body: body}, nil)
	var problem *harness.ProblemError
	if errors.As(err, &problem) && problem.Status == http.StatusConflict {
		return nil // it counts as down, from the trouble before
	}
	return err
}

// brokerLost is a broker that is killed and started again.
type brokerLost struct{ node *rabbit.Node }

func (t brokerLost) Do(context.Context) error       { return t.node.Kill() }
func (t brokerLost) Undo(ctx context.Context) error { return t.node.Restart(ctx) }
func (t brokerLost) String() string                 { return "kill RabbitMQ" }

// together are several troubles at once, undone in their order: what others need comes first.
type together []trouble

// Do implements trouble.
func (t together) Do(ctx context.Context) error {
	var errs []error
	for _, one := range t {
		errs = append(errs, one.Do(ctx))
	}
	return errors.Join(errs...)
}

// Undo implements trouble. The processes start at once.
func (t together) Undo(ctx context.Context) error {
	done := make(chan error, len(t))
	for _, one := range t {
		go func() { done <- one.Undo(ctx) }()
	}
	var errs []error
	for range t {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// String implements trouble.
func (t together) String() string { return fmt.Sprint([]trouble(t)) }

// target is one trouble of a step: what it is, and the media server that it is about, "" for none.
type target struct {
	trouble
	kind   kind
	server string
}

// aim turns a step into troubles. Media servers that carry calls come first, in the order of busy. A process is hit by
// one trouble only.
func aim(f *harness.Fleet, s step, busy []*harness.Process) []target {
	var targets []target
	hit := map[string]bool{}
	for i, k := range s.kinds {
		t := aimOne(f, k, s.picks[i], busy)
		overlaps := false
		for _, name := range touches(t.trouble) {
			overlaps = overlaps || hit[name]
			hit[name] = true
		}
		if !overlaps {
			targets = append(targets, t)
		}
	}
	return targets
}

func aimOne(f *harness.Fleet, k kind, pick int, busy []*harness.Process) target {
	wrapper, rest := f.Wrappers[pick%len(f.Wrappers)], f.RestAPIs[pick%len(f.RestAPIs)]
	server := busy[pick%len(busy)]
	t := target{kind: k}
	switch k {
	case mediaKilled:
		t.trouble, t.server = killed{server}, server.Name
	case mediaFrozen:
		t.trouble, t.server = frozen{server}, server.Name
	case mediaCutOff:
		t.trouble, t.server = cutOff{server}, server.Name
	case mediaDrained:
		t.trouble, t.server = drained{server, f.API}, server.Name
	case wrapperKilled:
		t.trouble = killed{wrapper}
	case wrapperFrozen:
		t.trouble = frozen{wrapper}
	case wrapperStopped:
		t.trouble = stopped{wrapper}
	case wrapperCutOff:
		t.trouble = cutOff{wrapper}
	case linkCut:
		t.trouble = linkLost{wrapper, server}
	case restKilled:
		t.trouble = killed{rest}
	case restStopped:
		t.trouble = stopped{rest}
	case brokerKilled:
		t.trouble = brokerLost{f.Broker}
	case storeKilled:
		t.trouble = killed{f.Store}
	case controlKilled:
		var all together
		for _, p := range append(append([]*harness.Process(nil), f.Wrappers...), f.RestAPIs...) {
			all = append(all, killed{p})
		}
		t.trouble = all
	}
	return t
}

// touches names the processes that a trouble is about.
func touches(t trouble) []string {
	switch t := t.(type) {
	case killed:
		return []string{t.Name}
	case stopped:
		return []string{t.Name}
	case frozen:
		return []string{t.Name}
	case cutOff:
		return []string{t.Name}
	case drained:
		return []string{t.Name}
	case linkLost:
		return []string{t.from.Name, t.to.Name}
	case together:
		var names []string
		for _, one := range t {
			names = append(names, touches(one)...)
		}
		return names
	default:
		return nil
	}
}

// undoTimeout is far longer than anything takes to start.
const undoTimeout = 2 * time.Minute
