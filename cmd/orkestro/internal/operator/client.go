// Package operator is the HTTP API as the operator's commands use it. It knows the API's shapes and problem documents,
// and nothing of how they are printed.
package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// requestTimeout is longer than the 5 s that the API takes to give up on a request (HTTP API contract).
	requestTimeout = 15 * time.Second
	// maxResponseBytes is far beyond a page of 200 sessions with 4 KiB of metadata each.
	maxResponseBytes = 8 << 20
	// pageSize is the largest that the API gives.
	pageSize = 200
)

// Client calls the API of one fleet with an API key. Safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New is a client of the API at base, such as http://127.0.0.1:8080.
func New(base, key string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), key: key, http: &http.Client{Timeout: requestTimeout}}
}

// get reads path into v.
func (c *Client) get(ctx context.Context, path string, v any) error {
	return c.call(ctx, http.MethodGet, path, nil, v)
}

// call makes one request; body nil: without one, v nil: its answer's is not wanted. A refusal is a [*ProblemError].
func (c *Client) call(ctx context.Context, method, path string, body, v any) error {
	sent := io.Reader(http.NoBody)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, sent)
	if err != nil || request.URL.Host == "" {
		return fmt.Errorf("--url: %q is no address of an API, such as http://127.0.0.1:8080", c.base)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Accept", "application/json, application/problem+json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("the API at %s cannot be reached (is the fleet running? see --url): %w", c.base, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes))
	if err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return newProblem(response, answer)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("the answer to %s %s is not what the API promises: %w", method, path, err)
	}
	return nil
}

// page is one page of a list of the API.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// list reads the pages of a list until limit items are there; 0 means all of them.
func list[T any](ctx context.Context, c *Client, path string, query url.Values, limit int) ([]T, error) {
	items := []T{}
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-len(items))
		}
		query.Set("limit", fmt.Sprint(size))
		var p page[T]
		if err := c.get(ctx, path+"?"+query.Encode(), &p); err != nil {
			return nil, err
		}
		items = append(items, p.Items...)
		if p.Next == "" || limit > 0 && len(items) >= limit {
			return items, nil
		}
		query.Set("cursor", p.Next)
	}
}
