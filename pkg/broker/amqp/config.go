package amqp

import (
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// Config are the settings of a connection to RabbitMQ.
type Config struct {
	URL            string        // amqp:// or amqps://, with account and virtual host
	ConnectionName string        // shown to operators by RabbitMQ; the replica's id
	Heartbeat      time.Duration // a silent connection is given up after two to three of them; 0: 3 s
}

const (
	// defaultHeartbeat is how soon the broker gives the messages of a consumer whose machine is gone without a word to
	// another one: after 6 to 9 s, in which they wait. Chosen: RabbitMQ warns of false alarms below that, and a lost
	// connection costs little.
	defaultHeartbeat = 3 * time.Second
	dialTimeout      = 5 * time.Second // for TCP, TLS and the AMQP handshake together

	// patience is how long a call waits for a connection that is being made again before it fails.
	patience = time.Second
	// callTimeout bounds every call whose context has no earlier deadline: a healthy broker answers in milliseconds,
	// one that does not answer in this time is unavailable.
	callTimeout = 5 * time.Second
	// closeTimeout is how long Close waits for handlers that their owners have not waited for, goodbyeTimeout for the
	// broker after that.
	closeTimeout   = time.Second
	goodbyeTimeout = time.Second

	firstBackoff = 50 * time.Millisecond // before connecting again; doubles with jitter
	maxBackoff   = time.Second           // chosen: a fleet of replicas is no load at this pace

	publishLanes        = 4  // channels for Send; one alone keeps up with 25,000 confirms a second
	broadcastChannels   = 16 // one message on its way on each, see broadcast.go
	topologyChannels    = 8  // RabbitMQ's metadata store gains little from more
	consumersPerChannel = 64 // an error closes the channel for all of them, too many on one would wait for each other
	mailboxesPerLink    = 1000
	channelsPerLink     = 2047 // RabbitMQ's own default for channel-max
	maxReasonBytes      = 2048 // of a failure: headers have to fit into one frame
	contentType         = "application/json"

	persistent uint8 = amqp091.Persistent
	volatile   uint8 = amqp091.Transient
)
