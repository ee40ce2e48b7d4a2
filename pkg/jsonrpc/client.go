package jsonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
)

// Client calls methods of the other side of a connection. Safe for concurrent use.
type Client struct {
	conn   Conn
	notify func(method string, params json.RawMessage)
	done   chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	nextID  int64
	pending map[int64]chan Message // nil once the connection is lost
	err     error                  // why it was lost
}

// NewClient takes conn over. notify, which may be nil, gets the notifications, in order and by the goroutine that also
// reads the answers: it must not wait. Close ends the client and its goroutine.
func NewClient(conn Conn, notify func(method string, params json.RawMessage)) *Client {
	c := &Client{conn: conn, notify: notify, done: make(chan struct{}), pending: make(map[int64]chan Message)}
	go c.read()
	return c
}

// Done is closed as soon as the connection is lost or closed.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection was lost, nil while it is not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; calls that wait get [ErrClosed].
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Call asks for method and decodes its result into result, which may be nil. Errors: an [Error] that the other side
// answered, [ErrClosed], or ctx's, after which the call may still take effect.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("jsonrpc: encode the parameters of %s: %w", method, err)
	}
	id, answer, err := c.register()
	if err != nil {
		return err
	}
	defer c.forget(id)
	frame, err := encode(Message{
		ID: json.RawMessage(strconv.FormatInt(id, 10)), Method: method, Params: raw, TraceParent: TraceParent(ctx),
	})
	if err != nil {
		return fmt.Errorf("jsonrpc: encode the call of %s: %w", method, err)
	}
	if err := c.conn.Write(frame); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return ErrClosed
		}
		return decodeAnswer(method, m, result)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func decodeAnswer(method string, m Message, result any) error {
	if m.Error != nil {
		return m.Error
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("jsonrpc: decode the result of %s: %w", method, err)
	}
	return nil
}

func (c *Client) register() (int64, chan Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		return 0, nil, ErrClosed
	}
	id := c.nextID
	c.nextID++
	// Room for the one answer, so that the reader never waits for a caller.
	answer := make(chan Message, 1)
	c.pending[id] = answer
	return id, answer, nil
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

func (c *Client) read() {
	for {
		frame, err := c.conn.Read()
		if err != nil {
			c.fail(err)
			close(c.done)
			_ = c.conn.Close()
			return
		}
		m, err := Decode(frame)
		switch {
		case err != nil:
			// The call it may have answered ends by its deadline.
		case m.Method == "":
			c.deliver(m)
		case m.ID == nil && c.notify != nil:
			c.notify(m.Method, m.Params)
		}
	}
}

func (c *Client) deliver(m Message) {
	id, err := strconv.ParseInt(string(m.ID), 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, ok := c.pending[id]; ok {
		delete(c.pending, id)
		answer <- m
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, answer := range c.pending {
		close(answer)
	}
	c.pending = nil
}
