package media

func passThroughClass() class {
	return class{module: "kurento", name: "PassThrough", hierarchy: elementHierarchy()}
}

// elementHierarchy is that of elements which are no endpoints.
func elementHierarchy() []string { return []string{"kurento.MediaElement", "kurento.MediaObject"} }

// PassThrough is the PassThrough of the Kurento Protocol: what enters it leaves to all its sinks. Safe for concurrent
// use.
type PassThrough struct {
	base
	Element
}

// NewPassThrough makes a PassThrough.
func (p *Pipeline) NewPassThrough() (*PassThrough, error) {
	e := &PassThrough{base: newBase(p.server, p, passThroughClass())}
	e.Element = newRelay(e, p)
	for _, kind := range allMediaTypes() {
		p.graph.route(kind, &e.Element, &e.Element)
	}
	return e, p.children.addElement(p.server, p, e)
}

func (e *PassThrough) close() {
	e.leave()
	e.pipeline.forget(e)
}
