package media

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
)

// ICESettings are what a client of the Kurento Protocol wants of the candidates that one endpoint tells. All of them
// are of the server's own sockets: these settings leave some away or give them another address.
type ICESettings struct {
	ExternalIPv4, ExternalIPv6 netip.Addr // told in place of the address of a socket; invalid: not
	Interfaces                 []string   // names of the network interfaces whose addresses are told; none: all
	NoTCP                      bool
}

// SetICESettings changes the settings, for candidates that are found from then on.
func (v *webRTCView) SetICESettings(change func(*ICESettings)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.settings)
}

// ICESettings are those in force.
func (v *webRTCView) ICESettings() ICESettings {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.settings
}

// apply gives a candidate as it is told, and whether it is.
func (s ICESettings) apply(c control.Candidate) (control.Candidate, bool) {
	// RFC 8839 section 5.1: foundation, component, transport, priority, address, port, ...
	fields := strings.Fields(c.Candidate)
	if len(fields) < 6 {
		return c, true
	}
	if s.NoTCP && strings.EqualFold(fields[2], "tcp") {
		return c, false
	}
	address, err := netip.ParseAddr(fields[4])
	if err != nil {
		return c, true
	}
	if len(s.Interfaces) > 0 {
		if name := interfaceOf(address); name != "" && !slices.Contains(s.Interfaces, name) {
			return c, false
		}
	}
	external := s.ExternalIPv6
	if address.Is4() {
		external = s.ExternalIPv4
	}
	if external.IsValid() {
		fields[4] = external.String()
		c.Candidate = strings.Join(fields, " ")
	}
	return c, true
}

// interfaceOf is the name of the interface that has an address, "" for none: an address that was mapped.
func interfaceOf(address netip.Addr) string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == address {
				return i.Name
			}
		}
	}
	return ""
}
