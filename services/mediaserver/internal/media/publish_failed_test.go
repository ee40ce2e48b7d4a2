package media

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// An offer that passes the checks and then fails in Pion leaves nothing behind, whatever streams it named.
func TestProcessOffer_FailedLeavesNoSources(t *testing.T) {
	server, err := NewServer(Config{Network: rtc.NetworkConfig{
		UDPAddress: "127.0.0.1:0", Loopback: true,
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p, err := server.CreatePipeline("s", 1)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := p.NewPublishEndpoint("ann", "join")
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile("../rtc/testdata/chromium-offer.sdp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := endpoint.ProcessOffer(t.Context(), string(good), 1); err != nil {
		t.Fatal(err)
	}
	bad := strings.ReplaceAll(string(good), "a=extmap:4 ", "a=extmap:four ")
	for seq := range int64(5) {
		// Another connection, with other streams.
		offer := strings.Replace(bad, "o=- ", fmt.Sprintf("o=- %d", seq+1), 1)
		offer = strings.ReplaceAll(offer, "msid:", fmt.Sprintf("msid:%d", seq))
		if _, err := endpoint.ProcessOffer(t.Context(), offer, seq+2); err == nil {
			t.Fatal("the bad offer was taken")
		}
	}
	if got := len(endpoint.sources); got != 2 {
		t.Errorf("%d sources, want those of the good offer", got)
	}
}
