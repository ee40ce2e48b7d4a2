//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
)

// signaller takes offers to a server and brings its answers back.
type signaller interface {
	publish(ctx context.Context, offer string) (answer string, err error)
	subscribe(ctx context.Context, offer string) (answer string, err error)
}

// overHTTP signals to the baseline.
type overHTTP struct{ url string }

func (h overHTTP) publish(ctx context.Context, offer string) (string, error) {
	return h.post(ctx, "/publish", offer)
}

func (h overHTTP) subscribe(ctx context.Context, offer string) (string, error) {
	return h.post(ctx, "/subscribe", offer)
}

func (h overHTTP) post(ctx context.Context, path, offer string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, strings.NewReader(offer))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return string(body), err
}

// kurento signals to the media server over the Kurento Protocol. The server's candidates are not waited for: it checks
// those of the offer, and the client learns its address from that (RFC 8445 section 7.3.1.3).
type kurento struct {
	rpc *jsonrpc.Client
	room
}

// room is where the publisher is; empty in the publisher's own process, and with the baseline.
type room struct{ Pipeline, Source string }

type object = map[string]any

func dialKurento(ctx context.Context, address string, r room) (*kurento, error) {
	conn, err := ws.Dial(ctx, "ws://"+address+"/kurento", ws.Config{})
	if err != nil {
		return nil, err
	}
	return &kurento{rpc: jsonrpc.NewClient(conn, nil), room: r}, nil
}

func (k *kurento) publish(ctx context.Context, offer string) (answer string, err error) {
	if k.Pipeline, err = k.pipeline(ctx); err != nil {
		return "", err
	}
	if k.Source, err = k.endpoint(ctx); err != nil {
		return "", err
	}
	return k.negotiate(ctx, k.Source, offer)
}

func (k *kurento) subscribe(ctx context.Context, offer string) (string, error) {
	if k.Source == "" {
		return "", errors.New("there is no publisher")
	}
	endpoint, err := k.endpoint(ctx)
	if err != nil {
		return "", err
	}
	if _, err := k.invoke(ctx, k.Source, "connect", object{"sink": endpoint}); err != nil {
		return "", err
	}
	return k.negotiate(ctx, endpoint, offer)
}

func (k *kurento) pipeline(ctx context.Context) (string, error) {
	return k.call(ctx, "create", object{"type": "MediaPipeline", "constructorParams": object{}})
}

func (k *kurento) endpoint(ctx context.Context) (string, error) {
	return k.call(ctx, "create", object{
		"type": "WebRtcEndpoint", "constructorParams": object{"mediaPipeline": k.Pipeline},
	})
}

func (k *kurento) negotiate(ctx context.Context, endpoint, offer string) (string, error) {
	answer, err := k.invoke(ctx, endpoint, "processOffer", object{"offer": offer})
	if err != nil {
		return "", err
	}
	_, err = k.invoke(ctx, endpoint, "gatherCandidates", nil)
	return answer, err
}

func (k *kurento) invoke(ctx context.Context, id, operation string, params object) (string, error) {
	return k.call(ctx, "invoke", object{"object": id, "operation": operation, "operationParams": params})
}

func (k *kurento) call(ctx context.Context, method string, params object) (string, error) {
	var result struct {
		Value any `json:"value"`
	}
	if err := k.rpc.Call(ctx, method, params, &result); err != nil {
		return "", fmt.Errorf("%s: %w", method, err)
	}
	text, _ := result.Value.(string)
	return text, nil
}
