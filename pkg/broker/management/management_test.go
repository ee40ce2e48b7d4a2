package management_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/broker/management"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// furnish declares what a survey is to find: more queues than fit on one page.
func furnish(t *testing.T, b broker.Broker) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.DeclareQueue(t.Context(), broker.Queue{Name: "foreign"}))
	must(b.DeclareExchange(t.Context(), "foreign.users"))
	must(b.DeclareQueue(t.Context(), broker.Queue{Name: "own.expires/with.slash", Expires: time.Hour}))
	must(b.DeclareExchange(t.Context(), "own.empty"))
	must(b.DeclareExchange(t.Context(), "own.users"))
	for i := range 502 {
		name := fmt.Sprintf("own.%03d", i)
		must(b.DeclareQueue(t.Context(), broker.Queue{Name: name, MaxLength: 10}))
		if i < 2 {
			must(b.Bind(t.Context(), name, "own.users"))
		}
	}
}

// TestSurvey compares what RabbitMQ tells with what the broker in memory tells of the same.
func TestSurvey(t *testing.T) {
	node := rabbit.StartManaged(t)
	log := slog.New(slog.DiscardHandler)
	real, err := amqp.Open(t.Context(), amqp.Config{URL: node.URL()}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = real.Close() })
	testkit.Eventually(t, real.Ready)
	model := memory.New(log)
	t.Cleanup(func() { _ = model.Close() })
	furnish(t, real)
	furnish(t, model)
	client, err := management.New(node.ManagementURL(), node.URL())
	if err != nil {
		t.Fatal(err)
	}
	want, err := model.Survey(t.Context(), "own.")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { // the plugin starts to answer after the broker
		got, err := client.Survey(t.Context(), "own.")
		if err != nil {
			return err
		}
		if difference := cmp.Diff(want, got); difference != "" {
			return errors.New(difference)
		}
		return nil
	})
}

func TestNew_RefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "amqp://host", "host:15672", "http://user:secret@host:port"} {
		if _, err := management.New(url, ""); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

func TestSurvey_SaysWhatIsWrong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/api/queues/%2F" && r.URL.EscapedPath() != "/api/queues/a%2Fb" {
			t.Errorf("asked for %s", r.URL.EscapedPath())
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	for _, amqp := range []string{"amqp://guest@host", "amqp://guest@host/", "amqp://guest@host/a%2Fb"} {
		client, err := management.New(server.URL, amqp)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Survey(t.Context(), "")
		if !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), "401") {
			t.Errorf("got %v", err)
		}
	}
}
