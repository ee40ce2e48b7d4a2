// Package doctor examines a live fleet: whether sessions, pipelines, endpoints, queues and records agree with each
// other. The operator's command and the tests of failures call it. It only reads.
//
// A fleet is always in motion: between two writes of a Wrapper anything may look wrong for a moment. So a finding
// counts only when it is there again, about the same object in the same condition, after a pause that is longer than
// the slow loops need to mend it.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/store"
)

// Fleet is what is examined. [Open] connects to one.
type Fleet struct {
	Store  *store.Store
	Broker broker.Inspector
	// Survey lists what is on the broker. nil: only what has to be there is looked at, not what should not be.
	Survey broker.Surveyor
	// Connect reaches a media server at its registered URL.
	Connect func(ctx context.Context, url string) (Server, error)
}

// Server is a connection to a media server.
type Server interface {
	Instance() control.InstanceID
	Pipelines(ctx context.Context) ([]mediaapi.FleetPipeline, error)
	Endpoints(ctx context.Context) ([]mediaapi.FleetEndpoint, error)
}

// Settings bound an examination. The zero value of a field means its default.
type Settings struct {
	// Pause is between the first look and the second; longer than --reconcile-period and --sweep-period of the Wrappers,
	// which wander by half. 0: 10 s.
	Pause time.Duration
	// Grace is --grace-time of the Wrappers. 0: 30 s.
	Grace time.Duration
	// MaxSessions is how many live sessions are looked at, the first by id. 0: 10,000.
	MaxSessions int
	// MaxFindings is how many findings a report names; the rest is counted. 0: 200.
	MaxFindings int
}

const (
	defaultPause       = 10 * time.Second
	defaultGrace       = 30 * time.Second
	defaultMaxSessions = 10_000
	defaultMaxFindings = 200
)

func (s Settings) orDefaults() Settings {
	if s.Pause <= 0 {
		s.Pause = defaultPause
	}
	if s.Grace <= 0 {
		s.Grace = defaultGrace
	}
	if s.MaxSessions <= 0 {
		s.MaxSessions = defaultMaxSessions
	}
	if s.MaxFindings <= 0 {
		s.MaxFindings = defaultMaxFindings
	}
	return s
}

// Examine looks once, and if anything seems wrong once more after a pause. The error says that database or broker
// cannot be asked; a media server that cannot is a finding.
func Examine(ctx context.Context, fleet Fleet, settings Settings) (Report, error) {
	settings = settings.orDefaults()
	began := time.Now()
	before, err := look(ctx, fleet, settings)
	if err != nil {
		return Report{}, fmt.Errorf("look at the fleet: %w", err)
	}
	first := judge(before, nil, settings)
	if len(first.findings()) == 0 {
		return first.report(began, 1, settings.MaxFindings), nil
	}
	select {
	case <-time.After(settings.Pause):
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	after, err := look(ctx, fleet, settings)
	if err != nil {
		return Report{}, fmt.Errorf("look at the fleet again: %w", err)
	}
	second := judge(after, before, settings)
	second.keepOnly(first)
	return second.report(began, 2, settings.MaxFindings), nil
}
