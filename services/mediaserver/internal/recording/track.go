package recording

import "time"

// Codecs that can be recorded, as the MIME types of RTP have them.
const (
	VP8  = "video/VP8"
	VP9  = "video/VP9"
	AV1  = "video/AV1"
	H264 = "video/H264"
	Opus = "audio/opus"
)

// Track is what a file says about one of its tracks.
type Track struct {
	Codec         string
	Width, Height int // pixels of the first picture; 0 for audio
	Channels      int // 0 for video
	// Sets are what a decoder must know beforehand: the sequence and picture parameter sets of H264, the sequence header
	// of AV1, each without a start code or length; of VP9 the beginning of its first keyframe.
	Sets [][]byte
}

// Video reports whether the track has pictures.
func (t Track) Video() bool { return t.Codec != Opus }

// Sample is one frame of a track, in the form that the containers share: H264 with a length of four bytes before each
// unit, AV1 as OBUs with their sizes and without temporal delimiters.
type Sample struct {
	Track    int           // index of the track
	Time     time.Duration // since the beginning of the file
	Keyframe bool
	Data     []byte
}

// muxer writes one container. It is called by one goroutine, begin first, end last. An error leaves the file as far as
// it is complete.
type muxer interface {
	begin(tracks []Track) error
	// fragment writes samples, not none and in the order of their time, so that they can be played once it returns.
	fragment(samples []Sample) error
	// end writes what makes the file easy to seek in.
	end() error
}
