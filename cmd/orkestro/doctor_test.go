package main

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// TestDoctor_FindsWhatBelongsToNothing examines a database and a RabbitMQ without a fleet, but with a queue and an
// exchange that one has left.
func TestDoctor_FindsWhatBelongsToNothing(t *testing.T) {
	node := rabbit.StartManaged(t)
	b, err := amqp.Open(t.Context(), amqp.Config{URL: node.URL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	testkit.Eventually(t, b.Ready)
	if err := b.DeclareQueue(t.Context(), broker.Queue{Name: "orkestro.session.gone"}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeclareExchange(t.Context(), "orkestro.session.gone.users"); err != nil {
		t.Fatal(err)
	}
	url, database := mongo.URL(t)
	args := []string{
		"doctor", "--json", "--pause=10ms", "--amqp-url=" + node.URL(), "--mongo-url=" + url,
		"--mongo-database=" + database, "--rabbitmq-management-url=" + node.ManagementURL(),
	}
	var report doctor.Report
	testkit.Eventually(t, func() error { // the management plugin starts to answer after the broker
		status, stdout, stderr := runCommand(args...)
		if status != statusFailed || !strings.Contains(stderr, "not healthy") {
			t.Logf("status %d: %s", status, stderr)
		}
		return json.Unmarshal([]byte(stdout), &report)
	})
	found := map[doctor.Problem]string{}
	for _, f := range report.Findings {
		found[f.Problem] = f.Object
	}
	for problem, object := range map[doctor.Problem]string{
		doctor.ProblemQueueLeft:    "queue:orkestro.session.gone",
		doctor.ProblemExchangeLeft: "exchange:orkestro.session.gone.users",
		doctor.ProblemNoServer:     "fleet",
	} {
		if found[problem] != object {
			t.Errorf("%s: found %q, want %q, in %+v", problem, found[problem], object, report.Findings)
		}
	}
}
