package media

import (
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// qualityChanged tells what is sent of the videos that have several layers, none: there are no such videos any more. It
// runs on the endpoint's queue.
func (e *SubscribeEndpoint) qualityChanged(peer *rtc.SubscribePeer, q rtc.Quality) {
	if peer != e.peer {
		return
	}
	if q.Streams == nil {
		q.Streams = []control.StreamQuality{}
	}
	e.qualities++
	e.server.emit(e, EventQualityChanged, QualityChanged{
		Number: e.qualities, Bandwidth: q.Bandwidth, Streams: q.Streams,
	})
}
