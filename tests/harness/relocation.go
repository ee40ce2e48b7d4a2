package harness

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// leaving is a connection to a media server that the session is being moved off. Its media goes on until the server lets
// go of it.
type leaving struct {
	connection *webrtc.PeerConnection
	epoch      int64
}

// BreakFirst has the client close what it has before it connects anew, as a simple one does.
func (u *User) BreakFirst() {
	u.command(func(context.Context) error {
		u.breaksOff = true
		return nil
	})
}

// part sets the connections of the present epoch aside, for those of the next. They go on only if the session is moved.
func (u *User) part(reason string) {
	switch {
	case reason != "relocating":
		u.letGo(math.MaxInt64) // nothing of before is left
		return                 // what failed is closed when there is a new one
	case u.breaksOff:
		u.closeConnections()
	default:
		for _, connection := range []*webrtc.PeerConnection{u.publish, u.subscribe} {
			if connection != nil {
				u.leaving = append(u.leaving, leaving{connection, u.epoch})
			}
		}
	}
	u.publish, u.subscribe = nil, nil
}

// letGo closes what was set aside up to an epoch.
func (u *User) letGo(epoch int64) {
	u.leaving = slices.DeleteFunc(u.leaving, func(l leaving) bool {
		if l.epoch > epoch {
			return false
		}
		_ = l.connection.Close()
		return true
	})
}

// Mover has single sessions moved off their media servers, as a drain has all of a server's.
type Mover struct {
	api    *API
	broker broker.Broker
}

// OpenMover connects a mover to the fleet's broker; Close ends it.
func (f *Fleet) OpenMover(ctx context.Context) (*Mover, error) {
	opened, err := amqp.Open(ctx, amqp.Config{URL: f.Broker.URL(), ConnectionName: "mover"},
		slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &Mover{f.API, opened}, nil
}

// Close disconnects.
func (m *Mover) Close() error { return m.broker.Close() }

// Move asks for the move of a session, and gives the epoch that it has before.
func (m *Mover) Move(ctx context.Context, session string) (epoch int64, err error) {
	var found struct {
		Epoch    int64               `json:"epoch"`
		Pipeline control.PipelineRef `json:"pipeline"`
	}
	if _, err := m.api.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/sessions/" + session}, &found); err != nil {
		return 0, err
	}
	body, err := json.Marshal(message.Relocate{Epoch: found.Epoch, Pipeline: found.Pipeline.ID, Reason: "test"})
	if err != nil {
		return 0, err
	}
	return found.Epoch, m.broker.Send(ctx, message.SessionQueue(control.SessionID(session)).Name, broker.Message{
		ID: control.NewID(), Type: message.TypeRelocate, Session: session, Time: time.Now().UTC(),
		Version: message.Version, Body: body,
	})
}
