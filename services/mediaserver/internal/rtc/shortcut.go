package rtc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"
)

// shortcut is the way of a connection's media from its sinks to its pair of candidates. Pion's own way costs as much as
// all the rest of forwarding a packet, and three allocations: it finds anew for every packet what does not change while
// a connection lasts. The shortcut encrypts with the same key and writes to the same pair; RTCP, data, handshakes and
// checks go Pion's way. Safe for concurrent use.
type shortcut struct {
	path *path
	keys srtpKeys

	mu      sync.Mutex    // guards the use of context
	context *srtp.Context // set before open
	open    atomic.Bool
	buffers *sync.Pool // of *encryption, shared by all connections

	first func(time.Duration)       // told how long the first packet took; nil: nobody is
	since atomic.Pointer[time.Time] // when the connection was made; nil: not yet, or a packet has been sent since
}

// encryption is the scratch space of one packet.
type encryption struct {
	header rtp.Header
	data   [maxPacketBytes + maxAdded + srtpTagBytes]byte
}

const (
	maxAdded     = 32 // to a packet on its way: what the server writes into its header, RTX
	srtpTagBytes = 16 // of AEAD_AES_128_GCM
)

func newEncryptions() *sync.Pool { return &sync.Pool{New: func() any { return new(encryption) }} }

// connected is called when the DTLS handshake is over and the client's certificate is known to be the right one; not
// before may anything be sent.
func (s *shortcut) connected() {
	if now := time.Now(); s.first != nil {
		s.since.Store(&now)
	}
	if s.context = s.keys.context(); s.context != nil {
		s.open.Store(true)
	}
}

// begins tells of the first packet.
func (s *shortcut) begins() {
	if s.since.Load() == nil {
		return
	}
	if since := s.since.Swap(nil); since != nil {
		s.first(time.Since(*since))
	}
}

// outlet writes one track: Pion's way until the shortcut is open, and by it from then on.
type outlet struct {
	via  *shortcut
	pion webrtc.TrackLocalWriter

	taken atomic.Bool

	mu      sync.Mutex
	begun   bool
	last    uint16 // sequence number that went Pion's way
	wrapped bool   // they went round: only Pion knows the rollover counter now (RFC 3711 section 3.3.1)
}

// WriteRTP implements the writer of an [Output].
func (o *outlet) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	if !o.taken.Load() && !o.take(header.SequenceNumber) {
		return o.pion.WriteRTP(header, payload)
	}
	return o.via.write(header, payload)
}

// take says whether the shortcut can be taken from this packet on.
func (o *outlet) take(sequence uint16) bool {
	o.via.begins()
	o.mu.Lock()
	defer o.mu.Unlock()
	if ahead := int16(sequence-o.last) > 0; !o.begun || ahead {
		o.wrapped = o.wrapped || o.begun && sequence < o.last
		o.begun, o.last = true, sequence
	}
	if o.wrapped || !o.via.open.Load() || o.via.path.pair() == nil {
		return false
	}
	o.taken.Store(true)
	return true
}

func (s *shortcut) write(header *rtp.Header, payload []byte) (int, error) {
	e := s.buffers.Get().(*encryption)
	defer s.buffers.Put(e)
	encrypted, err := s.encrypt(e, header, payload)
	if err != nil {
		return 0, err
	}
	pair := s.path.pair()
	if pair == nil {
		return 0, nil // ICE begins anew. It is encrypted nevertheless: the context counts the rounds of the numbers
	}
	return pair.Write(encrypted)
}

// encrypt makes the packet in e.
func (s *shortcut) encrypt(e *encryption, header *rtp.Header, payload []byte) ([]byte, error) {
	packet := rtp.Packet{Header: *header, Payload: payload}
	size, err := packet.MarshalTo(e.data[:maxPacketBytes+maxAdded])
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.context.EncryptRTP(e.data[:], e.data[:size], &e.header)
}
