package rtc

import (
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// Bounds of what waits for one slow receiver: chosen.
const (
	maxReliableBytes   = 4 << 20   // more than this on a reliable channel closes it: the receiver cannot catch up
	maxUnreliableBytes = 256 << 10 // more than this on an unreliable one is dropped
	maxWaitingMessages = 256       // sent while the channel is being opened; older ones give way
)

// Mirror is one channel of a publisher as one receiver gets it. Messages that come before it is open wait, so that
// nothing is lost between the publisher's first message and the receiver's negotiation. Safe for concurrent use.
type Mirror struct {
	created           time.Time
	label             string
	ordered           bool
	lifetime, repeats *uint16
	protocol          string

	mu      sync.Mutex
	channel *webrtc.DataChannel
	open    bool
	waiting []webrtc.DataChannelMessage
	bytes   int // of waiting
}

func newMirror(of *webrtc.DataChannel) *Mirror {
	return &Mirror{
		created: time.Now(), label: of.Label(), ordered: of.Ordered(),
		lifetime: of.MaxPacketLifeTime(), repeats: of.MaxRetransmits(),
	}
}

// For sets the stream that the channel belongs to; receivers see it as the channel's protocol.
func (m *Mirror) For(stream string) *Mirror {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.protocol = stream
	return m
}

func (m *Mirror) options() *webrtc.DataChannelInit {
	m.mu.Lock()
	defer m.mu.Unlock()
	protocol := m.protocol
	return &webrtc.DataChannelInit{
		Ordered: &m.ordered, MaxPacketLifeTime: m.lifetime, MaxRetransmits: m.repeats, Protocol: &protocol,
	}
}

func (m *Mirror) reliable() bool { return m.lifetime == nil && m.repeats == nil }

// bind opens the mirror on a channel. On another one, as after a fresh connection, it begins anew.
func (m *Mirror) bind(channel *webrtc.DataChannel) {
	m.mu.Lock()
	m.channel, m.open = channel, false
	m.mu.Unlock()
	channel.OnOpen(func() { m.opened(channel) })
}

func (m *Mirror) unbind() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.channel, m.open = nil, false
}

// opened sends what waits. Messages go out under the lock to stay in order; sending only queues them.
func (m *Mirror) opened(channel *webrtc.DataChannel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channel != channel {
		return
	}
	m.open = true
	for _, message := range m.waiting {
		m.sendLocked(message)
	}
	m.waiting, m.bytes = nil, 0
}

func (m *Mirror) send(message webrtc.DataChannelMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		m.sendLocked(message)
		return
	}
	m.waiting = append(m.waiting, message)
	m.bytes += len(message.Data)
	for len(m.waiting) > maxWaitingMessages || m.bytes > maxUnreliableBytes && len(m.waiting) > 1 {
		m.bytes -= len(m.waiting[0].Data)
		m.waiting = m.waiting[1:]
	}
}

// sendLocked needs m.mu.
func (m *Mirror) sendLocked(message webrtc.DataChannelMessage) {
	waiting := int(m.channel.BufferedAmount()) + len(message.Data)
	switch {
	case m.reliable() && waiting > maxReliableBytes:
		m.open = false
		m.waiting = nil
		// An error means that it is closed already.
		_ = m.channel.Close()
		return
	case !m.reliable() && waiting > maxUnreliableBytes:
		return
	}
	// An error means that the channel is closing.
	if message.IsString {
		_ = m.channel.SendText(string(message.Data))
	} else {
		_ = m.channel.Send(message.Data)
	}
}
