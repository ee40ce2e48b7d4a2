package rtc

import (
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// formats lets a track that was negotiated with several codecs follow a source of any of them: who offered before it
// was known what to send has taken them all. Each packet has the payload type of its codec.
type formats struct {
	negotiated []webrtc.RTPCodecParameters
	payload    atomic.Uint32
	writer     interface {
		WriteRTP(header *rtp.Header, payload []byte) (int, error)
	}
}

// takeFormats makes out take every codec that was negotiated.
func takeFormats(out *Output, negotiated []webrtc.RTPCodecParameters) {
	f := &formats{negotiated: negotiated, writer: out.Writer}
	f.payload.Store(uint32(out.PayloadType))
	out.Takes, out.Writer = f.takes, f
}

func (f *formats) takes(c Codec) bool {
	found, ok := c.find(f.negotiated)
	if ok {
		f.payload.Store(uint32(found.PayloadType))
	}
	return ok
}

// WriteRTP implements the writer of an [Output].
func (f *formats) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	header.PayloadType = uint8(f.payload.Load())
	return f.writer.WriteRTP(header, payload)
}
