package rtc

import "sync/atomic"

// loudLevel is the audio level (RFC 6464: dB below the loudest there is) up to which a packet may be speech: chosen;
// speech near a microphone is at 20 to 40, a quiet room at 60 and more.
const loudLevel = 50

const (
	quietest = 127  // RFC 6464 section 3
	voiceBit = 0x80 // "V": the sender says that it is voice
)

// loudness counts how loud the packets of a source are. Safe for concurrent use.
type loudness struct {
	packets, loud, sum atomic.Uint32
	voice              atomic.Bool // the sender has set the voice bit once, so that it means something
}

// hear takes the audio level extension of a packet.
func (l *loudness) hear(extension byte) {
	level, voice := uint32(extension&^voiceBit), extension&voiceBit != 0
	if voice && !l.voice.Load() {
		l.voice.Store(true)
	}
	l.packets.Add(1)
	if level <= loudLevel && (voice || !l.voice.Load()) {
		l.loud.Add(1)
		l.sum.Add(quietest - level)
	}
}

// Loudness is how loud a source was since this was last asked: how many packets had an audio level, how many of them
// may be speech, and the mean level of these in dB above the quietest there is.
type Loudness struct {
	Packets, Loud uint32
	Level         float64
}

// TakeLoudness measures from the last call until now. One goroutine calls it.
func (s *Source) TakeLoudness() Loudness {
	l := Loudness{Packets: s.loudness.packets.Swap(0), Loud: s.loudness.loud.Swap(0)}
	if sum := s.loudness.sum.Swap(0); l.Loud > 0 {
		l.Level = float64(sum) / float64(l.Loud)
	}
	return l
}
