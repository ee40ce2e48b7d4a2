package media

import "sync"

// Dispatcher is the Dispatcher of the Kurento Protocol: any port to any port. Safe for concurrent use.
type Dispatcher struct {
	hub
}

// NewDispatcher makes a Dispatcher.
func (p *Pipeline) NewDispatcher() (*Dispatcher, error) {
	d := &Dispatcher{hub: newHub(p, "Dispatcher")}
	d.self = d
	return d, p.children.add(p.server, p, d)
}

// Connect has leave at sink what enters source. A port emits what one other gets: it leaves its earlier one.
func (d *Dispatcher) Connect(source, sink *HubPort) error {
	if err := d.check(source, sink); err != nil {
		return err
	}
	for _, kind := range allMediaTypes() {
		d.pipeline.graph.route(kind, &source.Element, &sink.Element)
	}
	return nil
}

// DispatcherOneToMany is the DispatcherOneToMany of the Kurento Protocol: what enters one port leaves at all others.
// Safe for concurrent use.
type DispatcherOneToMany struct {
	hub

	mu     sync.Mutex
	source *HubPort // nil: none
	ports  map[*HubPort]struct{}
}

// NewDispatcherOneToMany makes a DispatcherOneToMany.
func (p *Pipeline) NewDispatcherOneToMany() (*DispatcherOneToMany, error) {
	d := &DispatcherOneToMany{hub: newHub(p, "DispatcherOneToMany"), ports: map[*HubPort]struct{}{}}
	d.self = d
	d.entered, d.left = d.portEntered, d.portLeft
	return d, p.children.add(p.server, p, d)
}

// SetSource chooses the port whose input leaves at all others.
func (d *DispatcherOneToMany) SetSource(source *HubPort) error {
	if err := d.check(source); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.ports[source]; !there {
		return errReleased(source.ID())
	}
	d.source = source
	d.routeLocked()
	return nil
}

// RemoveSource has nothing leave any more.
func (d *DispatcherOneToMany) RemoveSource() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.source = nil
	d.routeLocked()
}

func (d *DispatcherOneToMany) portEntered(port *HubPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ports[port] = struct{}{}
	d.routePortLocked(port)
}

func (d *DispatcherOneToMany) portLeft(port *HubPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ports, port)
	if d.source == port {
		d.source = nil
		d.routeLocked() // it may have become the source while it was going, when nothing can be routed from it any more
	}
}

// routeLocked needs d.mu.
func (d *DispatcherOneToMany) routeLocked() {
	for port := range d.ports {
		d.routePortLocked(port)
	}
}

// routePortLocked needs d.mu.
func (d *DispatcherOneToMany) routePortLocked(port *HubPort) {
	var from *Element
	if d.source != nil && d.source != port {
		from = &d.source.Element
	}
	for _, kind := range allMediaTypes() {
		d.pipeline.graph.route(kind, from, &port.Element)
	}
}
