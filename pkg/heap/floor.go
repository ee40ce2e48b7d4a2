// Package heap sets how the garbage collector treats the small heaps of Orkestro's processes. Only main functions call
// it.
package heap

import "runtime"

// FloorBytes is the floor that the programs use. Measured with tests/bench, in turn with none: four fifths of the CPU a
// join with 20 pairs joining at once.
const FloorBytes = 64 << 20

// Floor keeps the collector from running before about size bytes were allocated since its last run, until release is
// called. A service lives on a few MiB, and by default the collector starts whenever the heap has doubled: dozens of
// times a second under load. A large heap is collected as ever, which a higher GOGC would not do. The memory is never
// touched, so it takes no RAM; what it allows to pile up as garbage does, up to about size.
func Floor(size int) (release func()) {
	ballast := make([]byte, size)
	return func() { runtime.KeepAlive(ballast) }
}
