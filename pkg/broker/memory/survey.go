package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/broker"
)

// InspectExchange implements [broker.Inspector].
func (b *Broker) InspectExchange(ctx context.Context, exchange string) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if b.exchanges[exchange] == nil {
		return fmt.Errorf("exchange %s: %w", exchange, broker.ErrNotFound)
	}
	return nil
}

// Survey implements [broker.Surveyor].
func (b *Broker) Survey(ctx context.Context, prefix string) (broker.Survey, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.usableLocked(ctx); err != nil {
		return broker.Survey{}, err
	}
	found := broker.Survey{Bound: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(b.queues)) {
		if strings.HasPrefix(name, prefix) {
			queue := broker.SurveyedQueue{Name: name, Expires: b.queues[name].settings.Expires}
			found.Queues = append(found.Queues, queue)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.exchanges)) {
		if strings.HasPrefix(name, prefix) {
			found.Exchanges = append(found.Exchanges, name)
			if bound := b.exchanges[name]; len(bound) > 0 {
				found.Bound[name] = slices.Sorted(maps.Keys(bound))
			}
		}
	}
	return found, nil
}
