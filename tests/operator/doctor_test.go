package operator_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestDoctor_HealthyUnderLoad examines a fleet in which sessions are created, used and closed all the time. It is always
// in motion, and nothing is wrong with it.
func TestDoctor_HealthyUnderLoad(t *testing.T) {
	session := newSession(t)
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
	session := newSession(t)
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
	report := examine(t)
	found := map[doctor.Problem]string{}
	for _, f := range report.Findings {
		found[f.Problem] = f.Object
	}
	if found[doctor.ProblemDead] != "queue:orkestro.dead" ||
		found[doctor.ProblemNoExchange] != "exchange:orkestro.session."+session+".users" || len(found) != 2 {
		t.Errorf("found %+v", report.Findings)
	}
	// The advice for the exchange: the next message to everybody makes it again.
	joinAs(t, session, "ben")
	if err := b.DeleteQueue(t.Context(), broker.DeadLetterQueue); err != nil {
		t.Fatal(err)
	}
	if report := examine(t); !report.Healthy() {
		t.Errorf("still found %+v", report.Findings)
	}
}
