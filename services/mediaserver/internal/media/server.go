package media

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// Config are the settings of a [Server].
type Config struct {
	Network rtc.NetworkConfig
	// Capacity is how many sessions of the fleet may have a pipeline here; 0: no limit.
	Capacity int
	// MaxObjects bounds what clients can make the process keep; 0: 100,000, chosen: far more than it can serve.
	MaxObjects int
	// Files is the folder that recorders write to and players read from; "": there are neither.
	Files string
}

const defaultMaxObjects = 100_000

// Server is the registry of all live objects of the process. Safe for concurrent use.
type Server struct {
	engine     *rtc.Engine
	flows      *flows
	maxObjects int
	speakers   *speakers
	capacity   int
	files      *files
	log        *slog.Logger

	listener atomic.Pointer[func(Event)]
	created  atomic.Int64 // pipelines ever created for sessions of the fleet

	mu        sync.Mutex
	closed    bool
	objects   map[string]Object
	bySession map[sessionEpoch]*Pipeline
}

type sessionEpoch struct {
	session control.SessionID
	epoch   int64
}

// NewServer opens the network. The caller closes it.
func NewServer(cfg Config, logger *slog.Logger) (*Server, error) {
	logger = logger.With(logging.KeyComponent, "media")
	engine, err := rtc.Open(cfg.Network, logger)
	if err != nil {
		return nil, fmt.Errorf("open the media network (--media-udp, --media-tcp): %w", err)
	}
	files, err := openFiles(cfg.Files)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the folder of media files (--media-files): %w", err), engine.Close())
	}
	return &Server{
		engine:     engine,
		flows:      startFlows(),
		speakers:   startSpeakers(),
		capacity:   cfg.Capacity,
		maxObjects: cmp.Or(cfg.MaxObjects, defaultMaxObjects),
		files:      files,
		log:        logger,
		objects:    map[string]Object{},
		bySession:  map[sessionEpoch]*Pipeline{},
	}, nil
}

// Close releases every object and closes the network.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, p := range s.Pipelines() {
		s.Release(p.ID())
	}
	s.flows.stop()
	s.speakers.stop()
	return errors.Join(s.engine.Close(), s.files.close())
}

// Disconnect closes the sockets under everything that is there, as the death of the process would: clients hear nothing
// more, not even a goodbye. Only Close may follow.
func (s *Server) Disconnect() { _ = s.engine.Close() }

// Observe sets the one observer of connections. Set it before the first object is made.
func (s *Server) Observe(o rtc.Observer) { s.engine.Observe(o) }

// UDPPort is the port that carries all media.
func (s *Server) UDPPort() int { return s.engine.UDPPort() }

// OnEvent sets the one listener. It is called in order for each object, from several goroutines at once, and must not
// block. Set it before the first object is made.
func (s *Server) OnEvent(listener func(Event)) { s.listener.Store(&listener) }

func (s *Server) emit(object Object, eventType string, data any) {
	if listener := s.listener.Load(); listener != nil {
		(*listener)(Event{Object: object, Type: eventType, Data: data, Time: time.Now()})
	}
}

// CreatePipeline makes a pipeline. With a session it is idempotent: the same session and epoch get the pipeline that is
// there. Errors are [*Error] with [mediaapi.CodeNotEnoughResources].
func (s *Server) CreatePipeline(session control.SessionID, epoch int64) (*Pipeline, error) {
	key := sessionEpoch{session, epoch}
	p := newPipeline(s, key)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errorf(codeNotEnoughResources, "the server is stopping")
	}
	if there, found := s.bySession[key]; found && session != "" {
		s.mu.Unlock()
		return there, nil
	}
	if err := s.checkRoomLocked(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if session != "" {
		if s.fullLocked(session) {
			s.mu.Unlock()
			return nil, errorf(codeNotEnoughResources, "there are pipelines of %d sessions already", s.capacity)
		}
		s.bySession[key] = p
		s.speakers.listen(p)
		s.created.Add(1)
	}
	s.objects[p.ID()] = p
	s.mu.Unlock()
	s.emit(p, EventObjectCreated, ObjectCreated{Object: p.ID()})
	return p, nil
}

// fullLocked reports whether the sessions of others take all of the capacity. It needs s.mu.
func (s *Server) fullLocked(session control.SessionID) bool {
	if s.capacity == 0 || len(s.bySession) < s.capacity {
		return false
	}
	others := map[control.SessionID]bool{}
	for key := range s.bySession {
		if key.session == session {
			return false // the next epoch takes the place of the last
		}
		others[key.session] = true
	}
	return len(others) >= s.capacity
}

// Object finds a live object by its id.
func (s *Server) Object(id string) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, found := s.objects[id]
	return object, found
}

// Pipelines are all live pipelines, oldest first.
func (s *Server) Pipelines() []*Pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pipelines []*Pipeline
	for _, object := range s.objects {
		if p, ok := object.(*Pipeline); ok {
			pipelines = append(pipelines, p)
		}
	}
	slices.SortFunc(pipelines, func(a, b *Pipeline) int {
		return cmp.Or(a.meta.created.Compare(b.meta.created), cmp.Compare(a.id, b.id))
	})
	return pipelines
}

// Release ends an object and everything in it, and returns when that is done. Unknown ids are no error.
func (s *Server) Release(id string) {
	s.mu.Lock()
	object, found := s.objects[id]
	s.mu.Unlock()
	if !found {
		return
	}
	if p, ok := object.(*Pipeline); ok {
		p.streams.end()
	}
	s.releaseTree(object)
}

func (s *Server) releaseTree(object Object) {
	var wg sync.WaitGroup
	for _, child := range object.Children() {
		wg.Go(func() { s.releaseTree(child) })
	}
	wg.Wait()
	s.releaseOne(object)
}

// closer is the part of an object that only its registry may call, once.
type closer interface {
	Object
	close()
}

func (s *Server) releaseOne(object Object) {
	s.mu.Lock()
	_, found := s.objects[object.ID()]
	delete(s.objects, object.ID())
	if p, ok := object.(*Pipeline); ok && s.bySession[p.key] == p {
		delete(s.bySession, p.key)
		s.speakers.forget(p)
	}
	s.mu.Unlock()
	if !found {
		return
	}
	object.(closer).close()
	s.emit(object, EventObjectDestroyed, ObjectDestroyed{ObjectID: object.ID()})
}

// add registers a new child unless its parent is gone.
func (s *Server) add(parent, child Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[parent.ID()] != parent {
		return errReleased(parent.ID())
	}
	if err := s.checkRoomLocked(); err != nil {
		return err
	}
	s.objects[child.ID()] = child
	return nil
}

// checkRoomLocked needs s.mu.
func (s *Server) checkRoomLocked() error {
	if len(s.objects) >= s.maxObjects {
		return errorf(codeNotEnoughResources, "there are %d objects already", s.maxObjects)
	}
	return nil
}

// Stats are totals over the life of the process, and what is there now.
type Stats struct {
	Pipelines, Endpoints  int
	PipelinesCreated      int64  // for sessions of the fleet
	BytesIn, BytesOut     uint64 // RTP payload and headers, without encryption and UDP
	PacketsIn, PacketsOut uint64
	PacketsDropped        uint64 // of those that went out
	PacketsResent         uint64 // likewise: their receivers missed them
	Keyframes             uint64 // that were asked for of publishers
	LayerSwitches         uint64 // of subscribers
	SpeakerChanges        uint64
	Connections           map[control.ConnectionState]int64 // WebRTC connections that are there
	ConnectionsConnected  int64                             // that were made
	ConnectionsFailed     int64                             // that failed
}

// Stats counts.
func (s *Server) Stats() Stats {
	traffic, outcomes := s.engine.Traffic(), s.engine.Outcomes()
	stats := Stats{
		PipelinesCreated: s.created.Load(),
		BytesIn:          traffic.BytesIn,
		BytesOut:         traffic.BytesOut,
		PacketsIn:        traffic.PacketsIn,
		PacketsOut:       traffic.PacketsOut,
		PacketsDropped:   traffic.PacketsDropped,
		PacketsResent:    traffic.PacketsResent,
		Keyframes:        traffic.Keyframes,
		LayerSwitches:    traffic.LayerSwitches,
		SpeakerChanges:   s.speakers.changes.Load(),

		Connections:          outcomes.Present,
		ConnectionsConnected: outcomes.Connected,
		ConnectionsFailed:    outcomes.Failed,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, object := range s.objects {
		if _, ok := object.(*Pipeline); ok {
			stats.Pipelines++
		} else {
			stats.Endpoints++
		}
	}
	return stats
}

func newID(parent Object, c class) string {
	id := uuid.NewString() + "_" + c.QualifiedType()
	if parent != nil {
		id = parent.ID() + "/" + id
	}
	return id
}
