package control

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// iceSettings are the properties of WebRtcEndpoint that change what candidates it tells.
func iceSettings(r *registry) map[string]operation {
	operations := property("iceTcp",
		func(e *media.WebRTCEndpoint) (any, error) { return !e.ICESettings().NoTCP, nil },
		func(e *media.WebRTCEndpoint, on bool) error {
			e.SetICESettings(func(s *media.ICESettings) { s.NoTCP = !on })
			return nil
		})
	maps.Copy(operations, property("networkInterfaces",
		func(e *media.WebRTCEndpoint) (any, error) { return strings.Join(e.ICESettings().Interfaces, ","), nil },
		func(e *media.WebRTCEndpoint, list string) error {
			names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
			e.SetICESettings(func(s *media.ICESettings) { s.Interfaces = names })
			return nil
		}))
	ipv4 := func(s *media.ICESettings) *netip.Addr { return &s.ExternalIPv4 }
	ipv6 := func(s *media.ICESettings) *netip.Addr { return &s.ExternalIPv6 }
	maps.Copy(operations, externalAddress("externalIPv4", ipv4))
	maps.Copy(operations, externalAddress("externalIPv6", ipv6))
	maps.Copy(operations, stored(r.properties, "externalAddress", "")) // of Kurento 6, the two above took its place
	return operations
}

// externalAddress are getter and setter of an address that is told in place of the server's own; "": none.
func externalAddress(name string, of func(*media.ICESettings) *netip.Addr) map[string]operation {
	return property(name,
		func(e *media.WebRTCEndpoint) (any, error) {
			settings := e.ICESettings()
			if address := *of(&settings); address.IsValid() {
				return address.String(), nil
			}
			return "", nil
		},
		func(e *media.WebRTCEndpoint, text string) error {
			var address netip.Addr
			if text != "" {
				var err error
				address, err = netip.ParseAddr(text)
				if err != nil || address.Is6() != strings.HasSuffix(name, "6") {
					return errorf(codeIllegalParam, "parameter '%s': '%s' is no such address", name, text)
				}
			}
			e.SetICESettings(func(s *media.ICESettings) { *of(s) = address })
			return nil
		})
}

// wantsRSA reads the constructor's parameter certificateKeyType.
func wantsRSA(p params) (bool, error) {
	kind, err := optional(p, "certificateKeyType", "ECDSA")
	if err == nil && !slices.Contains([]string{"RSA", "ECDSA"}, kind) {
		err = errorf(codeMarshall, "parameter 'certificateKeyType': '%s' is not RSA or ECDSA", kind)
	}
	return kind == "RSA", err
}
