package app_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// The media server is lost between the join and the offer: the encoder, which knows of no epochs, is answered under the
// next one.
func TestWHIP_EpochMovesOnMeanwhile(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := control.SessionID(f.session())
	f.wrapper.before(message.TypePublish, func(ctx context.Context, _ broker.Message) {
		if len(f.wrapper.got(message.TypePublish)) > 1 {
			return
		}
		pipeline := control.PipelineRef{ID: control.NewID(), Server: "media-2", Instance: "one"}
		if err := f.store.Sessions.SetPipeline(ctx, session, 1, pipeline, nil); err != nil {
			t.Error(err)
		}
	})
	a := f.offers(apiKey, "/v1/sessions/"+string(session)+"/whip", whipOffer)
	if a.status != http.StatusCreated || a.header.Get("ETag") != `"2.1"` {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
}
