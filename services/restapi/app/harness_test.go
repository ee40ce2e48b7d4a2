package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
	"github.com/orkestro/orkestro/services/restapi/app"
)

const (
	apiKey      = "devkey"
	tokenSecret = "a secret of at least sixteen bytes"

	// rabbitVariable makes these tests run against a RabbitMQ node of their own.
	rabbitVariable = "ORKESTRO_TEST_RABBITMQ"
)

// fleet is real REST replicas over an in-memory broker and an embedded store, with a stand-in for the Wrappers.
type fleet struct {
	tb       testing.TB
	broker   broker.Broker
	store    *store.Store
	wrapper  *wrapper
	replicas []*replicaUnderTest
}

// replicaUnderTest is one running REST replica.
type replicaUnderTest struct {
	url  string
	stop func() error
}

// newFleet runs n replicas; change may alter their settings.
func newFleet(tb testing.TB, n int, change func(*app.Config)) *fleet {
	tb.Helper()
	url, database := mongo.URL(tb)
	db, err := store.Open(tb.Context(), url, database)
	if err != nil {
		tb.Fatalf("open the store: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close(context.Background()) })
	log := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	f := &fleet{tb: tb, broker: openBroker(tb, log), store: db}
	tb.Cleanup(func() { _ = f.broker.Close() })
	f.wrapper = startWrapper(tb, f.broker, db)
	for i := range n {
		cfg := app.Config{
			ID: fmt.Sprintf("restapi-%d", i+1), Listen: "127.0.0.1:0", MongoURL: url, MongoDatabase: database,
			APIKeys: []string{"backend:" + apiKey, "operator:otherkey"}, TokenSecret: tokenSecret, TokenTTL: time.Hour,
			UserRate: 5000, UserBurst: 5000, KeyBurst: 1, EmptyTimeout: time.Minute, MailboxIdle: 30 * time.Second,
			MaxMailboxes: 100, CORSOrigins: []string{"https://app.example"},
		}
		if change != nil {
			change(&cfg)
		}
		f.replicas = append(f.replicas, startReplica(tb, cfg, f.broker, log))
	}
	return f
}

// openBroker is RabbitMQ if rabbitVariable says so, else the broker in memory.
func openBroker(tb testing.TB, log *slog.Logger) broker.Broker {
	tb.Helper()
	if os.Getenv(rabbitVariable) == "" {
		return memory.New(log)
	}
	b, err := amqp.Open(tb.Context(), amqp.Config{URL: rabbit.Shared(tb).URL()}, log)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func startReplica(tb testing.TB, cfg app.Config, b broker.Broker, log *slog.Logger) *replicaUnderTest {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, cfg, app.Deps{Broker: b, Listening: func(address string) { listening <- address }}, log)
	}()
	r := &replicaUnderTest{}
	var result error
	stopped := false
	r.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
		}
		return result
	}
	select {
	case address := <-listening:
		r.url = "http://" + address
	case err := <-ended:
		tb.Fatalf("the replica ended: %v", err)
	}
	tb.Cleanup(func() {
		if err := r.stop(); err != nil {
			tb.Errorf("stop the replica: %v", err)
		}
	})
	testkit.Eventually(tb, func() error {
		response, err := http.Get(r.url + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", body)
		}
		return nil
	})
	return r
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) decode(tb interface {
	Helper()
	Fatalf(format string, args ...any)
}, into any,
) {
	tb.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		tb.Fatalf("decode %s: %v", a.body, err)
	}
}

// call sends a request to the first replica; options are pairs of header name and value.
func (f *fleet) call(bearer, method, path string, body any, headers ...string) answer {
	f.tb.Helper()
	return f.callAt(0, bearer, method, path, body, headers...)
}

func (f *fleet) callAt(replica int, bearer, method, path string, body any, headers ...string) answer {
	f.tb.Helper()
	a, err := send(f.tb.Context(), f.replicas[replica].url, bearer, method, path, body, headers...)
	if err != nil {
		f.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func send(
	ctx context.Context, base, bearer, method, path string, body any, headers ...string,
) (answer, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, reader)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: text}, err
}

// must is call with the expected status.
func (f *fleet) must(status int, bearer, method, path string, body any, headers ...string) answer {
	f.tb.Helper()
	a := f.call(bearer, method, path, body, headers...)
	if a.status != status {
		f.tb.Fatalf("%s %s: got %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// problem checks that an answer is a problem document of this status and code.
func (f *fleet) problem(a answer, status int, code string) {
	f.tb.Helper()
	var p struct {
		Type, Title, Code, Detail, Instance string
		Status                              int
	}
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		f.tb.Fatalf("got %d %s %s, want problem %d %s", a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
	a.decode(f.tb, &p)
	if p.Status != status || p.Code != code || p.Type == "" || p.Title == "" || p.Detail == "" || p.Instance == "" {
		f.tb.Fatalf("got %s, want a whole problem %d %s", a.body, status, code)
	}
}

type object = map[string]any

// session makes a session and gives its id.
func (f *fleet) session() string {
	f.tb.Helper()
	var created struct{ ID string }
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions", object{}).decode(f.tb, &created)
	return created.ID
}

// user joins a user and gives its path and token.
func (f *fleet) user(session, id string) (path, token string) {
	f.tb.Helper()
	var joined struct{ Token string }
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions/"+session+"/users", object{"id": id}).decode(f.tb, &joined)
	return "/v1/sessions/" + session + "/users/" + id, joined.Token
}

type polled struct {
	Messages []struct {
		ID, Type, From string
		Data           json.RawMessage
	}
	Cursor string
}

func (p polled) types() []string {
	types := []string{}
	for _, m := range p.Messages {
		types = append(types, m.Type)
	}
	return types
}

// poll polls with a query such as "wait=5s".
func (f *fleet) poll(token, path, query string) polled {
	f.tb.Helper()
	var p polled
	f.must(http.StatusOK, token, "GET", path+"/messages?"+query, nil).decode(f.tb, &p)
	return p
}
