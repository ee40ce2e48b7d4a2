// Package app is one REST replica as a program: settings, wiring, start and orderly stop. Package main and the
// development fleet call Run; nothing else knows all the parts.
package app

import (
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/buildinfo"
	"github.com/orkestro/orkestro/pkg/iceconfig"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/tracing"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
)

// Config are the settings of a REST replica. Every flag has an environment variable; help says the unit.
//
//nolint:lll // one flag, one line
type Config struct {
	ID     string `name:"id" env:"ORKESTRO_ID" help:"Name of this replica among the others; default: host name and a random part."`
	Listen string `name:"listen" env:"ORKESTRO_LISTEN" default:"127.0.0.1:8080" help:"Address of the HTTP API, host:port."`

	AMQPURL       string `name:"amqp-url" env:"ORKESTRO_AMQP_URL" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ, amqp:// or amqps://." json:"-"`
	MongoURL      string `name:"mongo-url" env:"ORKESTRO_MONGO_URL" default:"mongodb://127.0.0.1:27017/?replicaSet=rs0" help:"MongoDB replica set, mongodb:// or mongodb+srv://." json:"-"`
	MongoDatabase string `name:"mongo-database" env:"ORKESTRO_MONGO_DATABASE" default:"orkestro" help:"Database of the fleet."`

	APIKeys     []string      `name:"api-keys" env:"ORKESTRO_API_KEYS" help:"API keys as name:secret, comma separated or repeated." json:"-"`
	TokenSecret string        `name:"token-secret" env:"ORKESTRO_TOKEN_SECRET" help:"Secret that user tokens are signed with, the same for every replica, at least 16 characters." json:"-"`
	TokenTTL    time.Duration `name:"token-ttl" env:"ORKESTRO_TOKEN_TTL" default:"1h" help:"Life of a user token when the join names none, 30s to 24h."`

	CORSOrigins []string `name:"cors-origins" env:"ORKESTRO_CORS_ORIGINS" help:"Origins of browsers that may call, comma separated; * for all. Default: none."`
	UserRate    float64  `name:"user-rate" env:"ORKESTRO_USER_RATE" default:"50" help:"Requests a second of one user; 0: no limit."`
	UserBurst   int      `name:"user-burst" env:"ORKESTRO_USER_BURST" default:"100" help:"Requests of one user at once."`
	KeyRate     float64  `name:"key-rate" env:"ORKESTRO_KEY_RATE" default:"0" help:"Requests a second of one API key; 0: no limit."`
	KeyBurst    int      `name:"key-burst" env:"ORKESTRO_KEY_BURST" default:"200" help:"Requests of one API key at once."`

	StopDelay time.Duration `name:"stop-delay" env:"ORKESTRO_STOP_DELAY" default:"0s" help:"After SIGTERM: how long requests are still taken, with /readyz at 503, so that load balancers notice first; 0s to 5m. In Kubernetes 5s."`

	EmptyTimeout time.Duration `name:"empty-timeout" env:"ORKESTRO_EMPTY_TIMEOUT" default:"5m" help:"How long a session stays when nobody is in it and its maker named no time."`
	MailboxIdle  time.Duration `name:"mailbox-idle" env:"ORKESTRO_MAILBOX_IDLE" default:"30s" help:"How long the queue of a user stays open here after its last poll."`
	MaxMailboxes int           `name:"max-mailboxes" env:"ORKESTRO_MAX_MAILBOXES" default:"10000" help:"Users whose queues are open here at once."`

	MembershipKey string `name:"membership-key" env:"ORKESTRO_MEMBERSHIP_KEY" placeholder:"KEY" help:"Public key of the fleet, in base64, as the Wrappers have it: media servers are shown as members or not, and manifests are taken that it leads to."`

	ICE   iceconfig.Config `embed:""`
	Log   logging.Config   `embed:""`
	Trace tracing.Config   `embed:""`
	Build buildinfo.Config `embed:""`
}

// maxStopDelay is chosen: no load balancer asks less often.
const maxStopDelay = 5 * time.Minute

// Validate says which setting is wrong.
func (c Config) Validate() error {
	if len(c.TokenSecret) < auth.MinSecretLength {
		return fmt.Errorf("--token-secret (ORKESTRO_TOKEN_SECRET): at least %d characters are needed", auth.MinSecretLength)
	}
	if _, err := auth.ParseKeys(c.APIKeys); err != nil {
		return fmt.Errorf("--api-keys (ORKESTRO_API_KEYS): %w", err)
	}
	if c.TokenTTL < 30*time.Second || c.TokenTTL > 24*time.Hour {
		return fmt.Errorf("--token-ttl: 30s to 24h is needed, not %s", c.TokenTTL)
	}
	if c.UserRate < 0 || c.KeyRate < 0 || c.UserBurst < 1 || c.KeyBurst < 1 {
		return fmt.Errorf("--user-rate, --key-rate: 0 or more, and bursts of 1 or more, are needed")
	}
	if c.MaxMailboxes < 1 || c.MailboxIdle < time.Second || c.EmptyTimeout < time.Second {
		return fmt.Errorf("--max-mailboxes: 1 or more, --mailbox-idle and --empty-timeout: 1s or more are needed")
	}
	if err := c.Trace.Validate(); err != nil {
		return err
	}
	if _, err := membership.ParseKey(c.MembershipKey); c.MembershipKey != "" && err != nil {
		return fmt.Errorf("--membership-key (ORKESTRO_MEMBERSHIP_KEY): %w", err)
	}
	if c.StopDelay < 0 || c.StopDelay > maxStopDelay {
		return fmt.Errorf("--stop-delay (ORKESTRO_STOP_DELAY): 0s to %s is needed, not %s", maxStopDelay, c.StopDelay)
	}
	return c.ICE.Validate()
}
