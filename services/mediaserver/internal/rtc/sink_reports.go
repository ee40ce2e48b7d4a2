package rtc

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
)

// receiverReports is what the receiver of a sink tells of it, as of its last report. Safe for concurrent use.
type receiverReports struct {
	mu      sync.Mutex
	ours    [4]sentReport // the last ones: a receiver may speak of the one before the last
	next    int
	last    rtcp.ReceptionReport
	trip    time.Duration
	allowed uint64 // bits/s of the last REMB
}

// sentReport is a sender report of ours.
type sentReport struct {
	ntp uint32 // middle of its time of day, 0: none
	at  time.Time
}

// sent notes a sender report.
func (r *receiverReports) sent(ntp uint64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ours[r.next%len(r.ours)] = sentReport{uint32(ntp >> 16), at}
	r.next++
}

// received takes a report block (RFC 3550 section 6.4.1). The time between our report and this one, less what the
// receiver says it has waited, is a round trip.
func (r *receiverReports) received(report rtcp.ReceptionReport, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = report
	waited := time.Duration(float64(report.Delay) / 65536 * float64(time.Second))
	for _, ours := range r.ours {
		if trip := at.Sub(ours.at) - waited; ours.ntp != 0 && ours.ntp == report.LastSenderReport && trip > 0 {
			r.trip = trip
		}
	}
}

func (r *receiverReports) limited(bitrate uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allowed = bitrate
}

// add puts what was reported into stats; clock is that of the timestamps, in Hz.
func (r *receiverReports) add(stats *StreamStats, clock uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats.Lost = int64(r.last.TotalLost)
	stats.FractionLost = float64(r.last.FractionLost) / 256
	stats.RoundTrip, stats.REMB = r.trip, r.allowed
	if clock > 0 {
		stats.Jitter = time.Duration(float64(r.last.Jitter) / float64(clock) * float64(time.Second))
	}
}

// reported takes what the receiver of a sink tells of it.
func (k *Sink) reported(p rtcp.Packet, out *Output) {
	var blocks []rtcp.ReceptionReport
	switch p := p.(type) {
	case *rtcp.ReceiverReport:
		blocks = p.Reports
	case *rtcp.SenderReport:
		blocks = p.Reports
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		k.receiver.limited(uint64(p.Bitrate))
	}
	for _, block := range blocks {
		if block.SSRC == out.SSRC {
			k.receiver.received(block, time.Now())
		}
	}
}
