package bandwidth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// pionSender is Pion's estimator, for comparison.
type pionSender struct {
	estimator *gcc.SendSideBWE
	writer    interceptor.RTPWriter
	sequence  uint16
}

func newPionSender(tb testing.TB) *pionSender {
	tb.Helper()
	estimator, err := gcc.NewSendSideBWE(
		gcc.SendSideBWEInitialBitrate(300_000), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()))
	if err != nil {
		tb.Fatal(err)
	}
	info := &interceptor.StreamInfo{SSRC: 1, RTPHeaderExtensions: []interceptor.RTPHeaderExtension{{
		URI: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", ID: 1,
	}}}
	s := &pionSender{estimator: estimator}
	s.writer = estimator.AddStream(info, interceptor.RTPWriterFunc(
		func(_ *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) { return len(payload), nil }))
	return s
}

func (s *pionSender) sent(size int) uint16 {
	s.sequence++
	header := &rtp.Header{Version: 2, SSRC: 1, SequenceNumber: s.sequence}
	extension, _ := (&rtp.TransportCCExtension{TransportSequence: s.sequence}).Marshal()
	_ = header.SetExtension(1, extension)
	_, _ = s.writer.Write(header, make([]byte, size-20), nil)
	return s.sequence
}

func (s *pionSender) feedback(fb *rtcp.TransportLayerCC) {
	_ = s.estimator.WriteRTCP([]rtcp.Packet{fb}, nil)
	synctest.Wait()
}

func (s *pionSender) rate() float64 { return float64(s.estimator.GetTargetBitrate()) }

// TestEstimator_ComparedWithPion prints both estimators over the same links.
func TestEstimator_ComparedWithPion(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("prints a table and checks nothing")
	}
	t.Logf("%-22s %8s | %8s %8s | %8s %8s", "", "kbit/s", "own", "wait", "Pion", "wait")
	for _, s := range scenarios() {
		var rates [2]float64
		var waits [2]time.Duration
		for i := range rates {
			synctest.Test(t, func(t *testing.T) {
				l := s.link
				var candidate sender = newOwn()
				if i == 1 {
					pion := newPionSender(t)
					defer func() { _ = pion.estimator.Close() }()
					candidate = pion
				}
				p := newPath(&l, candidate)
				rates[i], waits[i] = p.run(&encoder{limit: 10 * mbit}, time.Minute, 20*time.Second)
			})
		}
		t.Logf("%-22s %8.0f | %8.0f %8v | %8.0f %8v", s.name, s.capacity/1e3,
			rates[0]/1e3, waits[0].Round(time.Millisecond), rates[1]/1e3, waits[1].Round(time.Millisecond))
	}
}

// BenchmarkSent is what noting one packet that is sent costs.
func BenchmarkSent(b *testing.B) {
	b.Run("own", func(b *testing.B) {
		o := newOwn()
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			o.history.Add(1100, now)
		}
	})
	b.Run("Pion", func(b *testing.B) {
		s := newPionSender(b)
		defer func() { _ = s.estimator.Close() }()
		payload := make([]byte, 1080)
		header := &rtp.Header{Version: 2, SSRC: 1}
		extension, err := (&rtp.TransportCCExtension{TransportSequence: 1}).Marshal()
		if err != nil {
			b.Fatal(err)
		}
		if err := header.SetExtension(1, extension); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.writer.Write(header, payload, nil)
		}
	})
}
