package rtc

import (
	"errors"
	"fmt"
	"sync"

	"github.com/pion/webrtc/v4"
)

// ErrNoChannel says that there is no data channel with that id.
var ErrNoChannel = errors.New("no such data channel")

// ChannelEvent says that the data channel ID opened or closed.
type ChannelEvent struct {
	ID   int
	Open bool
}

// DataHub holds the data channels of one [DuplexPeer], both sides' own. Messages from the remote side go to the channel
// with the same label of every connected hub. Safe for concurrent use.
type DataHub struct {
	mu       sync.Mutex
	channels map[*webrtc.DataChannel]bool // value: open
	targets  map[*DataHub]struct{}
	changed  func(ChannelEvent)
}

// NewDataHub makes a hub without channels; changed, which may be nil, must not wait.
func NewDataHub(changed func(ChannelEvent)) *DataHub {
	return &DataHub{channels: map[*webrtc.DataChannel]bool{}, targets: map[*DataHub]struct{}{}, changed: changed}
}

// Connect passes on to another hub, or to itself, what the remote side sends.
func (h *DataHub) Connect(to *DataHub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.targets[to] = struct{}{}
}

// Disconnect undoes Connect.
func (h *DataHub) Disconnect(to *DataHub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.targets, to)
}

func (h *DataHub) add(channel *webrtc.DataChannel) {
	h.mu.Lock()
	if len(h.channels) >= maxChannels {
		h.mu.Unlock()
		// An error means that it is closed already.
		_ = channel.Close()
		return
	}
	h.channels[channel] = false
	h.mu.Unlock()
	channel.OnOpen(func() { h.setOpen(channel, true) })
	channel.OnClose(func() { h.setOpen(channel, false) })
	channel.OnMessage(func(m webrtc.DataChannelMessage) { h.deliver(channel.Label(), m) })
}

func (h *DataHub) setOpen(channel *webrtc.DataChannel, open bool) {
	h.mu.Lock()
	before, known := h.channels[channel]
	if open {
		h.channels[channel] = true
	} else {
		delete(h.channels, channel)
	}
	h.mu.Unlock()
	if h.changed != nil && known && before != open && channel.ID() != nil {
		h.changed(ChannelEvent{ID: int(*channel.ID()), Open: open})
	}
}

func (h *DataHub) deliver(label string, m webrtc.DataChannelMessage) {
	h.mu.Lock()
	targets := make([]*DataHub, 0, len(h.targets))
	for target := range h.targets {
		targets = append(targets, target)
	}
	h.mu.Unlock()
	for _, target := range targets {
		target.send(label, m)
	}
}

// send queues a message on the open channel with a label. What a slow receiver does not take is dropped.
func (h *DataHub) send(label string, m webrtc.DataChannelMessage) {
	h.mu.Lock()
	var channel *webrtc.DataChannel
	for c, open := range h.channels {
		if open && c.Label() == label {
			channel = c
		}
	}
	h.mu.Unlock()
	if channel == nil || channel.BufferedAmount() > maxReliableBytes {
		return
	}
	// An error means that the channel is closing.
	if m.IsString {
		_ = channel.SendText(string(m.Data))
	} else {
		_ = channel.Send(m.Data)
	}
}

func (h *DataHub) closeChannel(id int) error {
	h.mu.Lock()
	var found *webrtc.DataChannel
	for c := range h.channels {
		if c.ID() != nil && int(*c.ID()) == id {
			found = c
		}
	}
	h.mu.Unlock()
	if found == nil {
		return fmt.Errorf("%w: %d", ErrNoChannel, id)
	}
	return found.Close()
}
