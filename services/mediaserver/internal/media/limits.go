package media

import "github.com/orkestro/orkestro/services/mediaserver/internal/rtc"

// Limits are bandwidths in kbit/s that a client of the Kurento Protocol has set; 0: none. Those of what is received are
// told to the remote side, that of what is sent chooses the layer of a video that has several. The least ones are for
// an encoder, which does not exist here: they are kept.
type Limits struct {
	MaxAudioRecv, MaxVideoRecv int
	MinVideoRecv, MinVideoSend int
	MaxVideoSend               int
}

// Limits are those in force.
func (e *baseRTPEndpoint) Limits() Limits {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.limits
}

// SetLimits changes them. Before the negotiation they are written into the description too.
func (e *baseRTPEndpoint) SetLimits(change func(*Limits)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.limits
	change(&changed)
	for _, limit := range []int{
		changed.MaxAudioRecv, changed.MaxVideoRecv, changed.MinVideoRecv, changed.MinVideoSend, changed.MaxVideoSend,
	} {
		if limit < 0 || limit > maxLimit {
			return errorf(codeIllegalParam, "a bandwidth is 0 to %d kbit/s, not %d", maxLimit, limit)
		}
	}
	e.limits = changed
	return nil
}

// maxLimit keeps bits per second within an int: chosen; a terabit per second.
const maxLimit = 1_000_000_000

// limitLayer has the video be sent in the highest layer within the limit, the lowest if none is.
func (e *baseRTPEndpoint) limitLayer() {
	sink, limit := e.inputs[Video], e.Limits().MaxVideoSend
	if limit == 0 {
		sink.SetMaxLayer(rtc.AllLayers)
		return
	}
	origin := e.pipeline.graph.origin(&e.Element, Video)
	if origin == nil || origin.outputs[Video] == nil {
		return
	}
	highest := 0
	for i, layer := range origin.outputs[Video].Layers() {
		if layer.Active && layer.Bitrate <= uint64(limit)*1000 {
			highest = i
		}
	}
	sink.SetMaxLayer(highest)
}

// withLimits writes those of what is received into a description of ours.
func (e *baseRTPEndpoint) withLimits(description string) string {
	limits := e.Limits()
	return rtc.WithBandwidth(description, limits.MaxAudioRecv, limits.MaxVideoRecv)
}
