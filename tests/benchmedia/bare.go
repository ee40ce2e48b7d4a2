//go:build linux

package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bare servers are the limits of the machine: what a copy costs that is encrypted and given to the kernel, and
// nothing else. They make the packets themselves and send them to plain sockets.
const (
	clearBytes      = 12 + 8 // of an RTP header, and of the time of sending
	messagesPerCall = 64
)

// bareSender sends a packet with one call, or all packets of a frame to one receiver as one message with UDP_SEGMENT and
// many messages with one sendmmsg.
type bareSender struct {
	segmented bool
	socket    *net.UDPConn
	targets   []*bareTarget
	number    uint64 // of the packet
	payload   [packetBytes]byte
	messages  []message
}

// bareTarget is a receiver with its key and the memory of what is sent to it.
type bareTarget struct {
	address netip.AddrPort
	aead    cipher.AEAD
	head    [clearBytes]byte
	nonce   [12]byte
	frame   []byte

	name    unix.RawSockaddrInet4
	vector  unix.Iovec
	control segmentSize
}

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	unix.Msghdr
	sent uint32
}

// segmentSize is a control message (cmsg(3)) with UDP_SEGMENT, as udp(7) has it.
type segmentSize struct {
	unix.Cmsghdr
	size uint16
	_    [unix.SizeofPtr - 2]byte
}

func newBareSender(addresses []netip.AddrPort, segmented bool) (*bareSender, error) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = socket.SetWriteBuffer(4 << 20) // the kernel may grant less
	s := &bareSender{segmented: segmented, socket: socket}
	for _, address := range addresses {
		key := make([]byte, 16)
		_, _ = rand.Read(key) // never fails
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		t := &bareTarget{address: address, aead: aead}
		t.name = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: address.Addr().Unmap().As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&t.name.Port))[:], address.Port())
		s.targets = append(s.targets, t)
	}
	return s, nil
}

func (s *bareSender) send(ctx context.Context, m mode, d time.Duration) (sent int, err error) {
	return pace(ctx, m, d, func() error {
		if s.segmented {
			return s.burst(m.packets)
		}
		return s.single(m.packets)
	})
}

// single makes a call for every packet to every receiver.
func (s *bareSender) single(packets int) error {
	for range packets {
		s.number++
		now := time.Now()
		for _, t := range s.targets {
			t.frame = t.seal(t.frame[:0], now, s.number, s.payload[:])
			if _, err := s.socket.WriteToUDPAddrPort(t.frame, t.address); err != nil {
				return err
			}
		}
	}
	return nil
}

// burst makes one message of a frame for every receiver.
func (s *bareSender) burst(packets int) error {
	now := time.Now()
	s.messages = s.messages[:0]
	for _, t := range s.targets {
		t.frame = t.frame[:0]
		for i := range packets {
			t.frame = t.seal(t.frame, now, s.number+uint64(i), s.payload[:])
		}
		s.messages = append(s.messages, t.message(packets))
	}
	s.number += uint64(packets)
	raw, err := s.socket.SyscallConn()
	if err != nil {
		return err
	}
	for rest := s.messages; len(rest) > 0; {
		var sent int
		var errno syscall.Errno
		if err := raw.Write(func(fd uintptr) bool {
			n, _, e := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&rest[0])),
				uintptr(min(len(rest), messagesPerCall)), 0, 0, 0)
			sent, errno = int(n), e
			return e != unix.EAGAIN
		}); err != nil {
			return err
		}
		if errno != 0 {
			return errno
		}
		rest = rest[sent:]
	}
	return nil
}

// seal appends a packet: its header and the time of sending in the clear, the rest encrypted (AEAD_AES_128_GCM).
func (t *bareTarget) seal(to []byte, made time.Time, number uint64, payload []byte) []byte {
	t.head[0] = 0x80
	binary.BigEndian.PutUint64(t.head[12:], uint64(made.UnixNano()))
	binary.BigEndian.PutUint64(t.nonce[4:], number)
	return t.aead.Seal(append(to, t.head[:]...), t.nonce[:], payload, t.head[:])
}

func (t *bareTarget) message(packets int) (m message) {
	t.vector.Base = &t.frame[0]
	t.vector.SetLen(len(t.frame))
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&t.name)), unix.SizeofSockaddrInet4
	m.Iov = &t.vector
	m.SetIovlen(1)
	if packets > 1 {
		t.control.Level, t.control.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		t.control.SetLen(unix.CmsgLen(2))
		t.control.size = uint16(len(t.frame) / packets)
		m.Control = (*byte)(unsafe.Pointer(&t.control))
		m.SetControllen(int(unsafe.Sizeof(t.control)))
	}
	return m
}

// newBareReceiver is a plain socket.
func newBareReceiver() (*subscriber, netip.AddrPort, error) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	_ = socket.SetReadBuffer(4 << 20) // the kernel may grant less
	k := &subscriber{}
	go func() { // until the process ends
		buffer := make([]byte, 1500)
		for {
			n, err := socket.Read(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				k.count(buffer[:n], clearBytes-8)
			}
		}
	}()
	return k, socket.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// mallocs counts the allocations of this process.
func mallocs() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Mallocs)
}
