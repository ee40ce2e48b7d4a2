package releases_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// A media server is taken back to the earlier release, which does not know that it was drained before it ended: it is
// given sessions all the same.
func TestMediaServer_GoesBackToTheEarlierRelease(t *testing.T) {
	p := fleet.MediaServers[newer]
	if err := errors.Join(p.Terminate(), p.Ended(20*time.Second)); err != nil {
		t.Fatalf("%s, empty, at SIGTERM: %v", p.Name, err)
	}
	before := p.SetPrograms(olderPrograms)
	t.Cleanup(func() {
		err := p.Stop()
		p.SetPrograms(before)
		if err = errors.Join(err, p.Start(context.Background())); err != nil {
			t.Error(err)
		}
	})
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		servers, err := fleet.Servers(t.Context())
		if s := servers[p.Name]; err == nil && (s.Status != "up" || s.Availability != "active") {
			err = fmt.Errorf("%s is %s and %s", p.Name, s.Status, s.Availability)
		}
		return err
	})
	callOn(t, newer)
}
