// Package observability_test looks at a running fleet as its operators do: the metrics of every process are those that
// docs/metrics.md lists, and a request can be followed through all services by its trace.
package observability_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

var (
	fleet  *harness.Fleet
	traces *collector
)

func TestMain(m *testing.M) {
	traces = openCollector()
	otlp := []string{"--otlp-endpoint=" + traces.server.URL}
	status := harness.Main(m, "observability", harness.Options{
		RestAPIs: 2, Wrappers: 2, MediaServers: 2,
		Settings: map[string][]string{"restapi": otlp, "wrapper": otlp, "mediaserver": otlp},
	}, &fleet)
	traces.server.Close()
	os.Exit(status)
}

// call has two users see each other.
func call(t *testing.T) (ann, ben *harness.User) {
	t.Helper()
	session := fleet.NewSession(t)
	ann, ben = harness.Join(t, fleet.API, session, "ann"), harness.Join(t, fleet.API, session, "ben")
	ann.Publish()
	ben.Publish()
	testkit.Eventually(t, func() error {
		if n := ann.Packets(ann.Streams()["ben"], "video"); n < 25 {
			return fmt.Errorf("ann received %d packets, failures %v", n, ann.Failures())
		}
		if n := ben.Packets(ben.Streams()["ann"], "video"); n < 25 {
			return fmt.Errorf("ben received %d packets, failures %v", n, ben.Failures())
		}
		return nil
	})
	return ann, ben
}
