package udp

// SetSegmented switches segmentation off, or on where the kernel has it. Call it before anything is written.
func SetSegmented(c *Conn, on bool) { c.sender.segmented = c.sender.segmented && on }

// Stall has the flusher wait as it does while the kernel takes nothing, until release is called.
func Stall(c *Conn) (release func()) {
	stalled, released := make(chan struct{}), make(chan struct{})
	call := c.sender.call
	c.sender.call = func(fd uintptr) bool {
		select {
		case <-stalled:
		default:
			close(stalled)
		}
		<-released
		return call(fd)
	}
	return func() { close(released) }
}
