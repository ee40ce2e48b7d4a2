package rtc

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
)

// maxRID is the length of the longest RID that is taken: chosen, RFC 8851 section 10 sets no bound.
const maxRID = 32

// layersOf are the RIDs that an m-line offers to send at once (RFC 8853), in its order; nil when there are not two. Of
// alternatives the first is taken, and what is announced as paused is taken too.
func layersOf(m *sdp.MediaDescription) []string {
	value, _ := m.Attribute("simulcast")
	fields := strings.Fields(value)
	at := slices.Index(fields, "send")
	if at < 0 || at+1 >= len(fields) {
		return nil
	}
	var layers []string
	for alternatives := range strings.SplitSeq(fields[at+1], ";") {
		first, _, _ := strings.Cut(alternatives, ",")
		rid := strings.TrimPrefix(first, "~")
		if isRID(rid) && describes(m, rid) && !slices.Contains(layers, rid) && len(layers) < maxEncodings {
			layers = append(layers, rid)
		}
	}
	if len(layers) < 2 {
		return nil
	}
	return layers
}

// isRID checks the syntax of RFC 8851 section 10, as RFC 8852 narrows it, and of WebRTC.
func isRID(rid string) bool {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	return rid != "" && len(rid) <= maxRID && strings.Trim(rid, allowed) == ""
}

// describes says whether an m-line has a rid line of its sender for rid.
func describes(m *sdp.MediaDescription, rid string) bool {
	return slices.ContainsFunc(m.Attributes, func(a sdp.Attribute) bool {
		fields := strings.Fields(a.Value)
		return a.Key == "rid" && len(fields) >= 2 && fields[0] == rid && fields[1] == "send"
	})
}

// withKnownLayers leaves of an offer the layers that are taken, described by nothing but their names, so that the
// answer promises no more. An m-line without layers keeps its first rid: the sender may write it into its packets, and
// Pion has to know it.
func withKnownLayers(s *sdp.SessionDescription) {
	for _, m := range s.MediaDescriptions {
		layers, first := layersOf(m), true
		m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
			keep := a.Key == "rid" && first && len(layers) == 0
			first = first && a.Key != "rid"
			return a.Key == "simulcast" || a.Key == "rid" && !keep
		})
		for _, rid := range layers {
			m.Attributes = append(m.Attributes, sdp.Attribute{Key: "rid", Value: rid + " send"})
		}
		if len(layers) > 0 {
			m.Attributes = append(m.Attributes, sdp.Attribute{Key: "simulcast", Value: "send " + strings.Join(layers, ";")})
		}
	}
}

// withoutLoneLayer takes rids out of our own description where there is nothing to choose between: the sender then
// sends one layer only (RFC 8853 section 5.3.2).
func withoutLoneLayer(text string) string {
	if strings.Count(text, "\na=rid:") == 0 {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	var kept strings.Builder
	for at := 0; at < len(lines); {
		end := at + 1
		for end < len(lines) && !strings.HasPrefix(lines[end], "m=") {
			end++
		}
		section := strings.Join(lines[at:end], "")
		if strings.Count(section, "\na=rid:") < 2 {
			section = withoutLines(section, "a=rid:", "a=simulcast:")
		}
		kept.WriteString(section)
		at = end
	}
	return kept.String()
}
