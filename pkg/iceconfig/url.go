package iceconfig

import (
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
)

// checkURL wants a scheme that browsers know (W3C WebRTC 1.0, section 4.2.2: stun, stuns, turn, turns) and a host.
func checkURL(url string) error {
	scheme, host, _ := strings.Cut(url, ":")
	if !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) || host == "" {
		return control.Errorf(control.CodeInvalid, "ICE server %q: stun:, stuns:, turn: or turns: and a host is needed", url)
	}
	return nil
}
