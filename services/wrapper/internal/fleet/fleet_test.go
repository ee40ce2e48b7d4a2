package fleet_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/services/wrapper/internal/fleet"
)

// The answer to a reservation may come after the news that the server was lost, of which there is only one.
func TestFleet_AReservationDoesNotBringALostServerBack(t *testing.T) {
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, slog.New(slog.DiscardHandler))
	t.Cleanup(pool.Close)
	f := fleet.New(pool)
	began := time.Now()
	reserved := control.MediaServer{ID: "m", Instance: "i", Status: control.StatusUp, HeartbeatAt: began, Placed: 3}
	lost := control.MediaServer{
		ID: "m", Instance: "i", Status: control.StatusDown, Lost: "i", HeartbeatAt: began.Add(time.Second), Placed: 2,
	}
	f.Reset([]control.MediaServer{lost})
	f.Saw(reserved)
	server, _ := f.Server("m")
	if server.Status != control.StatusDown || server.Lost != "i" || server.Placed != 3 {
		t.Errorf("it is %s, lost %q, with %d places taken", server.Status, server.Lost, server.Placed)
	}
	if sent, _ := f.Heartbeat("m"); !sent.Equal(lost.HeartbeatAt) {
		t.Errorf("its last heartbeat is of %s, want %s", sent, lost.HeartbeatAt)
	}
	reserved.Instance, reserved.Placed = "before", 9
	f.Saw(reserved)
	if server, _ = f.Server("m"); server.Placed != 3 {
		t.Errorf("%d places are taken, by those of an earlier instance", server.Placed)
	}
}
