// Package admission keeps a Wrapper's verdict on media servers up to date: it follows the manifests in the store, and
// tells the log and the audit which servers are refused. Package app starts it when the fleet has a membership key; the
// session logic asks it before each choice of a server. What a verdict is made of is up to pkg/membership.
package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
)

const (
	// period is how long a new manifest goes unnoticed. Chosen: an operator does not wait for it.
	period = 2 * time.Second
	// timeout bounds one round.
	timeout = 5 * time.Second
)

// Manifests is where they are stored: [store.Membership].
type Manifests interface {
	Documents(ctx context.Context) ([]string, error)
}

// Audit is where refusals are entered: [store.Audit].
type Audit interface {
	Append(ctx context.Context, entry control.AuditEntry) error
}

// Deps is what a Keeper works with.
type Deps struct {
	Wrapper   string // id of this Wrapper
	Key       membership.Key
	Manifests Manifests
	Servers   func() []control.MediaServer // as they were last seen
	Audit     Audit
	Log       *slog.Logger
}

// Keeper is the verdict of one Wrapper. Admit may be called by anybody; Run owns the rest.
type Keeper struct {
	Deps
	verifier *membership.Verifier
	told     map[control.InstanceID]string // the last refusal that was told
	failing  bool
	refused  refused
}

// New admits nobody before the first look.
func New(d Deps) *Keeper {
	d.Log = d.Log.With(slog.String(logging.KeyComponent, "admission"))
	return &Keeper{Deps: d, verifier: membership.NewVerifier(d.Key), told: map[control.InstanceID]string{}}
}

// Admit is why a server is given no sessions, "" if it is.
func (k *Keeper) Admit(server control.MediaServer) string {
	return k.verifier.Admit(server, time.Now()).Refused
}

// Run follows manifests and servers until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		k.Look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Look is one round. What it cannot do, the next one does. It is called before Run, or by it.
func (k *Keeper) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := errors.Join(k.follow(ctx), k.tell(ctx))
	if err != nil && ctx.Err() == nil && !k.failing {
		k.Log.Warn("membership is not up to date, trying on", slog.Any(logging.KeyError, err))
	}
	k.failing = err != nil
}

func (k *Keeper) follow(ctx context.Context) error {
	documents, err := k.Manifests.Documents(ctx)
	if err != nil {
		return err
	}
	before, _ := k.verifier.Manifest()
	if err := k.verifier.Follow(documents); err != nil {
		return fmt.Errorf("follow the manifests: %w", err)
	}
	if now, _ := k.verifier.Manifest(); now.Generation != before.Generation {
		k.Log.Info("membership manifest", slog.Int64("generation", now.Generation))
	}
	return nil
}

// tell tells of each server that is refused, once for each of its lives and reasons. Every Wrapper does; it is one
// entry of the audit.
func (k *Keeper) tell(ctx context.Context) error {
	if _, known := k.verifier.Manifest(); !known {
		return nil // that says nothing about servers
	}
	servers := k.Servers()
	told := make(map[control.InstanceID]string, len(servers))
	counts := map[string]int{}
	var failed error
	for _, server := range servers {
		reason := k.Admit(server)
		if server.Status == control.StatusDown || reason == "" {
			continue
		}
		counts[reason]++
		if k.told[server.Instance] != reason {
			if err := k.refuse(ctx, server, reason); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		told[server.Instance] = reason
	}
	k.told = told
	k.refused.counts.Store(&counts)
	return failed
}

func (k *Keeper) refuse(ctx context.Context, server control.MediaServer, reason string) error {
	err := k.Audit.Append(ctx, control.AuditEntry{
		ID: control.DeriveID(string(server.Instance), "server.refuse/"+reason), Time: time.Now().UTC(),
		Actor: "wrapper:" + k.Wrapper, Action: "server.refuse", Object: "server:" + string(server.ID), Reason: reason,
		Result: string(control.CodeForbidden),
	})
	if err != nil {
		return err
	}
	k.Log.Warn("media server is given no sessions", slog.String(logging.KeyServer, string(server.ID)),
		slog.String(logging.KeyInstance, string(server.Instance)), slog.String("reason", reason))
	return nil
}
