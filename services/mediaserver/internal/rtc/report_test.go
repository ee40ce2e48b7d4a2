package rtc

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// recorder takes what a sink writes.
type recorder struct {
	headers []rtp.Header
	reports []*rtcp.SenderReport
}

func (r *recorder) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	r.headers = append(r.headers, *h)
	return len(payload), nil
}

func (r *recorder) control(packets []rtcp.Packet) error {
	for _, p := range packets {
		if report, ok := p.(*rtcp.SenderReport); ok {
			r.reports = append(r.reports, report)
		}
	}
	return nil
}

func (r *recorder) sink(source *Source, ssrc uint32) *Sink {
	k := NewSink(source.kind, "stream", "track")
	k.Bind(Output{Codec: source.Codec(), SSRC: ssrc, Writer: r, Control: r.control})
	k.Attach(source)
	return k
}

// A time of day stands for the same picture at the receiver as at the publisher, over changes of source, and a receiver
// that begins late need not wait for the next report.
func TestReports_KeepTheTimeOfDay(t *testing.T) {
	engine := newTestEngine(t)
	opus := Codec{MIME: webrtc.MimeTypeOpus, ClockRate: 48_000}
	sources := []*Source{engine.NewSource(control.KindAudio), engine.NewSource(control.KindAudio)}
	feeds := make([]*Feed, len(sources))
	for i, s := range sources {
		t.Cleanup(s.Close)
		feeds[i] = s.OpenFeed(FeedConfig{Codec: opus})
	}
	send := func(i int, sequence uint16, timestamp uint32) {
		t.Helper()
		in := &rtp.Packet{Header: rtp.Header{
			Version: 2, SSRC: uint32(i + 1), SequenceNumber: sequence, Timestamp: timestamp,
		}}
		in.Payload = []byte{1}
		raw, err := in.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		feeds[i].Write(raw, time.Now())
	}
	report := func(i int, ntp uint64, timestamp uint32) { feeds[i].Report(ntp, timestamp) }
	// check that the n-th report sent says of the last packet what was said of timestamp.
	check := func(r *recorder, n int, ntp uint64, ahead uint32) {
		t.Helper()
		if len(r.reports) <= n {
			t.Fatalf("%d reports", len(r.reports))
		}
		got, last := r.reports[n], r.headers[len(r.headers)-1]
		if got.NTPTime != ntp || got.RTPTime-last.Timestamp != ahead || got.SSRC != last.SSRC {
			t.Errorf("report %+v after a packet at %d, want %d ahead", got, last.Timestamp, ahead)
		}
	}
	early, late := &recorder{}, &recorder{}
	sink := early.sink(sources[0], 77)
	start := uint32(4_294_967_000) // wraps
	send(0, 65_535, start)
	report(0, 1000, start+480)
	check(early, 0, 1000, 480)
	report(0, 2000, start+960)
	late.sink(sources[0], 78)
	send(0, 0, start+960)
	check(late, 0, 1000, ^uint32(479)) // 480 before
	check(late, 1, 2000, 0)

	sink.Attach(sources[1])
	send(1, 5, 100)
	report(1, 9000, 100+48)
	check(early, len(early.reports)-1, 9000, 48)
	if len(early.reports) != 3 {
		t.Errorf("%d reports, want 3", len(early.reports))
	}
}
