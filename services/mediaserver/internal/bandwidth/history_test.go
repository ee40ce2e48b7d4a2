package bandwidth_test

import (
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

func TestHistory_GivesEachPacketItsNumber(t *testing.T) {
	history := &bandwidth.History{}
	const writers, each = 8, 200
	var (
		mu   sync.Mutex
		seen = map[uint16]bool{}
		wg   sync.WaitGroup
	)
	for range writers {
		wg.Go(func() {
			for range each {
				sequence := history.Add(100, time.Now())
				mu.Lock()
				if seen[sequence] {
					t.Errorf("number %d given twice", sequence)
				}
				seen[sequence] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != writers*each || history.Bytes() != writers*each*100 {
		t.Errorf("%d numbers, %d bytes", len(seen), history.Bytes())
	}
}

// received is feedback that says that packets have arrived, evenly apart.
func received(first, count, reference uint16) *rtcp.TransportLayerCC {
	fb := &rtcp.TransportLayerCC{
		BaseSequenceNumber: first, PacketStatusCount: count, ReferenceTime: uint32(reference),
		PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{
			PacketStatusSymbol: rtcp.TypeTCCPacketReceivedSmallDelta, RunLength: count,
		}},
	}
	for range count {
		fb.RecvDeltas = append(fb.RecvDeltas, &rtcp.RecvDelta{Type: rtcp.TypeTCCPacketReceivedSmallDelta, Delta: 1000})
	}
	return fb
}

func TestEstimator_RepeatedFeedbackCountsOnce(t *testing.T) {
	once, often := bandwidth.NewEstimator(fill(t, 4000)), bandwidth.NewEstimator(fill(t, 4000))
	now := time.Unix(1e9, 0).Add(4 * time.Second)
	for i := range uint16(20) {
		fb := received(2001+100*i, 100, i*2)
		once.Feedback(now, fb)
		for range 5 {
			often.Feedback(now, fb)
		}
		now = now.Add(100 * time.Millisecond)
	}
	if once.Rate() != often.Rate() {
		t.Errorf("estimate is %d after repeated feedback, else %d", often.Rate(), once.Rate())
	}
}

func TestEstimator_FeedbackOnNothingCountsForNothing(t *testing.T) {
	estimator := bandwidth.NewEstimator(&bandwidth.History{})
	for i := range uint16(100) {
		estimator.Feedback(time.Unix(1e9, int64(i)*1e8), received(600*i, 600, i))
	}
	if estimator.Known() {
		t.Error("feedback on packets that were never sent was believed")
	}
}

// fill makes a history with a packet each millisecond.
func fill(t *testing.T, packets int) *bandwidth.History {
	t.Helper()
	history := &bandwidth.History{}
	for i := range packets {
		history.Add(100, time.Unix(1e9, 0).Add(time.Duration(i)*time.Millisecond))
	}
	return history
}

func TestEstimator_FallsWhileNothingIsHeard(t *testing.T) {
	history := fill(t, 100)
	estimator := bandwidth.NewEstimator(history)
	now := time.Unix(1e9, 0).Add(time.Second)
	estimator.Feedback(now, received(1, 100, 0))
	before := estimator.Rate()
	for range 20 {
		now = now.Add(250 * time.Millisecond)
		history.Add(100, now)
		estimator.Tick(now)
	}
	if after := estimator.Rate(); after > before/8 {
		t.Errorf("estimate fell from %d to %d only", before, after)
	}
}

// A client that takes its time to connect is no reason to expect more of it.
func TestEstimator_StaysWhereItBeginsUntilSomethingIsSent(t *testing.T) {
	estimator := bandwidth.NewEstimator(&bandwidth.History{})
	before := estimator.Rate()
	for i := range 100 {
		estimator.Tick(time.Unix(1e9+int64(i), 0))
	}
	if after := estimator.Rate(); after != before {
		t.Errorf("estimate went from %d to %d", before, after)
	}
}

func TestEstimator_REMBCountsWithoutOtherFeedback(t *testing.T) {
	history := fill(t, 100)
	estimator := bandwidth.NewEstimator(history)
	now := time.Unix(1e9, 0).Add(time.Second)
	estimator.REMB(now, 750_000)
	if !estimator.Known() || estimator.Rate() != 750_000 {
		t.Errorf("estimate is %d", estimator.Rate())
	}
	estimator.Feedback(now, received(1, 100, 0))
	estimator.REMB(now, 9_000_000)
	if estimator.Rate() > 800_000 {
		t.Errorf("estimate is %d: REMB counted beside transport-wide feedback", estimator.Rate())
	}
}

func BenchmarkEstimator_Feedback(b *testing.B) {
	history := &bandwidth.History{}
	estimator := bandwidth.NewEstimator(history)
	now := time.Now()
	b.ReportAllocs()
	for i := uint16(0); b.Loop(); i++ {
		first := history.Add(1100, now)
		for range 15 {
			history.Add(1100, now)
		}
		estimator.Feedback(now, received(first, 16, i))
		now = now.Add(100 * time.Millisecond)
	}
}
