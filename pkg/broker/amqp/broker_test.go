package amqp_test

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/broker/brokertest"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBroker_Contract(t *testing.T) {
	brokertest.Run(t, connected)
}

func BenchmarkBroker(b *testing.B) {
	brokertest.Benchmark(b, connected)
}

// connected is a broker that has reached the node which the tests share.
func connected(tb testing.TB) broker.Broker {
	tb.Helper()
	b := open(tb, rabbit.Shared(tb))
	testkit.Eventually(tb, b.Ready)
	return b
}

// open connects to a node for as long as the test runs.
func open(tb testing.TB, node *rabbit.Node) *amqp.Broker {
	tb.Helper()
	b, err := amqp.Open(context.Background(), amqp.Config{URL: node.URL(), ConnectionName: tb.Name()}, discard())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
