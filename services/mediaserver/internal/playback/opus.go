package playback

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
)

// opusClock is the clock of Opus in RTP and Ogg, in Hz.
const opusClock = 48000

// opusLength is how long the sound in a packet of Opus lasts.
func opusLength(packet []byte) time.Duration {
	return time.Duration(opus.PacketDuration2(packet)) * time.Second / opusClock
}
