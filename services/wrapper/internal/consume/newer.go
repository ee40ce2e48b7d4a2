package consume

import (
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// newerFor is how long a message of a newer release is put back for Wrappers of that release. Chosen: longer than an
// orchestrator takes to start the next one, and not so long that nobody finds out that there is none.
const newerFor = 10 * time.Minute

// errNewer: this Wrapper does not understand the message, another one may.
var errNewer = errors.New("a newer Wrapper is needed")

// understood is nil for a message that this release knows how to read. One of a later schema is never taken by halves:
// it is left to others, and given up when it turns out that there are none.
func understood(m broker.Message, now time.Time) error {
	if m.Version <= message.Version {
		return nil
	}
	if now.Sub(m.Time) < newerFor {
		return errNewer
	}
	return broker.Permanent(control.Errorf(control.CodeInvalid,
		"a message of schema version %d is not understood: this release knows those up to %d", m.Version, message.Version))
}
