package rtc

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkShaper_Decide is one decision on a connection with one video, of which there are four a second.
func BenchmarkShaper_Decide(b *testing.B) {
	for _, layers := range [][]string{{""}, {"f", "h", "q"}} {
		b.Run(fmt.Sprintf("%d layers", len(layers)), func(b *testing.B) {
			s := newStage(b, layers...)
			for range 10 {
				for _, e := range s.encoders {
					for _, raw := range e.frame(b) {
						e.feed.Write(raw, time.Now())
					}
				}
			}
			one := &shaper{numbers: newTransportNumbers()}
			one.add(s.sink(discard{}))
			b.ReportAllocs()
			for b.Loop() {
				one.decide(time.Now())
			}
		})
	}
}
