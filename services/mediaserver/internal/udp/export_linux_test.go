package udp

import "golang.org/x/sys/unix"

// SetSegmented switches segmentation off, or on where the kernel has it. Call it before anything is written.
func SetSegmented(c *Conn, on bool) { c.sender.segmented = c.sender.segmented && on }

// Stall has the kernel's buffer be full until release is called.
func Stall(c *Conn) (release func()) {
	released := make(chan struct{})
	call := c.sender.call
	c.sender.call = func(fd uintptr) bool {
		select {
		case <-released:
			return call(fd)
		default:
			c.sender.errno = unix.EAGAIN
			return true
		}
	}
	return func() { close(released) }
}
