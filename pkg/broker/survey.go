package broker

import (
	"context"
	"time"
)

// Surveyor lists what there is on a broker, whoever made it. AMQP has no call for that: package broker/management asks
// RabbitMQ's management plugin. For operators' tools; services never need it.
type Surveyor interface {
	// Survey lists the queues and exchanges whose names begin with prefix. Errors: [ErrUnavailable].
	Survey(ctx context.Context, prefix string) (Survey, error)
}

// Survey is the queues and exchanges of one moment.
type Survey struct {
	Queues    []SurveyedQueue
	Exchanges []string
	Bound     map[string][]string // exchange -> queues bound to it, without those that have none
}

// SurveyedQueue is a queue as a survey sees it.
type SurveyedQueue struct {
	Name    string
	Expires time.Duration // see [Queue]
}

// Inspector looks at single objects without changing them.
type Inspector interface {
	// Inspect looks at a queue. Errors: [ErrNotFound], [ErrUnavailable].
	Inspect(ctx context.Context, queue string) (Info, error)
	// InspectExchange is nil if the exchange is there. Errors: [ErrNotFound], [ErrUnavailable].
	InspectExchange(ctx context.Context, exchange string) error
}
