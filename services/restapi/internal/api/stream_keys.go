package api

import (
	"context"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
)

// maxStreamKeyTTL is chosen: an encoder is set up for a season.
const (
	defaultStreamKeyTTL = 24 * time.Hour
	maxStreamKeyTTL     = 366 * 24 * time.Hour
)

// NewStreamKey is what POST .../stream-keys takes.
type NewStreamKey struct {
	Use  auth.Use `json:"use" enum:"whip,whep" doc:"To publish, or to watch."`
	User string   `json:"user,omitempty" minLength:"1" doc:"To publish as; else a UUIDv7. Only for whip."`
	TTL  string   `json:"ttl,omitempty" minLength:"1" doc:"How long the key is good, 30s to 8784h; else 24h."`
}

// StreamKey is a key for an encoder or a player, and where to use it.
type StreamKey struct {
	Key       string         `json:"key"`
	ExpiresAt message.Time   `json:"expiresAt"`
	Path      string         `json:"path" doc:"Where the key is used, on this server."`
	User      control.UserID `json:"user,omitempty"`
}

type streamKeyOutput struct{ Body StreamKey }

// makeKey makes a credential that is good for WHIP or WHEP in one session and nothing else, also before anybody has
// joined.
func (w *whip) makeKey(ctx context.Context, in *struct {
	SessionPath
	Body NewStreamKey
},
) (*streamKeyOutput, error) {
	user := control.UserID(in.Body.User)
	switch {
	case user == "":
		user = control.UserID(requestID(ctx))
	case in.Body.Use == auth.UseWHEP:
		return nil, control.Errorf(control.CodeInvalid, "user: who watches is no user")
	}
	if err := control.CheckName("user", string(user)); err != nil {
		return nil, err
	}
	ttl, err := durationOf("ttl", in.Body.TTL, defaultStreamKeyTTL, minTokenTTL, maxStreamKeyTTL)
	if err != nil {
		return nil, err
	}
	if _, err := w.session(ctx, in.Session); err != nil {
		return nil, err
	}
	key, expires, err := w.Tokens.IssueFor(in.Body.Use, in.Session, user, ttl)
	if err != nil {
		return nil, err
	}
	made := StreamKey{
		Key: key, ExpiresAt: message.Time(expires), Path: "/v1/sessions/" + string(in.Session) + "/" + string(in.Body.Use),
	}
	if in.Body.Use == auth.UseWHIP {
		made.User = user
	}
	return &streamKeyOutput{Body: made}, nil
}
