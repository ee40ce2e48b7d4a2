package operator_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestDoctor_HealthyUnderLoad examines a fleet in which sessions are created, used and closed all the time. It is always
// in motion, and nothing is wrong with it.
func TestDoctor_HealthyUnderLoad(t *testing.T) {
	session := fleet.NewSession(t)
	for _, id := range []string{"ann", "ben"} {
		harness.Join(t, fleet.API, session, id).Publish()
	}
	ctx, stop := context.WithCancel(t.Context())
	var churning sync.WaitGroup
	churned := make([]int, 3)
	for i := range churned {
		churning.Go(func() {
			for ctx.Err() == nil {
				if err := churn(ctx, fmt.Sprintf("churn-%d-%d", i, churned[i])); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				churned[i]++
			}
		})
	}
	report := examine(t)
	if !report.Healthy() {
		t.Errorf("findings in a healthy fleet: %+v", report.Findings)
	}
	stop()
	churning.Wait()
	t.Logf("%d looks in %s, while %v sessions came and went", report.Looks, report.Took, churned)
	for _, check := range report.Checks {
		if check.Examined == 0 && check.Name != "dead-letters" && check.Name != "leftovers" {
			t.Errorf("%s examined nothing", check.Name)
		}
	}
}

// churn is the life of a session.
func churn(ctx context.Context, id string) error {
	if _, err := fleet.API.CreateSession(ctx, id); err != nil {
		return err
	}
	for _, name := range []string{"a", "b"} {
		user, err := harness.NewUser(ctx, fleet.API, id, name)
		if err != nil {
			return err
		}
		defer user.Close()
		user.Publish()
	}
	return fleet.API.CloseSession(context.WithoutCancel(ctx), id)
}

// TestDoctor_FindsDamage does to a live fleet what its loops do not mend, or not in time.
func TestDoctor_FindsDamage(t *testing.T) {
	session := fleet.NewSession(t)
	joinAs(t, session, "ann")
	b := openBroker(t)
	if err := b.DeclareQueue(t.Context(), broker.Queue{Name: broker.DeadLetterQueue}); err != nil {
		t.Fatal(err)
	}
	if err := b.Send(t.Context(), broker.DeadLetterQueue, broker.Message{ID: "given-up"}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteExchange(t.Context(), "orkestro.session."+session+".users"); err != nil {
		t.Fatal(err)
	}
	printed := operate(t, 1, "doctor", "--pause=6s")
	for _, want := range []string{
		"dead-letters  queue:orkestro.dead", "exchange-missing  exchange:orkestro.session." + session + ".users", "2 findings",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in:\n%s", want, printed)
		}
	}
	// The advice for the exchange: the next message to everybody makes it again.
	joinAs(t, session, "ben")
	if err := b.DeleteQueue(t.Context(), broker.DeadLetterQueue); err != nil {
		t.Fatal(err)
	}
	operate(t, 0, "doctor", "--pause=6s")
}
