package brokertest

import "github.com/orkestro/orkestro/pkg/broker"

// checkInspectExchange is for brokers that operators' tools can look into.
func checkInspectExchange(f *fixture) {
	inspector, ok := f.broker.(broker.Inspector)
	if !ok {
		f.Skip("not a broker.Inspector")
	}
	exchange := f.exchange()
	f.must(inspector.InspectExchange(f.Context(), exchange))
	f.mustBe(inspector.InspectExchange(f.Context(), "test.missing"), broker.ErrNotFound)
	f.must(f.broker.DeleteExchange(f.Context(), exchange))
	f.mustBe(inspector.InspectExchange(f.Context(), exchange), broker.ErrNotFound)
}
