package media_test

import (
	"sync"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// To disconnect what is in another pipeline is no error, and does not look into that pipeline while others change it.
func TestGraph_DisconnectAcrossPipelines(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	here, there := f.pipeline(t), f.pipeline(t)
	source := must[*media.PassThrough](t)(here.NewPassThrough())
	feed := must[*media.PassThrough](t)(there.NewPassThrough())
	sink := must[*media.PassThrough](t)(there.NewPassThrough())
	var clients sync.WaitGroup
	clients.Go(func() {
		for range 1000 {
			if err := source.Disconnect(sink); err != nil {
				t.Error(err)
				return
			}
		}
	})
	clients.Go(func() {
		for range 1000 {
			if err := feed.Connect(sink); err != nil {
				t.Error(err)
				return
			}
			_ = feed.Disconnect(sink)
		}
	})
	clients.Wait()
	if err := source.Connect(sink); codeOf(err) != 40004 {
		t.Errorf("connected across pipelines: %v", err)
	}
}
