package media_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// BenchmarkFirstMedia is the time from the first offer of a publisher to the first packet at a subscriber that joins at
// the same moment, clients included, without a control plane.
func BenchmarkFirstMedia(b *testing.B) {
	f := newFixture(b)
	var times []time.Duration
	for b.Loop() {
		p := f.pipeline(b)
		pub := newPublisher(b, p, "ann")
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "cam")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pub.pc.AddTrack(track); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			packet := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 100)}
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for ctx.Err() == nil {
				packet.SequenceNumber++
				_ = track.WriteRTP(packet)
				<-ticker.C
			}
		}()
		client := newClientPC(b, false)
		arrived := make(chan struct{}, 1)
		client.OnTrack(func(*webrtc.TrackRemote, *webrtc.RTPReceiver) { arrived <- struct{}{} })
		start := time.Now()
		endpoint, err := p.NewSubscribeEndpoint("ben", "join", control.Subscriptions{})
		if err != nil {
			b.Fatal(err)
		}
		offers := make(chan media.OfferCreated, 10) // more than come
		f.listen(endpoint, func(e media.Event) {
			if offer, ok := e.Data.(media.OfferCreated); ok {
				offers <- offer
			}
		})
		s := &subscriber{tb: b, endpoint: endpoint, pc: client}
		go pub.publish()
		if err := s.answer(b.Context(), <-offers); err != nil {
			b.Fatal(err)
		}
		<-arrived
		times = append(times, time.Since(start))
		cancel()
		<-done
		f.Release(p.ID())
		_, _ = client.GracefulClose(), pub.pc.GracefulClose()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}
