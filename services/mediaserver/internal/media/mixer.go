package media

// Mixer is the Mixer of the Kurento Protocol as far as nothing has to be mixed: a port's video is that of one other.
// Safe for concurrent use.
type Mixer struct {
	hub
}

// NewMixer makes a Mixer.
func (p *Pipeline) NewMixer() (*Mixer, error) {
	m := &Mixer{hub: newHub(p, "Mixer")}
	m.self = m
	return m, p.children.add(p.server, p, m)
}

// Connect has the video that enters source leave at sink. Audio would have to be decoded: it is refused.
func (m *Mixer) Connect(kind MediaType, source, sink *HubPort) error {
	if err := m.checkMix(kind, source, sink); err != nil {
		return err
	}
	m.pipeline.graph.route(kind, &source.Element, &sink.Element)
	return nil
}

// Disconnect undoes Connect.
func (m *Mixer) Disconnect(kind MediaType, source, sink *HubPort) error {
	if err := m.checkMix(kind, source, sink); err != nil {
		return err
	}
	m.pipeline.graph.unroute(kind, &source.Element, &sink.Element)
	return nil
}

func (m *Mixer) checkMix(kind MediaType, source, sink *HubPort) error {
	if kind != Video {
		return errorf(codeOperationNotSupported, "media type %s cannot be mixed: nothing is decoded here", kind)
	}
	return m.check(source, sink)
}
