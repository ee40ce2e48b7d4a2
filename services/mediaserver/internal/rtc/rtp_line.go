package rtc

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

const (
	rtpCNAME        = "orkestro"
	rtpReportPeriod = 2 * time.Second // chosen: below the 5 s of RFC 3550 section 6.2, so that round trips are known soon
)

// rtpLine is one m-line of an [RTPPeer] with its ports.
type rtpLine struct {
	kind   string
	source *Source
	sink   *Sink
	socket *rtpsocket.Socket
	ssrc   uint32               // of what we send
	feed   atomic.Pointer[Feed] // nil: the remote side sends nothing

	firs      atomic.Uint32 // sequence number of the last one
	mu        sync.Mutex    // guards what follows
	senderNTP uint32        // middle of the time of day in the last sender report
	reported  time.Time     // when that came
	last      Reception     // as of the last receiver report

	stop      chan struct{}
	reporting sync.WaitGroup
}

func (e *Engine) newRTPLine(kind string, media DuplexMedia, ipv6 bool) (*rtpLine, error) {
	bind, _, err := e.rtpAddresses(ipv6)
	if err != nil {
		return nil, err
	}
	socket, err := rtpsocket.Open(e.rtp.ports, bind)
	if err != nil {
		return nil, err
	}
	return &rtpLine{
		kind: kind, source: media.Sources[kind], sink: media.Sinks[kind], socket: socket, ssrc: uint32(randomNumber()),
		stop: make(chan struct{}),
	}, nil
}

// start begins to send and receive what was negotiated.
func (l *rtpLine) start(remote rtpsocket.Remote, m *rtpMedia, codec Codec) error {
	remote.Received, remote.Controlled = l.received, l.controlled
	if m.sends {
		config := FeedConfig{Codec: codec, RequestKeyframe: l.requestKeyframe}
		if m.nacks && l.kind == control.KindVideo {
			config.Lost = l.lost
		}
		l.feed.Store(l.source.OpenFeed(config))
	}
	if err := l.socket.Start(remote); err != nil {
		return err
	}
	if m.receives {
		l.sink.Bind(Output{
			Codec: codec, PayloadType: remote.PayloadType, SSRC: l.ssrc, Writer: l.socket, Control: l.report,
		})
	}
	l.reporting.Go(l.reports)
	return nil
}

func (l *rtpLine) received(packet []byte, at time.Time) {
	if feed := l.feed.Load(); feed != nil {
		feed.Write(packet, at)
	}
}

// coming is the SSRC of what the remote side sends, 0: nothing.
func (l *rtpLine) coming() uint32 {
	feed := l.feed.Load()
	if feed == nil {
		return 0
	}
	return feed.Reception().SSRC
}

func (l *rtpLine) controlled(packets []rtcp.Packet) {
	for _, p := range packets {
		report, ok := p.(*rtcp.SenderReport)
		if !ok || report.SSRC == 0 || report.SSRC != l.coming() {
			continue
		}
		l.mu.Lock()
		l.senderNTP, l.reported = uint32(report.NTPTime>>16), time.Now()
		l.mu.Unlock()
		l.feed.Load().Report(report.NTPTime, report.RTPTime)
	}
	l.sink.Feedback(packets)
}

// report sends the sink's sender reports.
func (l *rtpLine) report(packets []rtcp.Packet) error {
	return l.socket.WriteRTCP(append(packets, l.description()))
}

// description names the sender, as every RTCP packet has to (RFC 3550 section 6.1).
func (l *rtpLine) description() rtcp.Packet {
	return &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: l.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: rtpCNAME}},
	}}}
}

// requestKeyframe asks in both ways that there are (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
func (l *rtpLine) requestKeyframe() {
	media := l.coming()
	if media == 0 {
		return
	}
	// A failure means that the socket is closing.
	_ = l.socket.WriteRTCP([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: l.ssrc}, l.description(),
		&rtcp.PictureLossIndication{SenderSSRC: l.ssrc, MediaSSRC: media},
		&rtcp.FullIntraRequest{
			SenderSSRC: l.ssrc, MediaSSRC: media,
			FIR: []rtcp.FIREntry{{SSRC: media, SequenceNumber: uint8(l.firs.Add(1))}},
		},
	})
}

func (l *rtpLine) lost(sequences []uint16) {
	// A failure means that the socket is closing.
	_ = l.socket.WriteRTCP([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: l.ssrc}, l.description(),
		&rtcp.TransportLayerNack{
			SenderSSRC: l.ssrc, MediaSSRC: l.coming(),
			Nacks: rtcp.NackPairsFromSequenceNumbers(sequences),
		},
	})
}

// reports sends receiver reports until the line is closed.
func (l *rtpLine) reports() {
	ticker := time.NewTicker(rtpReportPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			// A failure means that the socket is closing.
			_ = l.socket.WriteRTCP([]rtcp.Packet{l.receiverReport(now), l.description()})
		}
	}
}

func (l *rtpLine) receiverReport(now time.Time) *rtcp.ReceiverReport {
	report := &rtcp.ReceiverReport{SSRC: l.ssrc}
	if l.coming() == 0 {
		return report
	}
	state := l.feed.Load().Reception()
	l.mu.Lock()
	defer l.mu.Unlock()
	block := rtcp.ReceptionReport{
		SSRC: state.SSRC, LastSequenceNumber: state.Highest, Jitter: uint32(state.Jitter),
		TotalLost: uint32(max(0, state.Lost)), FractionLost: lossSince(l.last, state),
	}
	if !l.reported.IsZero() {
		block.LastSenderReport = l.senderNTP
		block.Delay = uint32(now.Sub(l.reported).Seconds() * 65536)
	}
	l.last = state
	report.Reports = []rtcp.ReceptionReport{block}
	return report
}

// lossSince is the share of packets lost between two reports, in 256ths (RFC 3550 section 6.4.1).
func lossSince(before, now Reception) uint8 {
	if before.SSRC != now.SSRC {
		before = Reception{}
	}
	expected, lost := int64(now.Expected-before.Expected), now.Lost-before.Lost
	if expected <= 0 || lost <= 0 {
		return 0
	}
	return uint8(min(255, lost*256/expected))
}

func (l *rtpLine) close() {
	close(l.stop)
	l.sink.Unbind()
	if feed := l.feed.Load(); feed != nil {
		feed.Close()
	}
	l.socket.Close()
	l.reporting.Wait()
}

// ownFormats are what an offer of ours lists.
func ownFormats(kind string) []format {
	var formats []format
	for _, own := range codecsOf(kind) {
		if c := newCodec(own.RTPCodecCapability); plainRTP(c) {
			formats = append(formats, format{payload: strconv.Itoa(int(own.PayloadType)), codec: c})
		}
	}
	return formats
}
