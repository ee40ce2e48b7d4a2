package rtc

import (
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// formats lets a track that was negotiated with several codecs follow a source of any of them: who offered before it
// was known what to send has taken them all. Each packet has the payload type of its codec.
type formats struct {
	negotiated   []webrtc.RTPCodecParameters
	first, again atomic.Uint32 // payload types of the present codec: of packets, and of those that come again by RTX
}

// takeFormats makes out take every codec that was negotiated.
func takeFormats(out *Output, negotiated []webrtc.RTPCodecParameters) {
	f := &formats{negotiated: negotiated}
	f.first.Store(uint32(out.PayloadType))
	out.Takes, out.Writer = f.takes, typedWriter{out.Writer, &f.first, out.REDPayloadType, false}
	if out.again != nil {
		f.again.Store(uint32(out.again.PayloadType))
		out.again.Writer = typedWriter{out.again.Writer, &f.again, 0, true}
	}
}

func (f *formats) takes(c Codec) bool {
	found, ok := c.find(f.negotiated)
	if ok {
		f.first.Store(uint32(found.PayloadType))
		f.again.Store(uint32(companionIn(f.negotiated, found.PayloadType)))
	}
	return ok
}

// typedWriter gives packets their payload type.
type typedWriter struct {
	rtpWriter
	payload *atomic.Uint32
	red     uint8 // payload type of packets that keep it; 0: none do
	repeats bool  // without a payload type there is no way for them
}

// WriteRTP implements the writer of an [Output].
func (w typedWriter) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	payloadType := uint8(w.payload.Load())
	if w.repeats && payloadType == 0 {
		return 0, nil
	}
	if w.red == 0 || header.PayloadType != w.red {
		header.PayloadType = payloadType
	}
	return w.rtpWriter.WriteRTP(header, payload)
}
