package media_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func TestCapacity_CountsSessionsOfTheFleet(t *testing.T) {
	server, err := media.NewServer(media.Config{
		Network: rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true}, Capacity: 2,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	create := func(session control.SessionID, epoch int64) *media.Pipeline {
		t.Helper()
		p, err := server.CreatePipeline(session, epoch)
		if err != nil {
			t.Fatalf("%s/%d: %v", session, epoch, err)
		}
		return p
	}
	first := create("a", 1)
	create("b", 1)
	create("", 0) // of a Kurento client: no concern of the fleet
	create("a", 2)
	create("b", 1)
	var refused *media.Error
	if _, err := server.CreatePipeline("c", 1); !errors.As(err, &refused) || refused.Code != mediaapi.CodeNotEnoughResources {
		t.Errorf("a third session: %v", err)
	}
	if got := server.Stats().PipelinesCreated; got != 3 {
		t.Errorf("%d pipelines of the fleet were created, want 3", got)
	}
	server.Release(first.ID())
	if _, err := server.CreatePipeline("c", 1); err == nil {
		t.Error("the second epoch of a session does not count")
	}
	server.Release(create("a", 2).ID())
	create("c", 1)
}
