package rtc

import (
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Output is where a [Sink] writes to: a peer connection, an RTP socket, a file. It is not changed once it is bound.
type Output struct {
	Codec        Codec // what is decoded there; sources of other codecs are dropped
	PayloadType  uint8
	SSRC         uint32
	AudioLevelID uint8 // id of the audio level extension; 0: none
	DependencyID uint8 // id of the AV1 Dependency Descriptor, likewise; it may be longer than 16 bytes

	REDPayloadType uint8 // what takes packets of PayloadType with their redundancy (RFC 2198); 0: nothing does

	// Live says that it begins with the next keyframe, not with the pictures since the last one.
	Live bool
	// Takes decides in place of Codec, of which then only the clock counts. It is asked when the source's codec is another
	// one than before, ahead of the first packet of it; it must not wait, and must not call the sink.
	Takes func(Codec) bool
	// Writer gets every packet. It keeps neither header nor payload. It must not wait, and must not call the sink, and
	// may be called by several goroutines at once; a packet of which it writes 0 bytes does not count as sent.
	Writer interface {
		WriteRTP(header *rtp.Header, payload []byte) (int, error)
	}
	// Control gets sender reports, nil: nobody does.
	Control func([]rtcp.Packet) error

	again *Output // where lost packets are sent again; nil: here, as they were
}

// takes says whether what is encoded with c can be written there.
func (o *Output) takes(c Codec) bool {
	if o.Takes == nil {
		return o.Codec.matches(c)
	}
	return o.Codec.ClockRate == c.ClockRate && o.Takes(c)
}

// Bind makes the sink write to out from now on, in place of where it wrote to before. It asks its source for a keyframe
// unless it can begin with one that is stored.
func (k *Sink) Bind(out Output) { k.bind(&out) }

func (k *Sink) bind(out *Output) {
	k.out.Store(out)
	k.Refresh()
}

// Unbind ends writing.
func (k *Sink) Unbind() { k.out.Store(nil) }

// Feedback handles RTCP that came back from the output: requests for lost packets and for keyframes.
func (k *Sink) Feedback(packets []rtcp.Packet) {
	out := k.out.Load()
	if out == nil {
		return
	}
	stored := make([]byte, 0, maxPacketBytes)
	for _, p := range packets {
		stored = k.feedback(p, out, stored)
	}
}
