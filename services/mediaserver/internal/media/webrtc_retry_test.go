package media_test

import (
	"errors"
	"regexp"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// What was connected before an offer that fails flows after the next one, as if the first had not been.
func TestWebRTCEndpoint_ConnectedBeforeABadOffer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	presenter := presenting(t, f, p)
	viewer := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	if err := presenter.endpoint.Connect(viewer.endpoint); err != nil {
		t.Fatal(err)
	}
	viewer.receivesOnly(webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo)
	offer, err := viewer.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := regexp.MustCompile("a=extmap.*\r\n").ReplaceAllString(offer.SDP, "a=extmap:x y\r\n")
	var refused *media.Error
	_, err = viewer.endpoint.ProcessOffer(t.Context(), bad)
	if !errors.As(err, &refused) || refused.Code != mediaapi.CodeSDPProcessOffer {
		t.Fatalf("an offer whose extensions have no numbers: %v", err)
	}
	viewer.negotiate()
	testkit.Eventually(t, func() error { return viewer.has(20) })
}
