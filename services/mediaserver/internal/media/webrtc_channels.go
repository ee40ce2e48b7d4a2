package media

import (
	"context"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// CreateDataChannel opens a data channel; [EventDataChannelOpened] tells its id.
func (e *WebRTCEndpoint) CreateDataChannel(ctx context.Context, options rtc.ChannelOptions) error {
	switch {
	case !e.params.UseDataChannels:
		return errorf(codeOperationNotSupported, "the endpoint was made without data channels")
	case options.MaxPacketLifeTime != nil && options.MaxRetransmits != nil:
		return errorf(codeIllegalParam, "maxPacketLifeTime and maxRetransmits exclude each other")
	}
	return e.queue.call(ctx, e.id, func() error {
		if e.peer == nil {
			return errorf(codeNoLocalSDP, "data channels need a negotiated endpoint")
		}
		if err := e.peer.OpenChannel(options); err != nil {
			return errorf(codeIllegalParam, "%v", err)
		}
		return nil
	})
}

// CloseDataChannel closes a data channel by the id of its event.
func (e *WebRTCEndpoint) CloseDataChannel(ctx context.Context, id int) error {
	if !e.params.UseDataChannels {
		return errorf(codeOperationNotSupported, "the endpoint was made without data channels")
	}
	return e.queue.call(ctx, e.id, func() error {
		if e.peer == nil {
			return errorf(codeIllegalParam, "no such data channel: %d", id)
		}
		if err := e.peer.CloseChannel(id); err != nil {
			return errorf(codeIllegalParam, "%v", err)
		}
		return nil
	})
}
