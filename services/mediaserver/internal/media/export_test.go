package media

// SentLayer is the layer of the video that the endpoint sends, -1: none.
func (e *WebRTCEndpoint) SentLayer() int { return e.inputs[Video].Layer() }

// Leave takes a port out of the graph, as its release does before the hub is told.
func (p *HubPort) Leave() { p.leave() }

// Source is the port whose input leaves at this one, nil: none.
func (p *HubPort) Source() *HubPort {
	g := &p.pipeline.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	from := p.wiring.inlets[Video]
	if from == nil {
		return nil
	}
	return from.owner.(*HubPort)
}
