package bandwidth_test

import (
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

// FuzzEstimator_Feedback gives an estimator whatever parses as feedback: the estimate stays within its bounds.
func FuzzEstimator_Feedback(f *testing.F) {
	recorder := twcc.NewRecorder(1)
	for sequence := range uint16(40) {
		if sequence%7 != 0 {
			recorder.Record(1, sequence, int64(sequence)*3000)
		}
	}
	for _, packet := range recorder.BuildFeedbackPacket() {
		raw, err := packet.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	// Says that 65535 packets were lost, and that they have arrived in the far past.
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0x1f, 0xff})
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0, 0x40, 2, 0x80, 0, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var fb rtcp.TransportLayerCC
		if fb.Unmarshal(raw) != nil {
			return
		}
		history := &bandwidth.History{}
		estimator := bandwidth.NewEstimator(history)
		now := time.Unix(1e9, 0)
		for range 100 {
			history.Add(1100, now)
			now = now.Add(5 * time.Millisecond)
		}
		for range 3 {
			now = now.Add(100 * time.Millisecond)
			estimator.Feedback(now, &fb)
			fb.ReferenceTime = (fb.ReferenceTime + 1<<22) & (1<<24 - 1)
			fb.BaseSequenceNumber += fb.PacketStatusCount
		}
		if rate := estimator.Rate(); rate < 30_000 || rate > 100_000_000 {
			t.Errorf("estimate is %d", rate)
		}
	})
}
