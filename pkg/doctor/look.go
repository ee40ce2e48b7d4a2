package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	page = 200 // documents read at once
	// asking bounds the questions that the broker is asked at the same moment: it has other work.
	asking = 8
	// serverTimeout bounds asking one media server.
	serverTimeout = 5 * time.Second
	// maxPerSession bounds the records of users that are read: so many for each session that is looked at.
	maxPerSession = 100
	ownNames      = "orkestro." // what every queue and exchange of a fleet begins with
)

// sight is everything that one look saw.
type sight struct {
	at       time.Time
	sessions map[control.SessionID]*control.Session // active and closing
	last     control.SessionID                      // the last one looked at, "" if all were
	overdue  []store.SessionSummary                 // closed, and not forgotten in time

	servers  []control.MediaServer
	replicas []control.Replica // of both services
	held     map[control.MediaServerID]*held

	presence     []control.Presence
	negotiations []control.Negotiation
	missing      []string // indexes

	queues    map[string]*broker.Info // nil for one that is not there
	exchanges map[string]bool
	dead      int
	survey    *broker.Survey // nil when nobody can tell
}

// held is what a media server says it has: all of it, or err.
type held struct {
	err       error // why it could not be asked
	instance  control.InstanceID
	pipelines []mediaapi.FleetPipeline
	endpoints []mediaapi.FleetEndpoint
}

// covers reports whether a session would have been seen if it were there.
func (s *sight) covers(id control.SessionID) bool { return s.last == "" || id <= s.last }

// look reads the fleet once.
func look(ctx context.Context, fleet Fleet, settings Settings) (*sight, error) {
	s := &sight{
		at: time.Now(), sessions: map[control.SessionID]*control.Session{},
		held: map[control.MediaServerID]*held{}, queues: map[string]*broker.Info{}, exchanges: map[string]bool{},
	}
	for _, read := range []func(context.Context, Fleet, Settings) error{
		s.readRecords, s.readSessions, s.readUsers, s.askServers, s.askBroker, s.list,
	} {
		if err := read(ctx, fleet, settings); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// readRecords reads what processes say of themselves.
func (s *sight) readRecords(ctx context.Context, fleet Fleet, _ Settings) error {
	var err error
	if s.servers, err = fleet.Store.MediaServers.List(ctx); err != nil {
		return err
	}
	for _, service := range []*store.Replicas{fleet.Store.RestAPIs, fleet.Store.Wrappers} {
		replicas, err := service.List(ctx)
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, replicas...)
	}
	s.missing, err = fleet.Store.MissingIndexes(ctx)
	return err
}

func (s *sight) readSessions(ctx context.Context, fleet Fleet, settings Settings) error {
	filter := store.SessionFilter{
		States: []control.SessionState{control.SessionActive, control.SessionClosing}, Now: s.at, Limit: page,
	}
	for {
		list, err := fleet.Store.Sessions.List(ctx, filter)
		if err != nil {
			return err
		}
		for i := range list {
			s.sessions[list[i].ID] = &list[i]
		}
		if len(list) < page {
			break
		}
		filter.After = list[len(list)-1].ID
		if len(s.sessions) >= settings.MaxSessions {
			s.last = filter.After
			break
		}
	}
	var err error
	s.overdue, err = fleet.Store.Sessions.Overdue(ctx, s.at.Add(-forgetSlack), page)
	return err
}

// readUsers reads the records of users that are kept apart from their session.
func (s *sight) readUsers(ctx context.Context, fleet Fleet, settings Settings) error {
	limit := settings.MaxSessions * maxPerSession
	var err error
	s.presence, err = pages(ctx, limit, fleet.Store.Presence.List, func(p control.Presence) string { return p.ID })
	if err != nil {
		return err
	}
	s.negotiations, err = pages(ctx, limit, fleet.Store.Negotiations.List,
		func(n control.Negotiation) string { return n.ID })
	return err
}

// pages reads a collection page by page, up to a limit.
func pages[T any](
	ctx context.Context, limit int, list func(context.Context, string, int64) ([]T, error), id func(T) string,
) ([]T, error) {
	var all []T
	for after := ""; len(all) < limit; {
		next, err := list(ctx, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, next...)
		if len(next) < page {
			break
		}
		after = id(next[len(next)-1])
	}
	return all, nil
}

// askServers asks all media servers at once what they have.
func (s *sight) askServers(ctx context.Context, fleet Fleet, _ Settings) error {
	var group sync.WaitGroup
	for _, server := range s.servers {
		h := &held{}
		s.held[server.ID] = h
		group.Go(func() { h.err = h.ask(ctx, fleet, server) })
	}
	group.Wait()
	return ctx.Err()
}

func (h *held) ask(ctx context.Context, fleet Fleet, server control.MediaServer) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	client, err := fleet.Connect(ctx, server.URL)
	if err != nil {
		return err
	}
	h.instance = client.Instance()
	pipelines, err := client.Pipelines(ctx)
	if err != nil {
		return err
	}
	endpoints, err := client.Endpoints(ctx)
	if err != nil {
		return err
	}
	h.pipelines, h.endpoints = pipelines, endpoints
	return nil
}

// askBroker looks at what the live sessions need, and at all there is if somebody can list it.
func (s *sight) askBroker(ctx context.Context, fleet Fleet, _ Settings) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asking)
	queue := func(name string) {
		group.Go(func() error {
			info, err := inspect(ctx, fleet.Broker, name)
			mu.Lock()
			defer mu.Unlock()
			s.queues[name] = info
			return err
		})
	}
	queue(message.WrapperQueue)
	queue(broker.DeadLetterQueue)
	for id, sess := range s.sessions {
		if sess.State != control.SessionActive {
			continue
		}
		queue(message.SessionQueue(id).Name)
		for _, user := range sess.Users {
			queue(message.UserQueue(id, user.ID).Name)
		}
		group.Go(func() error {
			there, err := exchangeThere(ctx, fleet.Broker, message.SessionExchange(id))
			mu.Lock()
			defer mu.Unlock()
			s.exchanges[message.SessionExchange(id)] = there
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	if dead := s.queues[broker.DeadLetterQueue]; dead != nil {
		s.dead = dead.Messages
	}
	return nil
}

// inspect is a queue's condition, nil if there is no such queue.
func inspect(ctx context.Context, b broker.Inspector, queue string) (*broker.Info, error) {
	info, err := b.Inspect(ctx, queue)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, nil //nolint:nilnil // not being there is an answer
	}
	return &info, err
}

func exchangeThere(ctx context.Context, b broker.Inspector, exchange string) (bool, error) {
	err := b.InspectExchange(ctx, exchange)
	if errors.Is(err, broker.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// list reads everything that is on the broker.
func (s *sight) list(ctx context.Context, fleet Fleet, _ Settings) error {
	if fleet.Survey == nil {
		return nil
	}
	survey, err := fleet.Survey.Survey(ctx, ownNames)
	if err != nil {
		return fmt.Errorf("list what is on the broker: %w", err)
	}
	s.survey = &survey
	return nil
}
