package ws_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves each connection with handle, and gives the url.
func listen(t *testing.T, config ws.Config, handle func(*ws.Conn)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil, config)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		handle(conn)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func echo(conn *ws.Conn) {
	for {
		frame, err := conn.Read()
		if err != nil {
			return
		}
		_ = conn.Write(frame)
	}
}

func dial(t *testing.T, url string, config ws.Config) *ws.Conn {
	t.Helper()
	conn, err := ws.Dial(t.Context(), url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestConn_EchoesAndCloses(t *testing.T) {
	ended := make(chan struct{})
	conn := dial(t, listen(t, ws.Config{}, func(c *ws.Conn) { echo(c); close(ended) }), ws.Config{})
	for _, text := range []string{"one", "two"} {
		if err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"one", "two"} {
		if got, err := conn.Read(); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_ = conn.Close()
	<-ended
	if conn.Write([]byte("late")) == nil {
		t.Error("a closed connection took a message")
	}
}

func TestConn_ReadsBinaryAndAnswersText(t *testing.T) {
	url := listen(t, ws.Config{}, echo)
	socket, _, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // the library says it need not be
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(t.Context(), websocket.MessageBinary, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	kind, got, err := socket.Read(t.Context())
	if err != nil || kind != websocket.MessageText || string(got) != "{}" {
		t.Errorf("got %v %q %v", kind, got, err)
	}
}

func TestConn_RefusesHugeFrames(t *testing.T) {
	ended := make(chan struct{})
	conn := dial(t, listen(t, ws.Config{}, func(c *ws.Conn) { echo(c); close(ended) }), ws.Config{})
	_ = conn.Write(bytes.Repeat([]byte("x"), 1<<20+1))
	<-ended
}

func TestConn_CutsSlowPeerOff(t *testing.T) {
	result := make(chan error, 1)
	url := listen(t, ws.Config{}, func(c *ws.Conn) {
		frame := bytes.Repeat([]byte("x"), 64<<10)
		for {
			if err := c.Write(frame); err != nil {
				result <- err
				return
			}
		}
	})
	socket, _, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // the library says it need not be
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := <-result; !errors.Is(err, ws.ErrSlowPeer) {
		t.Errorf("error %v", err)
	}
}

// A peer that has stopped (SIGSTOP, lost network) keeps its socket open and answers nothing.
func TestConn_NoticesSilentPeer(t *testing.T) {
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		<-silent // pings are answered by reading only
		_ = socket.CloseNow()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(silent) })
	conn := dial(t, "ws"+strings.TrimPrefix(server.URL, "http"),
		ws.Config{PingInterval: 10 * time.Millisecond, PingTimeout: 50 * time.Millisecond})
	if _, err := conn.Read(); !errors.Is(err, ws.ErrUnansweredPing) {
		t.Errorf("error %v", err)
	}
}

func TestDial_FailsWithoutServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + listener.Addr().String()
	_ = listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := ws.Dial(ctx, url, ws.Config{}); err == nil {
		t.Error("dialled nobody")
	}
}

func TestAccept_Origins(t *testing.T) {
	url := listen(t, ws.Config{}, echo)
	host := strings.TrimPrefix(url, "ws://")
	for origin, accepted := range map[string]bool{
		"":                    true,
		host:                  true, // Kurento's JavaScript client
		"http://" + host:      true,
		"http://evil.example": false,
		"evil.example":        false,
		"null":                false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, response, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: header})
		if response != nil && response.Body != nil {
			_ = response.Body.Close()
		}
		if conn != nil {
			_ = conn.CloseNow()
		}
		if (err == nil) != accepted {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}
