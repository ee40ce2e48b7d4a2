package rtc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// withoutRepair registers VP8 alone, without RTX.
func withoutRepair(engine *webrtc.MediaEngine) error {
	return engine.RegisterCodec(videoCodecs()[0], webrtc.RTPCodecTypeVideo)
}

// A packet that was lost comes again by RTX where the client knows it, else as it was, and not without end.
func TestNACK_IsAnsweredByRTX(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*webrtc.MediaEngine) error
		rtx      bool
	}{
		"with RTX":    {(*webrtc.MediaEngine).RegisterDefaultCodecs, true},
		"without RTX": {withoutRepair, false},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newTestEngine(t)
			s := newStream(t, engine, control.KindVideo, vp8())
			v := newViewer(t, engine, c.register)
			v.watch(Track{Stream: "cam", Source: s.Source})
			s.sendUntil(t, func() error { return enough(v, 30) })
			lost := v.of("cam")[10]
			nack := &rtcp.TransportLayerNack{
				MediaSSRC: lost.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{lost.SequenceNumber}),
			}
			again := func() (list []arrival) {
				for _, a := range v.of("cam")[11:] {
					if a.SequenceNumber == lost.SequenceNumber {
						list = append(list, a)
					}
				}
				return list
			}
			for range maxRepeats {
				before := len(again())
				if err := v.client.WriteRTCP([]rtcp.Packet{nack}); err != nil {
					t.Fatal(err)
				}
				testkit.Eventually(t, func() error {
					s.send(t, 1) // Pion hands out what came by RTX with the next packet of the stream
					if len(again()) == before {
						return fmt.Errorf("it came %d times", before)
					}
					return nil
				})
			}
			if err := v.client.WriteRTCP([]rtcp.Packet{nack, nack, nack}); err != nil {
				t.Fatal(err)
			}
			count := len(v.of("cam"))
			s.sendUntil(t, func() error { return enough(v, count+20) })
			if got := len(again()); got != maxRepeats {
				t.Errorf("it came %d times again", got)
			}
			for _, a := range again() {
				if a.again != c.rtx || a.Timestamp != lost.Timestamp || string(a.Payload) != string(lost.Payload) {
					t.Errorf("by RTX %v: %+v, at first %+v", a.again, a.Packet, lost.Packet)
				}
			}
		})
	}
}

func enough(v *viewer, n int) error {
	if got := len(v.of("cam")); got < n {
		return fmt.Errorf("%d packets, want %d", got, n)
	}
	return nil
}

// A full intra request counts once however often it is repeated, and one for another stream does not count.
func TestFIR_CountsOnce(t *testing.T) {
	sink := NewSink(control.KindVideo, "cam", "track")
	source := newTestEngine(t).NewSource(control.KindVideo)
	defer source.Close()
	sink.Bind(Output{Codec: vp8(), SSRC: 7, Writer: discard{}})
	sink.Attach(source)
	fir := func(ssrc uint32, number uint8) rtcp.Packet {
		return &rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: ssrc, SequenceNumber: number}}}
	}
	sink.Feedback([]rtcp.Packet{
		fir(7, 0), fir(7, 0), fir(8, 1), fir(7, 0), fir(7, 1), fir(7, 1), &rtcp.PictureLossIndication{MediaSSRC: 8},
	})
	sink.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 7}})
	if got := sink.Stats(); got.FIRs != 2 || got.PLIs != 1 {
		t.Errorf("%d FIR and %d PLI, want 2 and 1", got.FIRs, got.PLIs)
	}
}

// written counts what a sink writes, by sequence number.
type written map[uint16]int

func (w written) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	w[header.SequenceNumber]++
	return len(payload), nil
}

func TestNACK_OfWhatIsTooOld_IsNotAnswered(t *testing.T) {
	s := newStream(t, newTestEngine(t), control.KindVideo, vp8())
	sink, sent := NewSink(control.KindVideo, "cam", "track"), written{}
	sink.Bind(Output{Codec: vp8(), SSRC: 7, Writer: sent})
	sink.Attach(s.Source)
	now := time.Now()
	for number, age := range []time.Duration{2 * resendAge, resendAge / 2} {
		p := rtp.Packet{
			Header:  rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(number), Timestamp: uint32(number)},
			Payload: []byte{0x10, 0x00, 0x00},
		}
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s.feed.Write(raw, now.Add(-age))
	}
	var numbers []uint16
	for number := range sent {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	sink.Feedback([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: 7, Nacks: rtcp.NackPairsFromSequenceNumbers(numbers),
	}})
	if len(numbers) != 2 || sent[numbers[0]] != 1 || sent[numbers[1]] != 2 {
		t.Errorf("sent by number: %v, want the first once and the second twice", sent)
	}
}
