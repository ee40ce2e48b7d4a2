package mongo

//nolint:depguard // the wire protocol, to stand between a process and its database
import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// Mortal is the deployment at address as a process sees it whose every write may be its last: pass is asked before the
// write reaches the database and once more before its result comes back, and may wait. An error of pass is what the
// process gets instead. The deployment is one node.
func Mortal(tb testing.TB, address string, pass func(step string) error) string {
	tb.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	m := &mortal{listener: listener, database: parsed.Host, pass: pass, open: map[net.Conn]bool{}}
	m.running.Go(m.accept)
	tb.Cleanup(m.close)
	return "mongodb://" + listener.Addr().String() + "/?directConnection=true"
}

// mortal passes the frames of the wire protocol (MongoDB Wire Protocol, OP_MSG) on.
type mortal struct {
	listener net.Listener
	database string
	pass     func(step string) error
	running  sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func (m *mortal) close() {
	m.mu.Lock()
	m.closed = true
	_ = m.listener.Close()
	for c := range m.open {
		_ = c.Close()
	}
	m.mu.Unlock()
	m.running.Wait()
}

func (m *mortal) accept() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.database) //nolint:noctx // to this machine
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &line{client: client, server: server, pass: m.pass, writes: map[uint32]string{}}
		if !m.track(client, server) {
			return
		}
		for _, copying := range []func() error{l.requests, l.replies} {
			m.running.Go(func() {
				_ = copying() // ends with either end of the line
				_, _ = client.Close(), server.Close()
				m.forget(client, server)
			})
		}
	}
}

func (m *mortal) track(connections ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range connections {
		if m.closed {
			_ = c.Close()
		}
		m.open[c] = true
	}
	return !m.closed
}

func (m *mortal) forget(connections ...net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range connections {
		delete(m.open, c)
	}
}

// line is one connection.
type line struct {
	client, server net.Conn
	pass           func(step string) error

	mu     sync.Mutex
	writes map[uint32]string // on their way, by the id of the request
}

const (
	headerSize = 16
	opMsg      = 2013
	// maxFrame is more than any frame of the protocol (maxMessageSizeBytes).
	maxFrame = 64 << 20
)

// frame is one message with its header.
type frame []byte

func (f frame) request() uint32    { return binary.LittleEndian.Uint32(f[4:]) }
func (f frame) responseTo() uint32 { return binary.LittleEndian.Uint32(f[8:]) }

func readFrame(r io.Reader) (frame, error) {
	header := make(frame, headerSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > maxFrame {
		return nil, errors.New("mongo: that is no frame")
	}
	f := make(frame, size)
	copy(f, header)
	_, err := io.ReadFull(r, f[headerSize:])
	return f, err
}

// write is "update sessions" and the like for a command that writes, "" for another.
func (f frame) write() string {
	const body = headerSize + 5 // flags, kind of section
	if binary.LittleEndian.Uint32(f[12:]) != opMsg || len(f) < body || f[body-1] != 0 {
		return ""
	}
	first, err := bson.Raw(f[body:]).IndexErr(0)
	if err != nil {
		return ""
	}
	collection, _ := first.Value().StringValueOK()
	switch command := first.Key(); command {
	case "insert", "update", "delete", "findAndModify":
		return command + " " + collection
	default:
		return ""
	}
}

func (l *line) requests() error {
	for {
		f, err := readFrame(l.client)
		if err != nil {
			return err
		}
		if what := f.write(); what != "" {
			if err := l.pass("before " + what); err != nil {
				if err := l.refuse(f.request(), err); err != nil {
					return err
				}
				continue
			}
			l.mu.Lock()
			l.writes[f.request()] = what
			l.mu.Unlock()
		}
		if _, err := l.server.Write(f); err != nil {
			return err
		}
	}
}

func (l *line) replies() error {
	for {
		f, err := readFrame(l.server)
		if err != nil {
			return err
		}
		l.mu.Lock()
		what := l.writes[f.responseTo()]
		delete(l.writes, f.responseTo())
		l.mu.Unlock()
		if what != "" {
			if err := l.pass("after " + what); err != nil {
				if err := l.refuse(f.responseTo(), err); err != nil {
					return err
				}
				continue
			}
		}
		if _, err := l.client.Write(f); err != nil {
			return err
		}
	}
}

// refuse answers a request with an error that no driver retries.
func (l *line) refuse(request uint32, reason error) error {
	const unknownError = 8
	body, err := bson.Marshal(bson.D{
		{Key: "ok", Value: 0.0}, {Key: "code", Value: unknownError}, {Key: "errmsg", Value: reason.Error()},
	})
	if err != nil {
		return err
	}
	f := make(frame, headerSize+5, headerSize+5+len(body))
	f = append(f, body...)
	binary.LittleEndian.PutUint32(f, uint32(len(f)))
	binary.LittleEndian.PutUint32(f[8:], request)
	binary.LittleEndian.PutUint32(f[12:], opMsg)
	_, err = l.client.Write(f)
	return err
}
