package app

import (
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/buildinfo"
	"github.com/orkestro/orkestro/pkg/iceconfig"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/tracing"
)

// Config are the settings of a Wrapper. Every flag has an environment variable; help says the unit.
//
//nolint:lll // one flag, one line
type Config struct {
	ID     string `name:"id" env:"ORKESTRO_ID" help:"Name of this replica among the others; default: host name and a random part."`
	Listen string `name:"listen" env:"ORKESTRO_LISTEN" default:"127.0.0.1:8090" help:"Address of /healthz, /readyz and /metrics, host:port."`

	AMQPURL       string `name:"amqp-url" env:"ORKESTRO_AMQP_URL" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ, amqp:// or amqps://." json:"-"`
	MongoURL      string `name:"mongo-url" env:"ORKESTRO_MONGO_URL" default:"mongodb://127.0.0.1:27017/?replicaSet=rs0" help:"MongoDB replica set, mongodb:// or mongodb+srv://." json:"-"`
	MongoDatabase string `name:"mongo-database" env:"ORKESTRO_MONGO_DATABASE" default:"orkestro" help:"Database of the fleet."`

	Concurrency    int           `name:"concurrency" env:"ORKESTRO_CONCURRENCY" default:"16" help:"Requests of one queue handled at once."`
	MaxAttempts    int           `name:"max-attempts" env:"ORKESTRO_MAX_ATTEMPTS" default:"8" help:"Tries of a request before it goes to the dead-letter queue."`
	RequestTimeout time.Duration `name:"request-timeout" env:"ORKESTRO_REQUEST_TIMEOUT" default:"4s" help:"Time for one try of a request; callers wait 5s."`

	GraceTime       time.Duration `name:"grace-time" env:"ORKESTRO_GRACE_TIME" default:"30s" help:"How long a user may neither poll nor have a connection before it is removed, 5s or more."`
	MaxFailures     int           `name:"max-failures" env:"ORKESTRO_MAX_FAILURES" default:"5" help:"Failed connections of a user in a row before it is removed."`
	EmptyTimeout    time.Duration `name:"empty-timeout" env:"ORKESTRO_EMPTY_TIMEOUT" default:"5m" help:"How long a session stays when nobody is in it and its maker named no time."`
	ForgetAfter     time.Duration `name:"forget-after" env:"ORKESTRO_FORGET_AFTER" default:"10m" help:"How long a closed session answers 410 before its id is free again."`
	SweepPeriod     time.Duration `name:"sweep-period" env:"ORKESTRO_SWEEP_PERIOD" default:"2s" help:"Time between two looks for idle users and sessions."`
	ReconcilePeriod time.Duration `name:"reconcile-period" env:"ORKESTRO_RECONCILE_PERIOD" default:"5s" help:"Time between two comparisons of sessions and media servers."`

	MembershipKey string `name:"membership-key" env:"ORKESTRO_MEMBERSHIP_KEY" placeholder:"KEY" help:"Public key of the fleet, in base64: only media servers with a token that it leads to are given sessions. Default: all are."`

	ICE   iceconfig.Config `embed:""`
	Log   logging.Config   `embed:""`
	Trace tracing.Config   `embed:""`
	Build buildinfo.Config `embed:""`
}

// minGrace leaves time for what is known of users: REST replicas say every three seconds who polls.
const minGrace = 5 * time.Second

// Validate says which setting is wrong.
func (c Config) Validate() error {
	if c.Concurrency < 1 || c.MaxAttempts < 1 || c.MaxFailures < 1 {
		return fmt.Errorf("--concurrency, --max-attempts, --max-failures: 1 or more is needed")
	}
	for flag, value := range map[string]time.Duration{
		"request-timeout": c.RequestTimeout, "empty-timeout": c.EmptyTimeout,
		"forget-after": c.ForgetAfter, "sweep-period": c.SweepPeriod, "reconcile-period": c.ReconcilePeriod,
	} {
		if value < 10*time.Millisecond {
			return fmt.Errorf("--%s: 10ms or more is needed, not %s", flag, value)
		}
	}
	if c.GraceTime < minGrace {
		return fmt.Errorf("--grace-time: %s or more is needed, not %s", minGrace, c.GraceTime)
	}
	if err := c.Trace.Validate(); err != nil {
		return err
	}
	if _, err := membership.ParseKey(c.MembershipKey); c.MembershipKey != "" && err != nil {
		return fmt.Errorf("--membership-key (ORKESTRO_MEMBERSHIP_KEY): %w", err)
	}
	return c.ICE.Validate()
}
