// Package ws carries JSON-RPC over WebSocket (RFC 6455): one message a frame, written as text, read as text or binary.
package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

const (
	// maxFrameBytes bounds a message that is read; chosen: eight times the largest SDP.
	maxFrameBytes = 1 << 20
	// maxQueuedFrames and maxQueuedBytes bound what waits to be written; a peer that is this far behind is cut off.
	maxQueuedFrames = 4096
	maxQueuedBytes  = 8 << 20
	// readAhead is how many messages are read before they are asked for, so that pings, which reading answers, are
	// answered also while the reader is busy.
	readAhead = 64
	// writeTimeout bounds one write; chosen: a peer that takes nothing for so long is gone.
	writeTimeout = 10 * time.Second
	// closeTimeout bounds writing the rest and the closing handshake.
	closeTimeout = time.Second
)

// Reasons why a connection was cut off.
var (
	ErrSlowPeer       = errors.New("ws: the peer does not take its messages")
	ErrUnansweredPing = errors.New("ws: a ping was not answered")
)

// Config says how a connection notices that its peer is gone without closing.
type Config struct {
	PingInterval time.Duration // between two pings; 0: none are sent
	PingTimeout  time.Duration // how long a pong may take
}

// Conn is a [jsonrpc.Conn] over one WebSocket.
type Conn struct {
	socket *websocket.Conn
	in     chan []byte
	out    chan []byte
	queued atomic.Int64 // bytes in out

	once    sync.Once
	closing chan struct{} // closed by the first end
	cause   error         // written before closing is closed; nil after Close
	loops   sync.WaitGroup
}

// Accept upgrades an HTTP request. Pages of other origins are refused unless their host matches one of origins, see
// [websocket.AcceptOptions]. On an error the request has been answered.
func Accept(w http.ResponseWriter, r *http.Request, origins []string, c Config) (*Conn, error) {
	if strings.EqualFold(r.Header.Get("Origin"), r.Host) {
		// Programs with an old WebSocket library, Kurento's JavaScript client among them, send the bare host. A page's
		// origin has a scheme.
		r = r.Clone(r.Context())
		r.Header.Del("Origin")
	}
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: origins})
	if err != nil {
		return nil, fmt.Errorf("accept a WebSocket: %w", err)
	}
	return newConn(context.WithoutCancel(r.Context()), socket, c), nil
}

// Dial connects to the server at url (ws or wss).
func Dial(ctx context.Context, url string, c Config) (*Conn, error) {
	socket, _, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // the library says it need not be closed
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	return newConn(context.WithoutCancel(ctx), socket, c), nil
}

// newConn starts the loops; ctx, which never ends, is what their reads and writes derive from.
func newConn(ctx context.Context, socket *websocket.Conn, config Config) *Conn {
	socket.SetReadLimit(maxFrameBytes)
	c := &Conn{
		socket:  socket,
		in:      make(chan []byte, readAhead),
		out:     make(chan []byte, maxQueuedFrames),
		closing: make(chan struct{}),
	}
	c.loops.Go(func() { c.read(ctx) })
	c.loops.Go(func() { c.write(ctx) })
	if config.PingInterval > 0 {
		c.loops.Go(func() { c.ping(ctx, config) })
	}
	return c
}

// Read waits for the next message.
func (c *Conn) Read() ([]byte, error) {
	select {
	case frame := <-c.in:
		return frame, nil
	default:
	}
	select {
	case frame := <-c.in:
		return frame, nil
	case <-c.closing:
		if c.cause != nil {
			return nil, c.cause
		}
		return nil, jsonrpc.ErrClosed
	}
}

// Write queues a message.
func (c *Conn) Write(frame []byte) error {
	select {
	case <-c.closing:
		return jsonrpc.ErrClosed
	default:
	}
	if c.queued.Add(int64(len(frame))) <= maxQueuedBytes {
		select {
		case c.out <- frame:
			return nil
		default:
		}
	}
	c.queued.Add(-int64(len(frame)))
	c.end(ErrSlowPeer)
	return ErrSlowPeer
}

// Close writes what is queued, says goodbye and waits for the end, at most about a second.
func (c *Conn) Close() error {
	c.end(nil)
	c.loops.Wait()
	return nil
}

// end makes the loops stop; the first cause counts.
func (c *Conn) end(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.closing)
	})
}

// read fetches messages until the socket ends.
func (c *Conn) read(ctx context.Context) {
	for {
		_, frame, err := c.socket.Read(ctx)
		if err != nil {
			c.end(err)
			return
		}
		select {
		case c.in <- frame:
		case <-c.closing:
			return
		}
	}
}

// write owns writing and the end of the socket.
func (c *Conn) write(ctx context.Context) {
	defer func() { _ = c.socket.CloseNow() }()
	for {
		select {
		case frame := <-c.out:
			if err := c.writeFrame(ctx, frame, writeTimeout); err != nil {
				c.end(err)
				return
			}
		case <-c.closing:
			if c.cause == nil {
				c.finish(ctx)
			}
			return
		}
	}
}

func (c *Conn) writeFrame(ctx context.Context, frame []byte, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c.queued.Add(-int64(len(frame)))
	return c.socket.Write(ctx, websocket.MessageText, frame)
}

// finish writes what is left and performs the closing handshake.
func (c *Conn) finish(ctx context.Context) {
	cut := time.AfterFunc(closeTimeout, func() { _ = c.socket.CloseNow() })
	defer cut.Stop()
	for {
		select {
		case frame := <-c.out:
			if c.writeFrame(ctx, frame, closeTimeout) != nil {
				return
			}
		default:
			_ = c.socket.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// ping notices a peer that is gone without a word, or stopped.
func (c *Conn) ping(ctx context.Context, config Config) {
	ticker := time.NewTicker(config.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			pong, cancel := context.WithTimeout(ctx, config.PingTimeout)
			err := c.socket.Ping(pong)
			cancel()
			if err != nil {
				c.end(fmt.Errorf("%w: %w", ErrUnansweredPing, err))
				return
			}
		case <-c.closing:
			return
		}
	}
}
