package rtc

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v4/packetio"

	"github.com/orkestro/orkestro/pkg/control"
)

const testExtension = 3

// reporting is a client that notes transport-wide numbers, and reports on them.
type reporting struct {
	numbers  []uint16
	plain    int // packets without a number
	recorder *twcc.Recorder
}

func (r *reporting) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	raw := h.GetExtension(testExtension)
	if raw == nil {
		r.plain++
		return len(payload), nil
	}
	r.numbers = append(r.numbers, binary.BigEndian.Uint16(raw))
	r.recorder.Record(h.SSRC, binary.BigEndian.Uint16(raw), time.Now().UnixMicro())
	return len(payload), nil
}

// report is what the client says, in one compound packet after a receiver report.
func (r *reporting) report(tb testing.TB) []byte {
	tb.Helper()
	compound := append([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 9}}, r.recorder.BuildFeedbackPacket()...)
	raw, err := rtcp.Marshal(compound)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// shapedStage is a stage with a connection to one client.
func shapedStage(tb testing.TB, layers ...string) (*stage, *shaper, *reporting, *[]Quality) {
	tb.Helper()
	s := newStage(tb, layers...)
	var told []Quality
	one := &shaper{numbers: newTransportNumbers(), changed: func(q Quality) { told = append(told, q) }}
	client := &reporting{recorder: twcc.NewRecorder(9)}
	one.add(s.sink(one.writer(client, testExtension)))
	return s, one, client, &told
}

// play sends frames for a time, with decisions in between, and reports when report is true.
func play(s *stage, one *shaper, client *reporting, during time.Duration, report bool) {
	tap := one.newBuffer(packetio.RTCPBufferPacket, 7)
	for began := time.Now(); time.Since(began) < during; {
		s.frames(8)
		if report {
			_, _ = tap.Write(client.report(s.tb))
		}
		one.decide(time.Now())
	}
}

// What is sent of a track without layers has no numbers, which would cost and be of no use.
func TestShaper_NumbersOnlyWhereThereIsAChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, told := shapedStage(t, "")
		play(s, one, client, 5*time.Second, true)
		if len(client.numbers) > 0 || client.plain == 0 {
			t.Errorf("%d packets with a number, %d without", len(client.numbers), client.plain)
		}
		if len(*told) > 0 {
			t.Errorf("told %+v", *told)
		}
	})
}

func TestShaper_NumbersEveryPacketInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, _ := shapedStage(t, "f", "h", "q")
		play(s, one, client, 5*time.Second, true)
		if len(client.numbers) == 0 {
			t.Fatal("no packet has a number")
		}
		for i, n := range client.numbers[1:] {
			if n != client.numbers[i]+1 {
				t.Fatalf("%d after %d", n, client.numbers[i])
			}
		}
		if one.estimate() == 0 {
			t.Error("nothing is known of the bandwidth")
		}
	})
}

// There is enough for the largest picture, and that is told once.
func TestShaper_TellsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, told := shapedStage(t, "f", "h", "q")
		play(s, one, client, 10*time.Second, true)
		if len(*told) == 0 {
			t.Fatal("nothing was told")
		}
		want := control.StreamQuality{ID: "stream", Layer: 2, Layers: 3, Limit: control.LimitedByPublisher}
		if last := (*told)[len(*told)-1]; len(last.Streams) != 1 || last.Streams[0] != want || last.Bandwidth == 0 {
			t.Errorf("told %+v, want %+v", last, want)
		}
		before := len(*told)
		play(s, one, client, 10*time.Second, true)
		if len(*told) != before {
			t.Errorf("told again without a change: %+v", (*told)[before:])
		}
	})
}

// A paused video is no reason to probe, and goes on with the layer that it had.
func TestShaper_LeavesAPausedVideoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, told := shapedStage(t, "f", "h", "q")
		play(s, one, client, 10*time.Second, true)
		s.SetPaused(true)
		play(s, one, client, 10*time.Second, true)
		if one.want != 0 {
			t.Errorf("%d bit/s are wanted", one.want)
		}
		s.SetPaused(false)
		for _, e := range s.encoders {
			e.keyframe.Store(true) // as it was asked for
		}
		play(s, one, client, 3*time.Second, true)
		if last := (*told)[len(*told)-1]; last.Streams[0].Layer != 2 {
			t.Errorf("told %+v", last)
		}
	})
}

// A client that agreed to report and does not is not kept on the smallest picture.
func TestShaper_IsPatientWithASilentClientForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, _ := shapedStage(t, "f", "h", "q")
		one.videos[0].sink.SetMaxLayer(AllLayers)
		play(s, one, client, 2*feedbackPatience, false)
		if got := one.videos[0].sink.Layer(); got != 2 {
			t.Errorf("layer %d is sent", got)
		}
	})
}

// Feedback counts on whichever SSRC it comes, but not once for each SSRC that its compound packet concerns.
func TestShaper_HearsFeedbackOnItsOwnSSRC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, _ := shapedStage(t, "f", "h", "q")
		play(s, one, client, time.Second, false)
		raw := client.report(t)
		other := one.newBuffer(packetio.RTCPBufferPacket, 8)
		if _, err := other.Write(raw); err != nil || one.estimate() != 0 {
			t.Errorf("feedback on another SSRC counted: %d, %v", one.estimate(), err)
		}
		own := one.newBuffer(packetio.RTCPBufferPacket, 7)
		if _, err := own.Write(raw); err != nil || one.estimate() == 0 {
			t.Errorf("feedback did not count: %v", err)
		}
	})
}

// A client that has nothing better sends a REMB, for all of its SSRCs at once.
func TestShaper_GoesByREMB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, _ := shapedStage(t, "f", "h", "q")
		play(s, one, client, time.Second, false)
		raw, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{
			SenderSSRC: 9, Bitrate: 40_000, SSRCs: []uint32{7, 8},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, ssrc := range []uint32{8, 7} {
			_, _ = one.newBuffer(packetio.RTCPBufferPacket, ssrc).Write(raw)
		}
		if got := one.estimate(); got != 40_000 {
			t.Errorf("estimate is %d", got)
		}
	})
}

// Reports that nobody reads do not fill the memory.
func TestShaper_BoundsUnreadReports(t *testing.T) {
	one := &shaper{}
	buffer := one.newBuffer(packetio.RTCPBufferPacket, 7).(*rtcpTap)
	report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 9}})
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		_, _ = buffer.Write(report)
	}
	if got := buffer.Size(); got > rtcpBufferBytes {
		t.Errorf("%d bytes are kept", got)
	}
}

func TestNumberedWriter_DoesNotAllocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, _ := shapedStage(t, "f", "h", "q")
		play(s, one, client, time.Second, false)
		w := one.writer(discard{}, testExtension)
		header := rtp.Header{Version: 2, Extensions: make([]rtp.Extension, 0, 4)}
		payload := make([]byte, 1000)
		allocs := testing.AllocsPerRun(100, func() {
			header.Extension, header.Extensions = false, header.Extensions[:0]
			_, _ = w.WriteRTP(&header, payload)
		})
		if allocs > 0 {
			t.Errorf("%v allocations a packet", allocs)
		}
	})
}

// FuzzRTCPTap shows whatever bytes to the tap: they are feedback or they are not.
func FuzzRTCPTap(f *testing.F) {
	feedback, err := rtcp.Marshal([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: 9},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 9, Bitrate: 1e6, SSRCs: []uint32{7}},
		&rtcp.PictureLossIndication{SenderSSRC: 9, MediaSSRC: 7},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(feedback)
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0x1f, 0xff})
	f.Add([]byte{0x8f, 206, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, compound []byte) {
		one := &shaper{}
		one.enable(true)
		tap := one.newBuffer(packetio.RTCPBufferPacket, 7)
		_, _ = tap.Write(compound)
		if rate := one.estimator.Rate(); rate < 0 {
			t.Errorf("estimate is %d", rate)
		}
	})
}
