// Package mediaclient calls media servers with the types of package mediaapi. Wrappers use it; it knows nothing of
// sessions' state, broker or database. Trouble with the connection is an error of [control.CodeUnavailable]; all calls
// are idempotent and may be repeated. A call to an object that is gone is an [Error] for which [IsNotFound] holds.
package mediaclient

import (
	"context"
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// Client is a connection to one life of one media server. Safe for concurrent use. It is never dialled again: when it
// is closed, [Pool.Connect] gives a new one.
type Client struct {
	url      string
	instance control.InstanceID
	rpc      *jsonrpc.Client
	config   PoolConfig
}

// newClient takes conn over and asks who is there.
func newClient(ctx context.Context, url string, conn jsonrpc.Conn, config PoolConfig) (*Client, error) {
	c := &Client{url: url, rpc: jsonrpc.NewClient(conn, nil), config: config}
	var info struct {
		ServerID control.InstanceID `json:"serverId"`
	}
	if err := c.call(ctx, "connect", "connect", struct{}{}, &info); err != nil {
		_ = c.rpc.Close()
		return nil, err
	}
	c.instance = info.ServerID
	return c, nil
}

// URL is where the media server was dialled.
func (c *Client) URL() string { return c.url }

// Instance names the life of the media server that this client talks to.
func (c *Client) Instance() control.InstanceID { return c.instance }

// Closed is closed at once when the socket ends: the process is gone, its machine does not answer pings, or the pool
// was closed. Err then says why.
func (c *Client) Closed() <-chan struct{} { return c.rpc.Done() }

// Err is why the connection ended, nil while it has not.
func (c *Client) Err() error { return c.rpc.Err() }

// CreatePipeline makes the pipeline of an epoch of a session, or finds the one that is there, and gives its id.
func (c *Client) CreatePipeline(ctx context.Context, p mediaapi.PipelineParams) (string, error) {
	return c.create(ctx, mediaapi.TypeMediaPipeline, p)
}

// CreatePublishEndpoint makes the endpoint on which a user publishes, or finds the one that is there; gives its id.
func (c *Client) CreatePublishEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return c.create(ctx, mediaapi.TypePublishEndpoint, p)
}

// CreateSubscribeEndpoint makes the endpoint on which a user receives, or finds the one that is there; gives its id.
func (c *Client) CreateSubscribeEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return c.create(ctx, mediaapi.TypeSubscribeEndpoint, p)
}

// CreateViewEndpoint makes the endpoint that a viewer watches, or finds the one that is there; gives its id.
func (c *Client) CreateViewEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return c.create(ctx, mediaapi.TypeViewEndpoint, p)
}

// ReleaseObject ends a pipeline or endpoint and what is in it; one that is gone already is no error.
func (c *Client) ReleaseObject(ctx context.Context, id string) error {
	return c.call(ctx, "release", "release", objectParams{Object: id}, nil)
}

// Pipelines lists the pipelines that were made for sessions.
func (c *Client) Pipelines(ctx context.Context) ([]mediaapi.FleetPipeline, error) {
	return invoke[[]mediaapi.FleetPipeline](ctx, c, mediaapi.ServerManagerID, mediaapi.OpFleetPipelines, nil)
}

// Endpoints lists what was made for users, in all pipelines of the fleet.
func (c *Client) Endpoints(ctx context.Context) ([]mediaapi.FleetEndpoint, error) {
	return invoke[[]mediaapi.FleetEndpoint](ctx, c, mediaapi.ServerManagerID, mediaapi.OpFleetEndpoints, nil)
}

// Views lists what was made for viewers, in all pipelines of the fleet.
func (c *Client) Views(ctx context.Context) ([]mediaapi.FleetEndpoint, error) {
	return invoke[[]mediaapi.FleetEndpoint](ctx, c, mediaapi.ServerManagerID, mediaapi.OpFleetViews, nil)
}

type objectParams struct {
	Object string `json:"object"`
}

type createParams struct {
	Type              string `json:"type"`
	ConstructorParams any    `json:"constructorParams"`
}

type invokeParams struct {
	Object          string `json:"object"`
	Operation       string `json:"operation"`
	OperationParams any    `json:"operationParams,omitempty"`
}

func (c *Client) create(ctx context.Context, objectType string, params any) (string, error) {
	var result struct {
		Value string `json:"value"`
	}
	call := createParams{Type: objectType, ConstructorParams: params}
	err := c.call(ctx, "create", "create "+objectType, call, &result)
	return result.Value, err
}

// invoke calls an operation of an object.
func invoke[T any](ctx context.Context, c *Client, object, operation string, params any) (T, error) {
	var result struct {
		Value T `json:"value"`
	}
	call := invokeParams{Object: object, Operation: operation, OperationParams: params}
	err := c.call(ctx, "invoke", operation, call, &result)
	return result.Value, err
}

// call is one request with its deadline; operation is what its trace calls it.
func (c *Client) call(ctx context.Context, method, operation string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.CallTimeout)
	defer cancel()
	ended := func(error) {}
	if c.config.Trace != nil {
		var parent string
		parent, ended = c.config.Trace(ctx, operation, c.url)
		ctx = jsonrpc.WithTraceParent(ctx, parent)
	}
	err := translate(fmt.Sprintf("%s at %s", method, c.url), c.rpc.Call(ctx, method, params, result))
	ended(err)
	return err
}
