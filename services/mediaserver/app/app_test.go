package app_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/services/mediaserver/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// process is a media server as a program would run it.
type process struct {
	address string
	stop    func() error // may be called again
	kill    func() error
}

func start(t *testing.T, cfg app.Config, deps app.Deps) *process {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	listening, ended := make(chan string, 1), make(chan error, 1)
	deps.Listening = func(address string) { listening <- address }
	ctx, end := context.WithCancelCause(context.Background())
	go func() { ended <- app.Run(ctx, cfg, deps, silent()) }()
	p := &process{}
	stopped := false
	endWith := func(cause error) error {
		if stopped {
			return nil
		}
		stopped = true
		end(cause)
		return <-ended
	}
	p.stop = func() error { return endWith(nil) }
	p.kill = func() error { return endWith(app.ErrKilled) }
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case p.address = <-listening:
	case err := <-ended:
		stopped = true
		t.Fatalf("the server did not start: %v", err)
	}
	return p
}

func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + p.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (p *process) connect(t *testing.T, pool *mediaclient.Pool) *mediaclient.Client {
	t.Helper()
	client, err := pool.Connect(t.Context(), "ws://"+p.address+"/kurento")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newPool(t *testing.T) *mediaclient.Pool {
	t.Helper()
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, silent())
	t.Cleanup(pool.Close)
	return pool
}

// videoOffer is the offer of a client that publishes one video track.
func videoOffer(t *testing.T) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "camera")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = pc.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

func TestRun_StandAlone(t *testing.T) {
	p := start(t, app.Config{}, app.Deps{})
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/metrics": "orkestro_mediaserver_pipelines 0",
	} {
		if status, body := p.get(t, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := p.get(t, "/elsewhere"); status != http.StatusNotFound {
		t.Errorf("unknown path: %d", status)
	}
	client := p.connect(t, newPool(t))
	if _, err := client.CreatePipeline(t.Context(), mediaapi.PipelineParams{}); err != nil {
		t.Fatal(err)
	}
	if _, body := p.get(t, "/metrics"); !strings.Contains(body, "orkestro_mediaserver_pipelines 1") ||
		!strings.Contains(body, `orkestro_mediaserver_rpc_duration_seconds_count{operation="create",result="ok"} 1`) {
		t.Errorf("metrics %s", body)
	}
	if err := p.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	<-client.Closed()
}

func TestRun_RefusesHalfAFleet(t *testing.T) {
	cfg := app.Config{Listen: "127.0.0.1:0", MongoURL: "mongodb://127.0.0.1:1"}
	if err := app.Run(t.Context(), cfg, app.Deps{}, silent()); err == nil {
		t.Error("a database without a broker was accepted")
	}
}

func TestRun_NamesTheSettingThatIsWrong(t *testing.T) {
	const broker, database = "amqp://127.0.0.1:1", "mongodb://127.0.0.1:1"
	wrongIP := app.Config{}
	wrongIP.Media.PublicIPs = []string{"192.0.2.1", "example.org"}
	wrongPorts := app.Config{}
	wrongPorts.Media.RTPPorts = "5"
	for flag, cfg := range map[string]app.Config{
		"--media-rtp-ports":  wrongPorts,
		"--amqp-url":         {AMQPURL: "http://x", MongoURL: database},
		"--mongo-url":        {AMQPURL: broker, MongoURL: "http://x"},
		"--url":              {URL: "http://x"},
		"--capacity":         {Capacity: -1},
		"--media-public-ips": wrongIP,
		"--listen":           {Listen: "nowhere"},
	} {
		if cfg.Listen == "" {
			cfg.Listen = "127.0.0.1:0"
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := app.Run(ctx, cfg, app.Deps{}, silent())
		cancel()
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// Every call that a Wrapper makes, and made again as after a redelivery.
func TestClient_CallsAreIdempotent(t *testing.T) {
	p := start(t, app.Config{}, app.Deps{})
	pool, ctx := newPool(t), t.Context()
	client := p.connect(t, pool)
	if again := p.connect(t, pool); again != client {
		t.Error("the pool dialled twice")
	}
	twice := func(what string, call func() (string, error)) string {
		t.Helper()
		first, err := call()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if second, err := call(); err != nil || second != first {
			t.Errorf("%s again: %q, %v, want %q", what, second, err, first)
		}
		return first
	}
	pipeline := twice("pipeline", func() (string, error) {
		return client.CreatePipeline(ctx, mediaapi.PipelineParams{Session: "s", Epoch: 3})
	})
	publish := twice("publish endpoint", func() (string, error) {
		return client.CreatePublishEndpoint(ctx, mediaapi.EndpointParams{MediaPipeline: pipeline, User: "a", Join: "j"})
	})
	subscribe := twice("subscribe endpoint", func() (string, error) {
		return client.CreateSubscribeEndpoint(ctx, mediaapi.EndpointParams{MediaPipeline: pipeline, User: "b", Join: "j"})
	})
	offer := mediaapi.ProcessOffer{Offer: videoOffer(t), Seq: 1}
	var streams []mediaapi.PublishedStream
	twice("offer", func() (string, error) {
		processed, err := client.ProcessOffer(ctx, publish, offer)
		streams = processed.Streams
		return processed.Answer, err
	})
	if len(streams) != 1 || streams[0].ID != control.StreamIDFor("a", "camera") {
		t.Fatalf("streams %v", streams)
	}
	for what, call := range map[string]func() error{
		"pause": func() error {
			return client.SetPaused(ctx, publish, mediaapi.SetPaused{Stream: streams[0].ID, PausedKinds: []string{"video"}})
		},
		"candidates": func() error {
			return client.AddICECandidates(ctx, publish, mediaapi.AddICECandidates{End: true})
		},
		"subscriptions": func() error {
			return client.SetSubscriptions(ctx, subscribe, mediaapi.SetSubscriptions{
				Subscriptions: control.Subscriptions{Mode: control.SubscribeList},
			})
		},
		"offer on request": func() error { return client.RequestOffer(ctx, subscribe, mediaapi.RequestOffer{}) },
		"stop":             func() error { return client.Stop(ctx, subscribe, mediaapi.Stop{}) },
	} {
		for range 2 {
			if err := call(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	list, err := client.Pipelines(ctx)
	if err != nil || len(list) != 1 || list[0] != (mediaapi.FleetPipeline{ID: pipeline, Session: "s", Epoch: 3}) {
		t.Errorf("pipelines %v, %v", list, err)
	}
	for range 2 {
		if err := client.ReleaseObject(ctx, pipeline); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if err := client.Stop(ctx, subscribe, mediaapi.Stop{}); !mediaclient.IsNotFound(err) {
		t.Errorf("call to a released endpoint: %v", err)
	}
}

func TestClient_NoticesDeathAtOnce(t *testing.T) {
	p := start(t, app.Config{}, app.Deps{})
	pool := newPool(t)
	client := p.connect(t, pool)
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	<-client.Closed()
	t.Logf("closed %s after the stop began", time.Since(began))
	if _, err := client.Pipelines(t.Context()); control.CodeOf(err) != control.CodeUnavailable {
		t.Errorf("call on a lost connection: %v", err)
	}
	if _, err := pool.Connect(t.Context(), client.URL()); control.CodeOf(err) != control.CodeUnavailable {
		t.Errorf("connecting to a dead server: %v", err)
	}
	pool.Close()
	if _, err := pool.Connect(t.Context(), client.URL()); control.CodeOf(err) != control.CodeUnavailable {
		t.Errorf("connecting with a closed pool: %v", err)
	}
}

// Pages of other origins may not reach a media server through a visitor's browser.
func TestRun_RefusesForeignPages(t *testing.T) {
	p := start(t, app.Config{AllowedOrigins: []string{"friend.example"}}, app.Deps{})
	for origin, want := range map[string]int{
		"https://foe.example": http.StatusForbidden, "https://friend.example": http.StatusSwitchingProtocols,
	} {
		request, err := http.NewRequest(http.MethodGet, "http://"+p.address+"/kurento", nil)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{
			"Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			request.Header.Set(key, value)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("origin %s: %d", origin, response.StatusCode)
		}
	}
}

// A client that has opened a connection in advance and asks nothing on it keeps no server from stopping well.
func TestStop_ConnectionWithoutRequest(t *testing.T) {
	p := start(t, app.Config{}, app.Deps{})
	connection, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	p.get(t, "/healthz") // answered on a connection that was accepted after ours
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}
