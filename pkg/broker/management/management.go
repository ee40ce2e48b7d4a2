// Package management asks RabbitMQ's management plugin what there is on a broker, which AMQP cannot tell. Operators'
// tools use it; no service does.
package management

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

const (
	timeout  = 30 * time.Second // of one answer: the API is slow on a broker with many thousands of queues
	pageSize = 500
	// maxAnswer bounds one answer; a queue or binding takes some hundred bytes of it.
	maxAnswer = 256 << 20
)

// Client asks the management API of one RabbitMQ about one virtual host. Safe for concurrent use.
type Client struct {
	base  *url.URL // with the account
	vhost string
	http  *http.Client
}

var _ broker.Surveyor = (*Client)(nil)

// New is a client of the API at base, http://user:password@host:15672, for the virtual host of the AMQP URL.
func New(base, amqp string) (*Client, error) {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, errors.New("management URL: http://user:password@host:port is needed") // err may show the password
	}
	vhost := "/"
	if broker, err := url.Parse(amqp); err == nil && len(broker.Path) > 1 {
		vhost = broker.Path[1:]
	}
	return &Client{base: parsed, vhost: vhost, http: &http.Client{Timeout: timeout}}, nil
}

// Survey implements [broker.Surveyor].
func (c *Client) Survey(ctx context.Context, prefix string) (broker.Survey, error) {
	found := broker.Survey{Bound: map[string][]string{}}
	type queue struct {
		Name      string `json:"name"`
		Arguments struct {
			Expires int64 `json:"x-expires"` // milliseconds
		} `json:"arguments"`
	}
	queues, err := list[queue](ctx, c, "queues")
	if err != nil {
		return found, err
	}
	for _, q := range queues {
		if strings.HasPrefix(q.Name, prefix) {
			expires := time.Duration(q.Arguments.Expires) * time.Millisecond
			found.Queues = append(found.Queues, broker.SurveyedQueue{Name: q.Name, Expires: expires})
		}
	}
	type exchange struct {
		Name string `json:"name"`
	}
	exchanges, err := list[exchange](ctx, c, "exchanges")
	if err != nil {
		return found, err
	}
	for _, e := range exchanges {
		if strings.HasPrefix(e.Name, prefix) {
			found.Exchanges = append(found.Exchanges, e.Name)
		}
	}
	return found, c.bindings(ctx, prefix, found.Bound)
}

// bindings are listed at once: the API has no pages of them.
func (c *Client) bindings(ctx context.Context, prefix string, bound map[string][]string) error {
	var all []struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
	}
	if err := c.get(ctx, "bindings", nil, &all); err != nil {
		return err
	}
	for _, b := range all {
		if strings.HasPrefix(b.Source, prefix) {
			bound[b.Source] = append(bound[b.Source], b.Destination)
		}
	}
	return nil
}

// list reads all pages of a kind of object.
func list[T any](ctx context.Context, c *Client, kind string) ([]T, error) {
	var all []T
	for page := 1; ; page++ {
		var answer struct {
			Items     []T `json:"items"`
			PageCount int `json:"page_count"`
		}
		query := url.Values{
			"page": {strconv.Itoa(page)}, "page_size": {strconv.Itoa(pageSize)}, "columns": {"name,arguments"},
			"sort": {"name"}, "disable_stats": {"true"},
		}
		if err := c.get(ctx, kind, query, &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Items...)
		if page >= answer.PageCount {
			return all, nil
		}
	}
}

// get asks for the objects of a kind in the virtual host.
func (c *Client) get(ctx context.Context, kind string, query url.Values, answer any) error {
	where := c.base.JoinPath("api", kind, url.PathEscape(c.vhost))
	where.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%w: list %s: %w", broker.ErrUnavailable, kind, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: list %s: the management API says %s", broker.ErrUnavailable, kind, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("%w: list %s: %w", broker.ErrUnavailable, kind, err)
	}
	return nil
}
