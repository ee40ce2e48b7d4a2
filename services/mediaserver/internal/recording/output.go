package recording

import "io"

// output is what a muxer writes to.
type output interface {
	io.Writer
	io.WriterAt
}

// File is an empty file to record into; an [os.File] is one.
type File interface {
	output
	io.Closer
	Truncate(size int64) error
}

// guarded remembers up to where a file is whole.
type guarded struct {
	File
	size, whole int64
}

// Write implements io.Writer.
func (g *guarded) Write(data []byte) (int, error) {
	n, err := g.File.Write(data)
	g.size += int64(n)
	return n, err
}

func (g *guarded) keep() { g.whole = g.size }

func (g *guarded) rollBack() error { return g.Truncate(g.whole) }
