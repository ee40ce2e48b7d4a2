// Package sdpfrag reads and writes what WHIP and WHEP clients send to trickle candidates and to restart ICE: SDP
// fragments (application/trickle-ice-sdpfrag, RFC 8840 section 9), and puts them into whole descriptions. Package api
// calls it; it knows no HTTP.
package sdpfrag

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/orkestro/orkestro/pkg/control"
)

// ContentType of a fragment.
const ContentType = "application/trickle-ice-sdpfrag"

// Limits of a fragment. Chosen: clients send a handful of candidates of about 150 bytes.
const (
	MaxBytes      = 16 * 1024
	MaxCandidates = 64
)

// ErrFragment is wrapped by every error for a text that is no fragment.
var ErrFragment = errors.New("no SDP fragment")

// Fragment is ICE credentials and candidates.
type Fragment struct {
	Ufrag, Password string // "" when they are not given
	Candidates      []control.Candidate
	End             bool // these are the last
}

// Parse reads a fragment. Credentials may be of the whole or of its first m-line. Errors: ErrFragment.
func Parse(text string) (Fragment, error) {
	if len(text) > MaxBytes {
		return Fragment{}, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrFragment, len(text), MaxBytes)
	}
	r := reader{}
	for line := range strings.SplitSeq(text, "\n") {
		if err := r.line(strings.TrimSpace(line)); err != nil {
			return Fragment{}, err
		}
	}
	f := r.read
	if (f.Ufrag == "") != (f.Password == "") || f.Ufrag == "" && len(f.Candidates) == 0 && !f.End {
		return Fragment{}, fmt.Errorf("%w: it has neither candidates nor whole credentials", ErrFragment)
	}
	for i := range f.Candidates {
		if f.Ufrag != "" {
			f.Candidates[i].UsernameFragment = &f.Ufrag
		}
	}
	return f, nil
}

// reader reads line by line.
type reader struct {
	read Fragment
	mid  *string
}

func (r *reader) line(line string) error {
	kind, value, found := strings.Cut(line, "=")
	switch {
	case line == "" || found && kind == "m":
		r.mid = nil
		return nil
	case !found || len(kind) != 1:
		return fmt.Errorf("%w: a line of it is no SDP", ErrFragment)
	case kind != "a":
		return nil
	}
	name, value, _ := strings.Cut(value, ":")
	switch name {
	case "ice-ufrag":
		return set(&r.read.Ufrag, value)
	case "ice-pwd":
		return set(&r.read.Password, value)
	case "mid":
		r.mid = &value
	case "end-of-candidates":
		r.read.End = true
	case "candidate":
		if len(r.read.Candidates) == MaxCandidates {
			return fmt.Errorf("%w: at most %d candidates are taken", ErrFragment, MaxCandidates)
		}
		r.read.Candidates = append(r.read.Candidates, control.Candidate{Candidate: "candidate:" + value, SDPMid: r.mid})
	}
	return nil
}

// set takes a credential, which all m-lines of a bundle have in common.
func set(to *string, value string) error {
	if value == "" || *to != "" && *to != value {
		return fmt.Errorf("%w: its credentials are none, or several", ErrFragment)
	}
	*to = value
	return nil
}

// attributes of ICE, which a restart replaces.
func ofICE(a sdp.Attribute) bool {
	return slices.Contains([]string{"ice-ufrag", "ice-pwd", "candidate", "end-of-candidates"}, a.Key)
}

// Ufrag is the username fragment of a description: that of its first m-line that has one.
func Ufrag(description string) string {
	for line := range strings.SplitSeq(description, "\n") {
		if value, found := strings.CutPrefix(line, "a=ice-ufrag:"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Restart is an offer with the credentials and candidates of a fragment in place of its own (RFC 9725 section 4.3.3).
func Restart(offer string, f Fragment) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(offer); err != nil {
		return "", fmt.Errorf("read the offer: %w", err)
	}
	d.Origin.SessionVersion++
	d.Attributes = slices.DeleteFunc(d.Attributes, ofICE)
	for i, m := range d.MediaDescriptions {
		mid, _ := m.Attribute("mid")
		m.Attributes = append(slices.DeleteFunc(m.Attributes, ofICE),
			sdp.Attribute{Key: "ice-ufrag", Value: f.Ufrag}, sdp.Attribute{Key: "ice-pwd", Value: f.Password})
		for _, c := range f.Candidates {
			if c.SDPMid != nil && *c.SDPMid == mid || c.SDPMid == nil && i == 0 {
				m.Attributes = append(m.Attributes,
					sdp.Attribute{Key: "candidate", Value: strings.TrimPrefix(c.Candidate, "candidate:")})
			}
		}
		if f.End {
			m.Attributes = append(m.Attributes, sdp.Attribute{Key: "end-of-candidates"})
		}
	}
	text, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("write the offer: %w", err)
	}
	return string(text), nil
}

// Of is the fragment of an answer: the credentials, and the candidates of the m-line that carries all (RFC 9725 section
// 4.3.3).
func Of(answer string) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(answer); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	var text strings.Builder
	for _, m := range d.MediaDescriptions {
		ufrag, found := m.Attribute("ice-ufrag")
		if !found || m.MediaName.Port.Value == 0 {
			continue
		}
		password, _ := m.Attribute("ice-pwd")
		mid, _ := m.Attribute("mid")
		fmt.Fprintf(&text, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag, password)
		fmt.Fprintf(&text, "m=%s 9 %s 0\r\na=mid:%s\r\n", m.MediaName.Media, strings.Join(m.MediaName.Protos, "/"), mid)
		for _, a := range m.Attributes {
			if a.Key == "candidate" {
				fmt.Fprintf(&text, "a=candidate:%s\r\n", a.Value)
			}
		}
		text.WriteString("a=end-of-candidates\r\n")
		return text.String(), nil
	}
	return "", errors.New("the answer has no ICE credentials")
}
