package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/pkg/logging"
)

// doctorCommand is `orkestro doctor`.
//
//nolint:lll // one flag, one line
type doctorCommand struct {
	output
	AMQPURL       string        `name:"amqp-url" env:"ORKESTRO_AMQP_URL" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ, amqp:// or amqps://."`
	MongoURL      string        `name:"mongo-url" env:"ORKESTRO_MONGO_URL" default:"mongodb://127.0.0.1:27017/?replicaSet=rs0" help:"MongoDB replica set, mongodb:// or mongodb+srv://."`
	MongoDatabase string        `name:"mongo-database" env:"ORKESTRO_MONGO_DATABASE" default:"orkestro" help:"Database of the fleet."`
	ManagementURL string        `name:"rabbitmq-management-url" env:"ORKESTRO_RABBITMQ_MANAGEMENT_URL" help:"RabbitMQ's management API, http://user:password@host:15672. Without it, queues and exchanges that belong to nothing are not looked for."`
	Pause         time.Duration `name:"pause" env:"ORKESTRO_DOCTOR_PAUSE" default:"10s" help:"Time between the two looks; twice the Wrappers' --reconcile-period, or more."`
	Grace         time.Duration `name:"grace-time" env:"ORKESTRO_GRACE_TIME" default:"30s" help:"The Wrappers' setting of that name."`
	MaxSessions   int           `name:"max-sessions" env:"ORKESTRO_DOCTOR_MAX_SESSIONS" default:"10000" help:"Look at so many live sessions, the first by id."`
}

// Help is printed below the flags' list by --help.
func (*doctorCommand) Help() string {
	return `Compares what the database, RabbitMQ and the media servers say, and only reads. What seems wrong is looked at
again after a pause, and told only if it is still so: a fleet is always in motion.

Exit status: 0 nothing is wrong, 1 there are findings, 2 the fleet cannot be examined.`
}

// Validate is asked by the parser.
func (c doctorCommand) Validate() error {
	if c.Pause < time.Millisecond || c.Grace < time.Millisecond || c.MaxSessions < 1 {
		return errors.New("--pause, --grace-time: 1ms or more, and --max-sessions: 1 or more, are needed")
	}
	return nil
}

// errUnhealthy gives the exit status of findings, which have been printed.
var errUnhealthy = errors.New("the fleet is not healthy")

// Run implements the command. Statuses: 0 healthy, 1 findings, 2 the fleet cannot be examined.
func (c *doctorCommand) Run(ctx context.Context, t terminal) error {
	log, err := logging.New(t.err, logging.Config{Format: "text", Level: "error"})
	if err != nil {
		return err
	}
	fleet, closeFleet, err := doctor.Open(ctx, doctor.Config{
		MongoURL: c.MongoURL, MongoDatabase: c.MongoDatabase, AMQPURL: c.AMQPURL, ManagementURL: c.ManagementURL,
	}, log)
	if err != nil {
		return &statusError{statusUsage, err}
	}
	defer closeFleet()
	report, err := doctor.Examine(ctx, fleet, doctor.Settings{
		Pause: c.Pause, Grace: c.Grace, MaxSessions: c.MaxSessions,
	})
	if err != nil {
		return &statusError{statusUsage, err}
	}
	if c.JSON {
		err = c.print(t.out, report, nil)
	} else {
		err = report.Print(t.out)
	}
	if err == nil && !report.Healthy() {
		err = errUnhealthy
	}
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	return nil
}
