package rtc

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// rtpText writes a description without ICE.
type rtpText struct{ strings.Builder }

func (t *rtpText) line(format string, values ...any) {
	t.WriteString(fmt.Sprintf(format, values...) + "\r\n")
}

// begin writes the session's part.
func (t *rtpText) begin(id uint64, address netip.Addr) {
	family := "IP4"
	if address.Is6() {
		family = "IP6"
	}
	t.line("v=0")
	t.line("o=- %d 1 IN %s %s", id, family, address)
	t.line("s=Orkestro")
	t.line("c=IN %s %s", family, address)
	t.line("t=0 0")
}

// reject writes an m-line that is not used.
func (t *rtpText) reject(m *rtpMedia) {
	formats := "0"
	if len(m.formats) > 0 {
		formats = m.formats[0].payload
	}
	t.line("m=%s 0 %s %s", m.kind, m.protocol, formats)
}

// rtpLineText is what is written about one m-line of ours.
type rtpLineText struct {
	kind, protocol string
	port           int
	mux, passive   bool
	direction      string
	bandwidth      int // kbit/s; 0: no limit
	crypto         string
	ssrc           uint32
	formats        []format
	feedback       bool
}

func (t *rtpText) media(l rtpLineText) {
	payloads := make([]string, 0, len(l.formats))
	for _, f := range l.formats {
		payloads = append(payloads, f.payload)
	}
	t.line("m=%s %d %s %s", l.kind, l.port, l.protocol, strings.Join(payloads, " "))
	if l.bandwidth > 0 {
		t.line("b=AS:%d", l.bandwidth)
	}
	for _, f := range l.formats {
		t.format(f, l.feedback)
	}
	if l.mux {
		t.line("a=rtcp-mux")
	}
	t.line("a=rtcp:%d", l.port+1)
	if l.crypto != "" {
		t.line("a=crypto:%s", l.crypto)
	}
	if l.passive {
		t.line("a=direction:passive")
	}
	t.line("a=%s", l.direction)
	t.line("a=ssrc:%d cname:%s", l.ssrc, rtpCNAME)
}

func (t *rtpText) format(f format, feedback bool) {
	_, name, _ := strings.Cut(f.codec.MIME, "/")
	channels := ""
	if f.codec.Channels > 1 {
		channels = "/" + strconv.Itoa(int(f.codec.Channels))
	}
	t.line("a=rtpmap:%s %s/%d%s", f.payload, name, f.codec.ClockRate, channels)
	if f.codec.Format != "" {
		t.line("a=fmtp:%s %s", f.payload, f.codec.Format)
	}
	if feedback {
		for _, message := range []string{"nack", "nack pli", "ccm fir"} {
			t.line("a=rtcp-fb:%s %s", f.payload, message)
		}
	}
}
