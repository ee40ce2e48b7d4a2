package media

import (
	"slices"
	"sync"
)

// family is the children of an object: the endpoints of a pipeline, the ports of a hub. Safe for concurrent use.
type family struct {
	mu      sync.Mutex
	closed  bool
	members []Object
}

// Children implements [Object]: oldest first.
func (f *family) Children() []Object {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.members)
}

// add registers a child of parent, whose family this is, unless the parent is being released.
func (f *family) add(s *Server, parent, child Object) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errReleased(parent.ID())
	}
	if err := s.add(parent, child); err != nil {
		return err
	}
	f.members = append(f.members, child)
	s.emit(child, EventObjectCreated, ObjectCreated{Object: child.ID()})
	return nil
}

// addElement is add for an element, whose media is watched.
func (f *family) addElement(s *Server, parent Object, child Connectable) error {
	s.flows.add(child.element())
	if err := f.add(s, parent, child); err != nil {
		s.flows.remove(child.element())
		return err
	}
	return nil
}

// forget drops a child that was released.
func (f *family) forget(child Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = slices.DeleteFunc(f.members, func(o Object) bool { return o == child })
}

// close has the children that were added while the others were being released go as well.
func (f *family) close(s *Server) {
	f.mu.Lock()
	f.closed = true
	late := slices.Clone(f.members)
	f.mu.Unlock()
	for _, child := range late {
		s.releaseTree(child)
	}
}
