package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/mailbox"
)

const (
	// keepAlivePeriod is well under the 15 s of the contract.
	keepAlivePeriod = 10 * time.Second
	// streamLife and streamMessages end a stream, so that its client comes back and acknowledges what it got.
	streamLife     = 5 * time.Minute
	streamMessages = 256
	// streamRetry is how soon a browser comes back.
	streamRetry = 100 * time.Millisecond
	// writeTimeout ends a stream whose client does not read.
	writeTimeout = 20 * time.Second
)

type streamInput struct {
	UserPath
	LastEventID string `header:"Last-Event-ID" doc:"Id of the last event that was received, which acknowledges it."`
	AccessToken string `query:"access_token" doc:"The token, for browsers, which set no headers here."`
}

func (m *messages) stream(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	var reader *mailbox.Reader
	var first []mailbox.Message
	ctx, cancel := soon(ctx)
	defer cancel()
	err := m.read(ctx, in.UserPath, in.LastEventID, func(r *mailbox.Reader) (err error) {
		if first, err = r.Next(ctx, 0); err != nil {
			r.Close()
			return err
		}
		reader = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) { //nolint:contextcheck // hctx carries it
		defer reader.Close()
		m.metrics.streams.Inc()
		defer m.metrics.streams.Dec()
		r, w := humachi.Unwrap(hctx)
		s := &eventStream{w: w, control: http.NewResponseController(w), reader: reader}
		s.begin()
		if r.Method != http.MethodHead {
			s.run(r.Context(), first)
		}
	}}, nil
}

// eventStream is one stream of server-sent events (HTML Living Standard, section 9.2).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	reader  *mailbox.Reader
	sent    int
	ended   bool // the last message of the session was sent
}

func (s *eventStream) begin() {
	header := s.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.w.WriteHeader(http.StatusOK)
}

// run sends messages until the client is gone, another reader took over, or the stream has lived long enough: then the
// client comes back by itself.
func (s *eventStream) run(ctx context.Context, messages []mailbox.Message) {
	end := time.Now().Add(streamLife)
	if s.write(fmt.Sprintf("retry: %d\n\n", streamRetry.Milliseconds())) != nil {
		return
	}
	for {
		if s.send(messages) != nil || s.ended || s.sent >= streamMessages || time.Now().After(end) {
			return
		}
		var err error
		messages, err = s.reader.Next(ctx, keepAlivePeriod)
		if err != nil {
			return
		}
		if len(messages) == 0 && s.write(": keep-alive\n\n") != nil {
			return
		}
	}
}

func (s *eventStream) send(messages []mailbox.Message) error {
	for _, m := range messages {
		// JSON as we write it has no line breaks, so that one data line holds all of it.
		if err := s.write(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", m.Cursor, m.Type, m.Body)); err != nil {
			return err
		}
		s.sent++
		s.ended = s.ended || m.Type == message.UserTypeSessionClosed
	}
	return nil
}

func (s *eventStream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("set a write deadline: %w", err)
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return s.control.Flush()
}
