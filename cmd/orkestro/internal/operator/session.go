package operator

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Session is a session as the API shows it.
type Session struct {
	ID        string          `json:"id"`
	State     string          `json:"state"`
	CreatedAt time.Time       `json:"createdAt"`
	Epoch     int64           `json:"epoch"`
	Metadata  json.RawMessage `json:"metadata"`
	MaxUsers  int             `json:"maxUsers"`
	Region    string          `json:"region"`
	Users     int             `json:"users"`
	Pipeline  *struct {
		ID     string `json:"id"`
		Server string `json:"server"`
	} `json:"pipeline"`
}

// Server is the media server that the session is on, "" for none.
func (s Session) Server() string {
	if s.Pipeline == nil {
		return ""
	}
	return s.Pipeline.Server
}

// User is a user as the API shows it.
type User struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Metadata json.RawMessage `json:"metadata"`
	State    string          `json:"state"`
	JoinedAt time.Time       `json:"joinedAt"`
	Streams  []struct {
		ID    string   `json:"id"`
		Kinds []string `json:"kinds"`
		State string   `json:"state"`
	} `json:"streams"`
}

// SessionFilter chooses sessions; "" and 0 mean any.
type SessionFilter struct {
	State  string
	Server string
	Limit  int
}

// Sessions lists sessions, newest last as the API orders them.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) ([]Session, error) {
	query := url.Values{}
	if f.State != "" {
		query.Set("state", f.State)
	}
	if f.Server != "" {
		query.Set("server", f.Server)
	}
	return list[Session](ctx, c, "/v1/sessions", query, f.Limit)
}

// Session reads one session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	var s Session
	return s, c.get(ctx, sessionPath(id), &s)
}

// Users lists the users of a session.
func (c *Client) Users(ctx context.Context, session string) ([]User, error) {
	return list[User](ctx, c, sessionPath(session)+"/users", url.Values{}, 0)
}

// CloseSession ends a session for everybody in it.
func (c *Client) CloseSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, sessionPath(id), nil, nil)
}

func sessionPath(id string) string { return "/v1/sessions/" + url.PathEscape(id) }
