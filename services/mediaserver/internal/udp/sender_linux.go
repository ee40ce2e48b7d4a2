package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	messagesPerCall = 64
	segmentsPerCall = 1024

	// How long a full buffer is waited for: chosen; at 100 Mbit/s a packet leaves every 0.1 ms.
	fullPause    = time.Millisecond
	fullAttempts = 20
)

// sender sends batches with sendmmsg. It is owned by the flusher. Everything that the kernel reads is in it, and what
// points there is of pointer types, so that the garbage collector sees it.
type sender struct {
	socket    syscall.RawConn
	ipv6      bool
	segmented bool // the kernel has UDP_SEGMENT

	headers  [messagesPerCall]messageHeader
	names    [messagesPerCall][unix.SizeofSockaddrInet6]byte
	controls [messagesPerCall]segmentSize
	vectors  [segmentsPerCall]unix.Iovec

	// The arguments and results of one call: a closure made for each would be allocated.
	call    func(fd uintptr) (done bool)
	pending []messageHeader
	sent    int
	errno   syscall.Errno
}

// messageHeader is struct mmsghdr of sendmmsg(2).
type messageHeader struct {
	unix.Msghdr
	sent uint32
}

// segmentSize is a control message (cmsg(3)) with UDP_SEGMENT, as udp(7) has it.
type segmentSize struct {
	unix.Cmsghdr
	size uint16
	_    [unix.SizeofPtr - 2]byte
}

func newSender(socket *net.UDPConn) *sender {
	raw, _ := socket.SyscallConn() // fails of a nil socket only
	s := &sender{socket: raw, ipv6: socket.LocalAddr().(*net.UDPAddr).IP.To4() == nil}
	_ = raw.Control(func(fd uintptr) { // fails of a closed socket only, which sends nothing either
		_, missing := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.segmented = missing == nil
	})
	s.call = func(fd uintptr) bool {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&s.pending[0])), //nolint:gosec // x/sys/unix has no sendmmsg
			uintptr(len(s.pending)), 0, 0, 0)
		s.sent, s.errno = int(n), errno
		return true // to wait in here for a full buffer would hold up those who write at once
	}
	return s
}

// send sends a batch and gives the number of packets that could not be. It waits while the socket's buffer is full.
func (s *sender) send(b *batch) (failed int) {
	b.group(s.segmented)
	for first := 0; first < len(b.messages); {
		count := s.prepare(b, b.messages[first:])
		sent, err := s.write(s.headers[:count])
		if err != nil {
			failed += s.refused(b, &b.messages[first], err)
			sent = 1
		}
		first += sent
	}
	return failed
}

// prepare fills headers for as many messages as go into one call.
func (s *sender) prepare(b *batch, messages []message) (count int) {
	vectors := s.vectors[:]
	for i := range messages[:min(len(messages), messagesPerCall)] {
		m := &messages[i]
		if m.segments > len(vectors) {
			break
		}
		for j, at := 0, m.first; j < m.segments; j++ {
			p := &b.packets[at]
			s.point(&vectors[j], p.payload)
			at = p.next
		}
		s.address(i, b.packets[m.first].to, &vectors[0], m.segments)
		s.headers[i].Control = nil
		s.headers[i].SetControllen(0)
		if m.segments > 1 {
			s.segment(i, m.size)
		}
		vectors = vectors[m.segments:]
		count++
	}
	return count
}

func (s *sender) point(v *unix.Iovec, payload []byte) {
	v.Base = &payload[0] // media is never empty
	v.SetLen(len(payload))
}

// address writes a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)) and has header i refer to it.
func (s *sender) address(i int, to netip.AddrPort, vectors *unix.Iovec, n int) {
	name := &s.names[i]
	length := unix.SizeofSockaddrInet6
	binary.BigEndian.PutUint16(name[2:], to.Port())
	if s.ipv6 {
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
		ip := to.Addr().As16()
		copy(name[8:], ip[:])
	} else {
		length = unix.SizeofSockaddrInet4
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET)
		ip := to.Addr().Unmap()
		if ip.Is4() {
			v4 := ip.As4()
			copy(name[4:], v4[:])
		} else {
			clear(name[4:8]) // refused by the kernel: there is no way from this socket
		}
	}
	h := &s.headers[i]
	h.Name, h.Namelen = &name[0], uint32(length)
	h.Iov = vectors
	h.SetIovlen(n)
}

func (s *sender) segment(i, size int) {
	c := &s.controls[i]
	c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	c.SetLen(unix.CmsgLen(2))
	c.size = uint16(size)
	h := &s.headers[i]
	h.Control = (*byte)(unsafe.Pointer(c)) //nolint:gosec // a control message is bytes to the kernel
	h.SetControllen(int(unsafe.Sizeof(*c)))
}

// write makes one call, and repeats it for a while when the socket's buffer is full. An error is about the first
// message; otherwise sent is at least 1.
func (s *sender) write(headers []messageHeader) (sent int, err error) {
	s.pending = headers
	for range fullAttempts {
		if err := s.socket.Write(s.call); err != nil {
			return 0, err
		}
		if s.errno != unix.EAGAIN {
			break
		}
		nap(fullPause)
	}
	if s.errno != 0 {
		return 0, s.errno
	}
	return s.sent, nil
}

// refused deals with a message that the kernel did not take. One of several segments may be taken in parts: the path's
// MTU is below their size, or the network device cannot do the checksums, which then is so for all.
func (s *sender) refused(b *batch, m *message, err error) (failed int) {
	if m.segments == 1 || errors.Is(err, net.ErrClosed) {
		return m.segments
	}
	if errors.Is(err, unix.EIO) {
		s.segmented = false
	}
	for at := m.first; at != none; at = b.packets[at].next {
		p := &b.packets[at]
		s.point(&s.vectors[0], p.payload)
		s.address(0, p.to, &s.vectors[0], 1)
		s.headers[0].Control = nil
		s.headers[0].SetControllen(0)
		if _, err := s.write(s.headers[:1]); err != nil {
			failed++
		}
	}
	return failed
}

// nap sleeps for less than a millisecond, which Go's own timers round up to one when the process is idle.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil) // a signal ends it early
}
