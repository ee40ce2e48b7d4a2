package rtc

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
)

// counting tells the numbers of a stream apart as SRTP does: by the distance to the highest one, in rounds of 65536.
type counting struct {
	highest uint64
	sent    map[uint64]string
	fault   string
}

func (c *counting) WriteRTP(h *rtp.Header, content []byte) (int, error) {
	if c.highest == 0 {
		c.highest = 1<<20 + uint64(h.SequenceNumber)
	}
	number := c.highest + uint64(int64(int16(h.SequenceNumber-uint16(c.highest))))
	raw, err := h.Marshal()
	if err != nil {
		return 0, err
	}
	raw = append(raw, content...)
	if before, found := c.sent[number]; found && before != string(raw) {
		c.fault = fmt.Sprintf("number %d was sent as %x and then as %x", number, before, raw)
	}
	c.sent[number] = string(raw)
	c.highest = max(c.highest, number)
	return len(raw), nil
}

// A key of SRTP encrypts each number once (RFC 7714 section 8). Whatever a publisher does, no number stands for two
// packets: jumps, repetitions with another content, packets without content, another connection with the same SSRC.
func TestForwarding_GivesANumberOnce(t *testing.T) {
	for _, kind := range []string{control.KindAudio, control.KindVideo} {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				seed := rapid.Uint64().Draw(r, "seed")
				synctest.Test(t, func(t *testing.T) { checkNumbers(t, kind, rand.New(rand.NewPCG(seed, 0))) })
			})
		})
	}
}

func checkNumbers(t *testing.T, kind string, random *rand.Rand) {
	t.Helper()
	codec := Codec{MIME: "audio/opus", ClockRate: 48_000}
	if kind == control.KindVideo {
		codec = vp8Codec()
	}
	s := (&Engine{}).NewSource(kind)
	defer s.Close()
	c := &counting{sent: map[uint64]string{}}
	k := NewSink(kind, "stream", "track")
	k.Attach(s)
	k.Bind(Output{Codec: codec, SSRC: 7, Writer: c})
	feed := s.OpenFeed(FeedConfig{Codec: codec})
	header := rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(random.Uint32())}
	for packet := range uint32(400) {
		switch random.IntN(20) {
		case 0:
			header.SequenceNumber += uint16(random.Uint32()) // a jump, forward or back
		case 1, 2, 3:
			header.SequenceNumber -= uint16(random.IntN(6)) // late, or the same again
		case 4:
			s.SetPaused(random.IntN(3) == 0)
		case 5:
			if random.IntN(5) == 0 {
				feed = s.OpenFeed(FeedConfig{Codec: codec})
			}
		default:
			header.SequenceNumber += uint16(1 + random.IntN(8)/7)
		}
		header.Timestamp += 960
		content := []byte{0x10, byte(packet % 3), byte(packet >> 8), byte(packet)}
		if random.IntN(4) == 0 {
			content = nil
		}
		raw, err := (&rtp.Packet{Header: header, Payload: content}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		feed.Write(raw, time.Now())
		s.replays.Wait()
		time.Sleep(5 * time.Millisecond)
	}
	synctest.Wait()
	if c.fault != "" {
		t.Fatal(c.fault)
	}
}

// numbered writes packets of an RTP stream to a source by their sequence numbers, and says what left.
type numbered struct {
	t    *testing.T
	s    *Source
	feed *Feed
	sent []uint16 // what left, by the sink's numbers
}

func newNumbered(t *testing.T) *numbered {
	t.Helper()
	n := &numbered{t: t, s: (&Engine{}).NewSource(control.KindVideo)}
	t.Cleanup(n.s.Close)
	n.feed = n.s.OpenFeed(FeedConfig{Codec: vp8Codec()})
	k := NewSink(control.KindVideo, "stream", "track")
	k.Attach(n.s)
	k.Bind(Output{Codec: vp8Codec(), SSRC: 7, Writer: n})
	return n
}

func (n *numbered) WriteRTP(h *rtp.Header, content []byte) (int, error) {
	n.sent = append(n.sent, h.SequenceNumber)
	return 12 + len(content), nil
}

func (n *numbered) write(number int, content ...byte) {
	n.t.Helper()
	header := rtp.Header{Version: 2, SSRC: 5, SequenceNumber: uint16(number), Timestamp: uint32(number)}
	raw, err := (&rtp.Packet{Header: header, Payload: content}).Marshal()
	if err != nil {
		n.t.Fatal(err)
	}
	n.feed.Write(raw, time.Now())
}

// The number of a packet that is late stays its own when what came after it was left out and something else began.
func TestForwarding_KeepsTheNumberOfALatePacket(t *testing.T) {
	n := newNumbered(t)
	n.write(1, 0x10, 1, 0)
	n.write(3) // without content
	n.s.SetPaused(true)
	n.s.SetPaused(false)
	n.write(4, 0x10, 1, 0)
	n.write(2, 0x10, 1, 0)
	if len(n.sent) != 3 || n.sent[1] != n.sent[0]+2 || n.sent[2] != n.sent[0]+1 {
		t.Errorf("numbers %v", n.sent)
	}
}

// However far a publisher jumps, and whatever is left out meanwhile, a receiver knows how many rounds the numbers made.
func TestForwarding_BoundsGaps(t *testing.T) {
	n := newNumbered(t)
	n.write(1, 0x10, 1, 0)
	for i := range 5 {
		n.write(1 + 30_000*(i+1)) // without content
	}
	n.write(1+30_000*5+100, 0x10, 1, 0)
	n.write(1+30_000*5+99, 0x10, 1, 0)
	n.write(1+30_000*5+20_000, 0x10, 1, 0)
	for i := 1; i < len(n.sent); i++ {
		if gap := int16(n.sent[i] - n.sent[i-1]); gap > window+1 || gap < -1 {
			t.Errorf("number %d after %d", n.sent[i], n.sent[i-1])
		}
	}
	if len(n.sent) != 4 {
		t.Errorf("numbers %v", n.sent)
	}
}
