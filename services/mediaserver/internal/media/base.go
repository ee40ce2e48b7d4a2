package media

// base is what every object has. Its fields never change.
type base struct {
	class
	id     string
	parent Object
	meta   *Meta
	server *Server
}

func newBase(s *Server, parent Object, c class) base {
	id := newID(parent, c)
	return base{class: c, id: id, parent: parent, meta: NewMeta(id), server: s}
}

// ID implements [Object].
func (b *base) ID() string { return b.id }

// Parent implements [Object].
func (b *base) Parent() Object { return b.parent }

// Children implements [Object].
func (b *base) Children() []Object { return nil }

// Meta implements [Object].
func (b *base) Meta() *Meta { return b.meta }
