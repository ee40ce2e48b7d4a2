package session_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// mediaServer is a media server as package mediaapi promises it: every call is idempotent. It counts what had an
// effect.
type mediaServer struct {
	id control.MediaServerID

	mu        sync.Mutex
	made      int
	pipelines map[string]string // by id: session and epoch
	endpoints map[string]*endpoint
}

type endpoint struct {
	pipeline, key string
	answers       map[int64]mediaapi.ProcessedOffer
	answered      []int64
	offers        int
	stopped       bool
	candidates    int
	words         map[string]string // as media servers do: the latest request about something
	paused        map[control.StreamID][]string
	subscriptions control.Subscriptions
}

func newMediaServer(id control.MediaServerID) *mediaServer {
	return &mediaServer{id: id, pipelines: map[string]string{}, endpoints: map[string]*endpoint{}}
}

func (m *mediaServer) nextID(kind string) string {
	m.made++
	return fmt.Sprintf("%s-%s-%d", m.id, kind, m.made)
}

func (m *mediaServer) CreatePipeline(_ context.Context, p mediaapi.PipelineParams) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("%s/%d", p.Session, p.Epoch)
	for id, there := range m.pipelines {
		if there == key {
			return id, nil
		}
	}
	id := m.nextID("pipeline")
	m.pipelines[id] = key
	return id, nil
}

func (m *mediaServer) create(kind string, p mediaapi.EndpointParams) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.pipelines[p.MediaPipeline]; !found {
		return "", session.ErrObjectGone
	}
	key := fmt.Sprintf("%s/%s/%s", kind, p.User, p.Join)
	for id, there := range m.endpoints {
		if there.pipeline == p.MediaPipeline && there.key == key {
			return id, nil
		}
	}
	id := m.nextID(kind)
	m.endpoints[id] = &endpoint{
		pipeline: p.MediaPipeline, key: key, answers: map[int64]mediaapi.ProcessedOffer{},
		paused: map[control.StreamID][]string{}, words: map[string]string{},
	}
	return id, nil
}

func (m *mediaServer) CreatePublishEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return m.create("publish", p)
}

func (m *mediaServer) CreateSubscribeEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return m.create("subscribe", p)
}

func (m *mediaServer) CreateViewEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return m.create("view", p)
}

func (m *mediaServer) Release(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pipelines, id)
	for key, e := range m.endpoints {
		if key == id || e.pipeline == id {
			delete(m.endpoints, key)
		}
	}
	return nil
}

// ProcessOffer takes "offer <msid>:<kinds> ..." and publishes those streams; "bad" is refused.
func (m *mediaServer) ProcessOffer(
	_ context.Context, id string, p mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.endpoints[id]
	if !found {
		return mediaapi.ProcessedOffer{}, session.ErrObjectGone
	}
	if answer, found := e.answers[p.Seq]; found {
		return answer, nil
	}
	words := strings.Fields(p.Offer)
	if words[0] == "bad" {
		return mediaapi.ProcessedOffer{}, control.Errorf(control.CodeInvalid, "that is no SDP")
	}
	answer := mediaapi.ProcessedOffer{Seq: p.Seq, Answer: fmt.Sprintf("answer %d by %s", p.Seq, id)}
	user := control.UserID(strings.Split(e.key, "/")[1])
	for _, word := range words[1:] {
		msid, kinds, _ := strings.Cut(word, ":")
		answer.Streams = append(answer.Streams, mediaapi.PublishedStream{
			ID: control.StreamIDFor(user, msid), Kinds: strings.Split(kinds, ","),
		})
	}
	e.answers[p.Seq] = answer
	return answer, nil
}

// use calls f with a live endpoint.
func (m *mediaServer) use(id string, f func(*endpoint)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.endpoints[id]
	if !found {
		return session.ErrObjectGone
	}
	f(e)
	return nil
}

func (m *mediaServer) ProcessAnswer(_ context.Context, id string, p mediaapi.ProcessAnswer) error {
	return m.use(id, func(e *endpoint) {
		if !slices.Contains(e.answered, p.Seq) {
			e.answered = append(e.answered, p.Seq)
		}
	})
}

func (m *mediaServer) RequestOffer(_ context.Context, id string, p mediaapi.RequestOffer) error {
	return m.obey(id, "stop", p.By, func(e *endpoint) { e.offers, e.stopped = e.offers+1, false })
}

// obey is use, unless a later request about the same came before.
func (m *mediaServer) obey(id, about, by string, f func(*endpoint)) error {
	return m.use(id, func(e *endpoint) {
		if by >= e.words[about] {
			e.words[about] = by
			f(e)
		}
	})
}

func (m *mediaServer) AddICECandidates(_ context.Context, id string, p mediaapi.AddICECandidates) error {
	return m.use(id, func(e *endpoint) { e.candidates += len(p.Candidates) })
}

func (m *mediaServer) SetPaused(_ context.Context, id string, p mediaapi.SetPaused) error {
	return m.obey(id, string(p.Stream), p.By, func(e *endpoint) { e.paused[p.Stream] = p.PausedKinds })
}

func (m *mediaServer) SetSubscriptions(_ context.Context, id string, p mediaapi.SetSubscriptions) error {
	return m.obey(id, "subscriptions", p.By, func(e *endpoint) { e.subscriptions = p.Subscriptions })
}

func (m *mediaServer) Stop(_ context.Context, id string, p mediaapi.Stop) error {
	return m.obey(id, "stop", p.By, func(e *endpoint) { e.stopped = true })
}

// counts is how many pipelines and endpoints are alive.
func (m *mediaServer) counts() (pipelines, endpoints int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pipelines), len(m.endpoints)
}

// servers is a fleet of such servers; one that is down cannot be reached.
type servers struct {
	mu   sync.Mutex
	list []control.MediaServer
	byID map[control.MediaServerID]*mediaServer
	down map[control.MediaServerID]bool
}

func (f *servers) Servers() []control.MediaServer {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.Clone(f.list)
	for i := range list {
		list[i].HeartbeatAt = time.Now()
		if f.down[list[i].ID] {
			list[i].Status = control.StatusDown
		}
	}
	return list
}

func (f *servers) Saw(server control.MediaServer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		if f.list[i].ID == server.ID {
			f.list[i] = server
		}
	}
}

func (f *servers) Media(_ context.Context, id control.MediaServerID) (session.Media, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down[id] {
		return nil, control.Errorf(control.CodeUnavailable, "down")
	}
	return f.byID[id], nil
}
