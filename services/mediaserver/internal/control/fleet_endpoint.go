package control

import (
	"context"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// trickled is an endpoint of the fleet as far as both kinds are alike.
type trickled interface {
	media.Object
	AddICECandidates(ctx context.Context, candidates []control.Candidate, end bool) error
}

// fleetEndpoint is what both types of the module orkestro add to MediaObject.
func fleetEndpoint() trait {
	return trait{
		operations: map[string]operation{
			mediaapi.OpAddICECandidates: on(func(ctx context.Context, e trickled, p params) (any, error) {
				wanted, err := decode[mediaapi.AddICECandidates](p)
				if err != nil {
					return nil, err
				}
				return nil, e.AddICECandidates(ctx, wanted.Candidates, wanted.End)
			}),
		},
		events: []string{media.EventEndpointStateChanged},
	}
}

// member decodes the constructor of a fleet endpoint.
func (r *registry) member(p params) (*media.Pipeline, mediaapi.EndpointParams, error) {
	pipeline, err := r.pipelineOf(p)
	if err != nil {
		return nil, mediaapi.EndpointParams{}, err
	}
	user, err := required[control.UserID](p, "user")
	if err != nil {
		return nil, mediaapi.EndpointParams{}, err
	}
	join, err := required[control.JoinID](p, "join")
	if err != nil {
		return nil, mediaapi.EndpointParams{}, err
	}
	subscriptions, err := optional(p, "subscriptions", control.Subscriptions{})
	return pipeline, mediaapi.EndpointParams{User: user, Join: join, Subscriptions: &subscriptions}, err
}

func createPublishEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, wanted, err := r.member(p)
		if err != nil {
			return nil, err
		}
		return pipeline.NewPublishEndpoint(wanted.User, wanted.Join)
	}
}

func createSubscribeEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, wanted, err := r.member(p)
		if err != nil {
			return nil, err
		}
		return pipeline.NewSubscribeEndpoint(wanted.User, wanted.Join, *wanted.Subscriptions)
	}
}

// publishEndpoint is what orkestro.PublishEndpoint adds.
func publishEndpoint() trait {
	return trait{operations: map[string]operation{
		mediaapi.OpProcessOffer: on(func(ctx context.Context, e *media.PublishEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.ProcessOffer](p)
			if err != nil {
				return nil, err
			}
			return e.ProcessOffer(ctx, wanted.Offer, wanted.Seq)
		}),
		mediaapi.OpSetPaused: on(func(ctx context.Context, e *media.PublishEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.SetPaused](p)
			if err != nil {
				return nil, err
			}
			return nil, e.Obey("paused/"+string(wanted.Stream), wanted.By, func() error {
				return e.SetPaused(ctx, wanted.Stream, wanted.PausedKinds)
			})
		}),
	}}
}

// subscribeEndpoint is what orkestro.SubscribeEndpoint adds.
func subscribeEndpoint() trait {
	operations := map[string]operation{
		mediaapi.OpProcessAnswer: on(func(ctx context.Context, e *media.SubscribeEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.ProcessAnswer](p)
			if err != nil {
				return nil, err
			}
			return nil, e.ProcessAnswer(ctx, wanted.Answer, wanted.Seq)
		}),
		mediaapi.OpRequestOffer: on(func(ctx context.Context, e *media.SubscribeEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.RequestOffer](p)
			if err != nil {
				return nil, err
			}
			return nil, e.Obey("offer or stop", wanted.By, func() error {
				return e.RequestOffer(ctx, wanted.Fresh, wanted.ICERestart)
			})
		}),
		mediaapi.OpSetSubscriptions: on(func(ctx context.Context, e *media.SubscribeEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.SetSubscriptions](p)
			if err != nil {
				return nil, err
			}
			return nil, e.Obey("subscriptions", wanted.By, func() error {
				return e.SetSubscriptions(ctx, wanted.Subscriptions)
			})
		}),
		mediaapi.OpStop: on(func(ctx context.Context, e *media.SubscribeEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.Stop](p)
			if err != nil {
				return nil, err
			}
			return nil, e.Obey("offer or stop", wanted.By, func() error { return e.Stop(ctx) })
		}),
	}
	return trait{operations: operations, events: []string{media.EventOfferCreated}}
}
