package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	joinTimeout   = 12 * time.Second // two calls of 5 s each at most (HTTP API contract), and some room
	maxBodyBytes  = 4 * 1024
	maxReplyBytes = 256 * 1024
	maxName       = 64 // characters
)

// backend answers POST /demo/join {session, name}: it makes the session if it is not there and adds a user to it.
type backend struct {
	cfg    Config
	client *http.Client
}

func newBackend(cfg Config) *backend {
	return &backend{cfg: cfg, client: &http.Client{Timeout: joinTimeout}}
}

type joinRequest struct {
	Session control.SessionID `json:"session"`
	Name    string            `json:"name"`
}

// joinReply is what the SDK's join takes: the API's answer, with where the API is.
type joinReply struct {
	URL        string          `json:"url"`
	Session    string          `json:"session"`
	User       json.RawMessage `json:"user"`
	Token      string          `json:"token"`
	ExpiresAt  string          `json:"expiresAt"`
	ICEServers json.RawMessage `json:"iceServers"`
	Epoch      int64           `json:"epoch"`
}

// problem is an RFC 9457 document as the API writes it, passed on to the page.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := readJoin(w, r)
	if err != nil {
		write(w, http.StatusUnprocessableEntity, &problem{
			Status: http.StatusUnprocessableEntity, Code: string(control.CodeInvalid), Detail: err.Error(),
		})
		return
	}
	reply, err := b.join(r.Context(), request)
	var refused *problem
	switch {
	case err == nil:
		write(w, http.StatusOK, reply)
	case errors.As(err, &refused):
		write(w, refused.Status, refused)
	default:
		write(w, http.StatusBadGateway, &problem{
			Status: http.StatusBadGateway, Code: string(control.CodeUnavailable), Detail: "the API cannot be reached",
		})
	}
}

// readJoin takes JSON only: a form of another site cannot send that.
func readJoin(w http.ResponseWriter, r *http.Request) (joinRequest, error) {
	var request joinRequest
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return request, errors.New("content type: application/json is needed")
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(&request); err != nil {
		return request, fmt.Errorf("body: %w", err)
	}
	if err := control.CheckName("session", string(request.Session)); err != nil {
		return request, err
	}
	if utf8.RuneCountInString(request.Name) > maxName {
		return request, fmt.Errorf("name: %d characters at most", maxName)
	}
	return request, nil
}

func (b *backend) join(ctx context.Context, request joinRequest) (*joinReply, error) {
	err := b.post(ctx, "/v1/sessions", map[string]any{"id": request.Session}, nil)
	var refused *problem
	if err != nil && (!errors.As(err, &refused) || refused.Status != http.StatusConflict) {
		return nil, fmt.Errorf("create session %s: %w", request.Session, err)
	}
	reply := &joinReply{URL: b.cfg.PublicAPIURL, Session: string(request.Session)}
	path := "/v1/sessions/" + url.PathEscape(string(request.Session)) + "/users"
	if err := b.post(ctx, path, map[string]any{"name": request.Name}, reply); err != nil {
		return nil, fmt.Errorf("join session %s: %w", request.Session, err)
	}
	return reply, nil
}

// post calls the API; a refusal is a *[problem].
func (b *backend) post(ctx context.Context, path string, body, result any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.cfg.APIURL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+b.cfg.APIKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	decoder := json.NewDecoder(io.LimitReader(response.Body, maxReplyBytes))
	if response.StatusCode >= http.StatusBadRequest {
		refused := &problem{Code: string(control.CodeInternal)}
		_ = decoder.Decode(refused) // a proxy's page is none: the status says enough then
		refused.Status = response.StatusCode
		return refused
	}
	if result == nil {
		return nil
	}
	return decoder.Decode(result)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the page is gone: nobody left to tell
}
