package media

func hubClass(name string) class {
	return class{module: "kurento", name: name, hierarchy: []string{"kurento.Hub", "kurento.MediaObject"}}
}

func hubPortClass() class {
	return class{module: "kurento", name: "HubPort", hierarchy: elementHierarchy()}
}

// Hub is an object with ports: what enters one of them leaves at others.
type Hub interface {
	Object
	NewPort() (*HubPort, error)
}

// HubPort is the way into a hub and out of it. Safe for concurrent use.
type HubPort struct {
	base
	Element
	hub *hub
}

func (p *HubPort) close() {
	p.leave()
	if p.hub.left != nil {
		p.hub.left(p)
	}
	p.hub.children.forget(p)
}

// hub is what every hub has.
type hub struct {
	base
	pipeline      *Pipeline
	children      family
	self          Hub
	entered, left func(*HubPort) // told of a new port, before anybody sees it, and of one that is gone; may be nil
}

func newHub(p *Pipeline, name string) hub {
	return hub{base: newBase(p.server, p, hubClass(name)), pipeline: p}
}

// Children implements [Object]: the ports.
func (h *hub) Children() []Object { return h.children.Children() }

// NewPort makes a port.
func (h *hub) NewPort() (*HubPort, error) {
	port := &HubPort{base: newBase(h.server, h.self, hubPortClass()), hub: h}
	port.Element = newRelay(port, h.pipeline)
	if h.entered != nil {
		h.entered(port)
	}
	if err := h.children.addElement(h.server, h.self, port); err != nil {
		port.close()
		return nil, err
	}
	return port, nil
}

// check says whether a port is one of this hub.
func (h *hub) check(ports ...*HubPort) error {
	for _, port := range ports {
		if port.hub != h {
			return errorf(codeConnect, "'%s' is no port of '%s'", port.ID(), h.ID())
		}
	}
	return nil
}

func (h *hub) close() {
	h.children.close(h.server)
	h.pipeline.forget(h.self)
}
