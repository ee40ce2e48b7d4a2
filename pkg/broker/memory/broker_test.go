package memory_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/brokertest"
	"github.com/orkestro/orkestro/pkg/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBroker_Contract(t *testing.T) { brokertest.Run(t, open()) }

func BenchmarkBroker(b *testing.B) { brokertest.Benchmark(b, open()) }

// open gives every test one broker of its own, the same one for each of its handles.
func open() brokertest.Open {
	brokers := map[testing.TB]broker.Broker{}
	return func(tb testing.TB) broker.Broker {
		tb.Helper()
		if b, ok := brokers[tb]; ok {
			return b
		}
		b := memory.New(slog.New(slog.DiscardHandler))
		brokers[tb] = b
		tb.Cleanup(func() {
			delete(brokers, tb) // a benchmark runs several times as the same tb
			if err := b.Close(); err != nil {
				tb.Error(err)
			}
		})
		return b
	}
}
