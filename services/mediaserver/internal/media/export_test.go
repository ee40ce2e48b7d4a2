package media

// SentLayer is the layer of the video that the endpoint sends, -1: none.
func (e *WebRTCEndpoint) SentLayer() int { return e.inputs[Video].Layer() }
