package mediaclient

import (
	"context"

	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// ProcessOffer answers an offer of a publish endpoint; the same seq again gets the same answer.
func (c *Client) ProcessOffer(
	ctx context.Context, endpoint string, p mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	return invoke[mediaapi.ProcessedOffer](ctx, c, endpoint, mediaapi.OpProcessOffer, p)
}

// SetPaused says which kinds of a published stream are not forwarded.
func (c *Client) SetPaused(ctx context.Context, endpoint string, p mediaapi.SetPaused) error {
	return c.do(ctx, endpoint, mediaapi.OpSetPaused, p)
}

// ProcessAnswer takes the client's answer to an offer of a subscribe endpoint.
func (c *Client) ProcessAnswer(ctx context.Context, endpoint string, p mediaapi.ProcessAnswer) error {
	return c.do(ctx, endpoint, mediaapi.OpProcessAnswer, p)
}

// RequestOffer has a subscribe endpoint offer; the offer comes as a media event.
func (c *Client) RequestOffer(ctx context.Context, endpoint string, p mediaapi.RequestOffer) error {
	return c.do(ctx, endpoint, mediaapi.OpRequestOffer, p)
}

// Stop ends the connection of a subscribe endpoint until the next RequestOffer.
func (c *Client) Stop(ctx context.Context, endpoint string, p mediaapi.Stop) error {
	return c.do(ctx, endpoint, mediaapi.OpStop, p)
}

// SetSubscriptions chooses what a subscribe endpoint sends.
func (c *Client) SetSubscriptions(ctx context.Context, endpoint string, p mediaapi.SetSubscriptions) error {
	return c.do(ctx, endpoint, mediaapi.OpSetSubscriptions, p)
}

// AddICECandidates passes candidates of the client on to an endpoint.
func (c *Client) AddICECandidates(ctx context.Context, endpoint string, p mediaapi.AddICECandidates) error {
	return c.do(ctx, endpoint, mediaapi.OpAddICECandidates, p)
}

// do calls a void operation.
func (c *Client) do(ctx context.Context, object, operation string, params any) error {
	_, err := invoke[any](ctx, c, object, operation, params)
	return err
}
