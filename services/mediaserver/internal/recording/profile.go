package recording

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrCodec says that a container does not have a codec.
var ErrCodec = errors.New("the container does not have this codec")

// ErrProfile says that a media profile cannot be recorded without encoding, or is none.
var ErrProfile = errors.New("not available")

// Profile is a media profile of the Kurento Protocol.
type Profile struct {
	container    string // "WEBM", "MKV", "MP4"
	Audio, Video bool
}

// ParseProfile reads the name of a media profile; errors are [ErrProfile].
func ParseProfile(name string) (Profile, error) {
	p := Profile{container: name, Audio: true, Video: true}
	if container, only := strings.CutSuffix(name, "_VIDEO_ONLY"); only {
		p.container, p.Audio = container, false
	} else if container, only := strings.CutSuffix(name, "_AUDIO_ONLY"); only {
		p.container, p.Video = container, false
	}
	if !slices.Contains([]string{"WEBM", "MKV", "MP4"}, p.container) {
		return Profile{}, fmt.Errorf("media profile '%s' is %w: this server does not encode", name, ErrProfile)
	}
	return p, nil
}

// Codec is the name of a codec, however it is spelt, if such a file can have it.
func (p Profile) Codec(mime string) (codec string, ok bool) {
	codecs := map[string][]string{
		"WEBM": {VP8, VP9, AV1, Opus},
		"MKV":  {VP8, VP9, AV1, H264, Opus},
		"MP4":  {VP9, AV1, H264, Opus},
	}[p.container]
	i := slices.IndexFunc(codecs, func(c string) bool { return strings.EqualFold(c, mime) })
	if i < 0 || (codecs[i] == Opus && !p.Audio) || (codecs[i] != Opus && !p.Video) {
		return "", false
	}
	return codecs[i], true
}

func (p Profile) muxer(out output) muxer {
	switch p.container {
	case "MP4":
		return newMP4(out)
	case "MKV":
		return newWebM(out, "matroska")
	default:
		return newWebM(out, "webm")
	}
}
