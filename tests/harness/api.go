package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// requestTimeout is longer than any wait that the API allows (60 s for a poll is the longest; these clients wait less).
const requestTimeout = 30 * time.Second

// API calls the HTTP API of a fleet, each request at the next of its REST replicas, as a load balancer would have it.
// What cannot be connected to is skipped. Safe for concurrent use.
type API struct {
	key      string
	client   *http.Client
	replicas []string
	turn     atomic.Uint64
	observe  func(Attempt)
	// address is the one that media servers see clients at. Others, of networks that other fleets have just now, would
	// be taken for ways to the client, too.
	address string
}

// loopback is where clients of a fleet are that has no network of its own.
const loopback = "127.0.0.1"

// Attempt is one request that was sent: answered with Status, or not at all (0), after that time.
type Attempt struct {
	Request Request
	Status  int
	Err     error
	Took    time.Duration
}

// Observe has f told of every attempt from now on; call it before the first. f is called concurrently.
func (a *API) Observe(f func(Attempt)) { a.observe = f }

// NewAPI is a client of the replicas at these base URLs.
func NewAPI(key string, replicas ...string) *API {
	return &API{key: key, replicas: replicas, client: &http.Client{Timeout: requestTimeout}, address: loopback}
}

// Only is the same client for one replica alone.
func (a *API) Only(replica int) *API {
	return &API{
		key: a.key, replicas: a.replicas[replica : replica+1], client: a.client, observe: a.observe, address: a.address,
	}
}

// ProblemError is a refusal of the API: the status and code of its problem document.
type ProblemError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`

	// RetryAfter is the header of that name, "" without one: the same request may be taken later.
	RetryAfter string `json:"-"`
}

// Error implements error.
func (p *ProblemError) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// Request is one call. Bearer "" means the API key; Header is added.
type Request struct {
	Method string
	Path   string
	Body   any
	Bearer string
	Header map[string]string
}

// Do makes the call and reads a successful answer into result, if that is not nil. A refusal is a [*ProblemError]. An answer
// that was lost on its way is not asked for again. The status is 0 when there was no answer.
func (a *API) Do(ctx context.Context, r Request, result any) (status int, err error) {
	var body []byte
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = b
	default:
		if body, err = json.Marshal(b); err != nil {
			return 0, err
		}
	}
	first := a.turn.Add(1)
	for i := range a.replicas {
		base := a.replicas[(first+uint64(i))%uint64(len(a.replicas))]
		began := time.Now()
		status, err = a.send(ctx, base, r, body, result)
		if a.observe != nil {
			a.observe(Attempt{r, status, err, time.Since(began)})
		}
		var network *net.OpError
		if !errors.As(err, &network) || network.Op != "dial" {
			break
		}
	}
	return status, err
}

func (a *API) send(ctx context.Context, base string, r Request, body []byte, result any) (int, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	bearer := r.Bearer
	if bearer == "" {
		bearer = a.key
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for key, value := range r.Header {
		request.Header.Set(key, value)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		problem := &ProblemError{Status: response.StatusCode, RetryAfter: response.Header.Get("Retry-After")}
		if err := json.Unmarshal(answer, problem); err != nil {
			problem.Detail = string(answer)
		}
		return response.StatusCode, fmt.Errorf("%s %s: %w", r.Method, r.Path, problem)
	}
	if result == nil {
		return response.StatusCode, nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return response.StatusCode, fmt.Errorf("%s %s answered what is no JSON: %w", r.Method, r.Path, err)
	}
	return response.StatusCode, nil
}

// CreateSession makes a session; id "" lets the API choose.
func (a *API) CreateSession(ctx context.Context, id string) (string, error) {
	body := map[string]any{}
	if id != "" {
		body["id"] = id
	}
	var created struct {
		ID string `json:"id"`
	}
	_, err := a.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/sessions", Body: body}, &created)
	return created.ID, err
}

// CloseSession ends a session.
func (a *API) CloseSession(ctx context.Context, id string) error {
	_, err := a.Do(ctx, Request{Method: http.MethodDelete, Path: "/v1/sessions/" + id}, nil)
	return err
}

// Joined is what joining answers.
type Joined struct {
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Token string `json:"token"`
	Epoch int64  `json:"epoch"`
}

// Join brings a user into a session, or has it rejoin.
func (a *API) Join(ctx context.Context, session, user string) (Joined, error) {
	var joined Joined
	_, err := a.Do(ctx, Request{
		Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: map[string]any{"id": user, "name": user},
	}, &joined)
	return joined, err
}

// Send sends an application message of a user, to everybody or (to not "") to one user, and gives its id.
func (a *API) Send(ctx context.Context, session, user, token, kind string, data any, to string) (string, error) {
	body := map[string]any{"type": kind, "data": data}
	if to != "" {
		body["to"] = to
	}
	var sent struct {
		ID string `json:"id"`
	}
	_, err := a.Do(ctx, Request{
		Method: http.MethodPost, Path: userPath(session, user) + "/messages", Bearer: token, Body: body,
	}, &sent)
	return sent.ID, err
}

// Message is a message to a user, as a poll gives it.
type Message struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Time    time.Time       `json:"time"`
	Session string          `json:"session"`
	From    string          `json:"from"`
	Epoch   int64           `json:"epoch"`
	Data    json.RawMessage `json:"data"`
}

// Batch is the answer to a poll.
type Batch struct {
	Messages []Message `json:"messages"`
	Cursor   string    `json:"cursor"`
}
