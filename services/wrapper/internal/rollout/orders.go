package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// By is who drains the servers of a rollout.
func By(id control.RolloutID) string { return control.DrainByRollout + string(id) }

// drainedFor is the rollout that a server is drained for, "" for none.
func drainedFor(s control.MediaServer) control.RolloutID {
	if s.Drain == nil {
		return ""
	}
	id, ours := strings.CutPrefix(s.Drain.By, control.DrainByRollout)
	if !ours {
		return ""
	}
	return control.RolloutID(id)
}

// Order is one thing to be done to a server: to begin a drain of this instance, or to end one.
type Order struct {
	Server   control.MediaServerID
	Instance control.InstanceID
	Drain    control.Drain
	Ends     bool
}

// action names what is done, as the audit does.
func (o Order) action() string {
	if o.Ends {
		return "server.undrain"
	}
	return "server.drain"
}

// entry tells of an order that was carried out. It is the same one when it is told again.
func (o Order) entry() control.AuditEntry {
	occasion := fmt.Sprintf("%s/%s/%d", o.action(), o.Drain.By, o.Drain.Deadline.UnixMilli())
	entry := control.AuditEntry{
		ID: control.DeriveID(string(o.Server)+"/"+string(o.Instance), occasion), Time: time.Now().UTC(), Actor: o.Drain.By,
		Action: o.action(), Object: "server:" + string(o.Server), Result: "ok",
	}
	if !o.Ends {
		entry.Reason = "sessions left are relocated at " + o.Drain.Deadline.UTC().Format(time.RFC3339)
	}
	return entry
}

// Orders is what is to be done to the servers so that those are drained that the rollouts say, and no others: a leader
// that has been overtaken, or has died, may have left some. Rollouts that are not named are left alone.
func Orders(rollouts map[control.RolloutID]control.Rollout, servers []control.MediaServer) []Order {
	var orders []Order
	for _, s := range servers {
		if r, known := rollouts[drainedFor(s)]; known && !holds(r, s) {
			orders = append(orders, Order{Server: s.ID, Instance: s.Instance, Drain: *s.Drain, Ends: true})
		}
	}
	for _, r := range rollouts {
		for _, s := range servers {
			if wants(r, s) {
				orders = append(orders, Order{Server: s.ID, Instance: s.Instance, Drain: control.Drain{
					Since: r.Share.Since, Deadline: r.Share.Until, Then: control.DrainRelocate, By: By(r.ID),
				}})
			}
		}
	}
	return orders
}

// holds reports whether a server that is drained for r stays so. One that is empty stays empty unless the rollout is
// aborted: it is about to be restarted, or has another one in its place. So does one that died while it was drained and
// came back as it was.
func holds(r control.Rollout, s control.MediaServer) bool {
	if s.Version == r.To || r.State == control.RolloutAborted {
		return false
	}
	return s.Availability == control.AvailabilityDrained || r.State.GoesOn()
}

// wants reports whether r has a server drained that is not, or not by the right time.
func wants(r control.Rollout, s control.MediaServer) bool {
	if !r.Drains(s) || s.Status == control.StatusDown {
		return false
	}
	switch s.Availability {
	case control.AvailabilityActive:
		return true
	case control.AvailabilityDraining:
		return drainedFor(s) == r.ID && !s.Drain.Deadline.Equal(r.Share.Until)
	case control.AvailabilityDrained:
		return false
	default:
		return false
	}
}
