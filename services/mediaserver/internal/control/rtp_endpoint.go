package control

import (
	"encoding/base64"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// eventOnKeySoftLimit may be subscribed and never comes: it is of keys that have carried 2^48 packets.
const eventOnKeySoftLimit = "OnKeySoftLimit"

// sdes is the protocol's register type SDES.
type sdes struct {
	Key       string          `json:"key"`       // as text
	KeyBase64 string          `json:"keyBase64"` // takes the place of Key
	Crypto    rtpsocket.Suite `json:"crypto"`
}

// key is nil when no encryption is asked for. Without a key of the client's the endpoint makes one.
func (s sdes) key() (*rtpsocket.Key, error) {
	if s == (sdes{}) {
		return nil, nil
	}
	if s.Crypto == "" {
		s.Crypto = rtpsocket.AES128SHA80
	}
	if !s.Crypto.Known() {
		return nil, errorf(codeMarshall, "parameter 'crypto': '%s' is no crypto suite", s.Crypto)
	}
	key := rtpsocket.Key{Suite: s.Crypto, Secret: []byte(s.Key)}
	switch {
	case s.KeyBase64 != "":
		secret, err := base64.StdEncoding.DecodeString(s.KeyBase64)
		if err != nil {
			return nil, errorf(codeMarshall, "parameter 'crypto': keyBase64: %v", err)
		}
		key.Secret = secret
	case s.Key == "":
		key = rtpsocket.NewKey(s.Crypto)
	}
	return &key, nil
}

func createRTPEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, err := r.pipelineOf(p)
		if err != nil {
			return nil, err
		}
		var wanted media.RTPEndpointParams
		if wanted.IPv6, err = optional(p, "useIpv6", false); err != nil {
			return nil, err
		}
		crypto, err := optional(p, "crypto", sdes{})
		if err != nil {
			return nil, err
		}
		if wanted.Key, err = crypto.key(); err != nil {
			return nil, err
		}
		return pipeline.NewRTPEndpoint(wanted)
	}
}

// rtpEndpoint is what RtpEndpoint adds to BaseRtpEndpoint.
func rtpEndpoint() trait { return trait{events: []string{eventOnKeySoftLimit}} }
