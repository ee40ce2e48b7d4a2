package rtc

import (
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// resendsPerSecond bounds what one receiver can make the server send again: chosen; four times the packets of a
// 2.5 Mbit/s video, so that only a broken or hostile receiver meets it.
const resendsPerSecond = 1000

// resendAge is how old a packet may be that is sent again: chosen. Receivers go on without it long before, but one of a
// screen that stands still is missed only when the next comes.
const resendAge = 5 * time.Second

// readFeedback handles the RTCP of a bound sink until its connection or sender is closed.
func (k *Sink) readFeedback(reader interceptor.RTCPReader, out *Output) {
	buffer := make([]byte, maxPacketBytes)
	stored := make([]byte, 0, maxPacketBytes)
	for {
		n, _, err := reader.Read(buffer, nil)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buffer[:n])
		if err != nil {
			continue
		}
		for _, p := range packets {
			stored = k.feedback(p, out, stored)
		}
	}
}

func (k *Sink) feedback(p rtcp.Packet, out *Output, stored []byte) []byte {
	k.reported(p, out)
	source := k.source.Load()
	if source == nil {
		return stored
	}
	switch p := p.(type) {
	case *rtcp.PictureLossIndication:
		if p.MediaSSRC == out.SSRC {
			k.requested.keyframes.Add(1)
			k.Refresh()
		}
	case *rtcp.FullIntraRequest:
		if k.newFIR(p, out) {
			k.requested.firs.Add(1)
			k.Refresh()
		}
	case *rtcp.TransportLayerNack:
		if p.MediaSSRC == out.SSRC && source.video() {
			k.requested.nacks.Add(1)
			for _, pair := range p.Nacks {
				pair.Range(func(sequence uint16) bool {
					stored = k.resend(source, out, sequence, stored)
					return true
				})
			}
		}
	}
	return stored
}

// newFIR says whether a request is for this sink and no repetition of the one before (RFC 5104 section 4.3.1.1).
func (k *Sink) newFIR(p *rtcp.FullIntraRequest, out *Output) bool {
	for _, entry := range p.FIR {
		if entry.SSRC == out.SSRC {
			number := int32(entry.SequenceNumber) + 1
			return k.lastFIR.Swap(number) != number
		}
	}
	return false
}

// resend answers a NACK (RFC 4585 section 6.2.1).
func (k *Sink) resend(source *Source, out *Output, sequence uint16, buffer []byte) []byte {
	now := time.Now()
	if !k.repeats.take(sequence, now) || !k.resends.take(now) {
		return buffer
	}
	p, d, found := source.sentAs(k, sequence, buffer)
	if !found || d.out != out || now.Sub(p.at) > resendAge {
		return buffer
	}
	var header rtp.Header
	if out.again != nil {
		d.out = out.again
	}
	var rewritten []byte
	if n := d.write(&header, &p, &rewritten); n > 0 {
		source.sent(k, n, now)
		source.engine.traffic.resent.Add(1)
	}
	return p.payload
}

// budget allows resendsPerSecond a second. Safe for concurrent use.
type budget struct {
	mu    sync.Mutex
	since time.Time
	used  int
}

func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= time.Second {
		b.since, b.used = now, 0
	}
	b.used++
	return b.used <= resendsPerSecond
}
