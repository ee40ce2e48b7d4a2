package api

import (
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	maxCandidateBytes = 1024 // chosen: real ones have about 150
	minCandidateParts = 8    // up to the type (RFC 8839 section 5.1)
)

// checkSDP is too_large or invalid for what no media server could use; what only a media server can tell comes later.
func checkSDP(text string) error {
	if len(text) > maxSDP {
		return control.Errorf(control.CodeTooLarge, "sdp: it has %d bytes, at most %d are taken", len(text), maxSDP)
	}
	var description sdp.SessionDescription
	if err := description.UnmarshalString(text); err != nil {
		return control.Errorf(control.CodeInvalid, "sdp: it cannot be read (RFC 8866)")
	}
	if len(description.MediaDescriptions) == 0 {
		return control.Errorf(control.CodeInvalid, "sdp: it has no media section")
	}
	return nil
}

// checkCandidate reads a candidate only so far as to know that it is one (RFC 8839 section 5.1); its address may be a
// name (mDNS), and "" is the end of candidates of browsers.
func checkCandidate(text string) error {
	if text == "" {
		return nil
	}
	line := strings.TrimPrefix(strings.TrimPrefix(text, "a="), "candidate:")
	parts := strings.Fields(line)
	if len(text) > maxCandidateBytes || len(parts) < minCandidateParts || parts[6] != "typ" {
		return control.Errorf(control.CodeInvalid, "candidates: one of them is no ICE candidate")
	}
	return nil
}
