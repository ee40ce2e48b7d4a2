package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

// cleared is what the driver gives to calls whose connections went down with another one's.
type cleared struct{}

func (cleared) Error() string   { return "connection pool was cleared" }
func (cleared) Retryable() bool { return true }

// What an outage looks like to a caller is never a fault of ours.
func TestCoded_ClearedPoolIsAnOutage(t *testing.T) {
	err := coded("read", fmt.Errorf("find: %w", cleared{}))
	if got := control.CodeOf(err); got != control.CodeUnavailable {
		t.Errorf("got %s", got)
	}
	if got := control.CodeOf(coded("read", errors.New("cannot be decoded"))); got != control.CodeInternal {
		t.Errorf("a fault of ours is %s", got)
	}
}
