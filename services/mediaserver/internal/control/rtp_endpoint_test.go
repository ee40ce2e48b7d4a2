package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func TestRTPEndpoint_Negotiates(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	a := p.create("RtpEndpoint", object{"mediaPipeline": pipeline, "crypto": object{
		"__module__": "kurento", "__type__": "SDES", "crypto": "AES_128_CM_HMAC_SHA1_32", "key": strings.Repeat("k", 30),
	}})
	b := p.create("RtpEndpoint", object{"mediaPipeline": pipeline, "useIpv6": false})
	p.refused(40202, "invoke", object{"object": a, "operation": "getLocalSessionDescriptor"})
	offer := fmt.Sprint(p.invoke(a, "generateOffer", object{"options": object{"offerToReceiveAudio": false}}))
	if strings.Contains(offer, "m=audio") || !strings.Contains(offer, "AES_128_CM_HMAC_SHA1_32 inline:a2tr") {
		t.Errorf("offer\n%s", offer)
	}
	answer := p.invoke(b, "processOffer", object{"offer": offer})
	if got := p.invoke(a, "processAnswer", object{"answer": answer}); got != offer {
		t.Errorf("local description\n%v", got)
	}
	for _, id := range []string{a, b} {
		if got := p.invoke(id, "getConnectionState", nil); got != "CONNECTED" {
			t.Errorf("connection %v", got)
		}
		p.invoke(id, "requestKeyframe", nil)
	}
	refused := func(code int, crypto object) {
		p.refused(code, "create", object{"type": "RtpEndpoint", "constructorParams": object{"mediaPipeline": pipeline, "crypto": crypto}})
	}
	refused(40107, object{"crypto": "AES_128_CM_HMAC_SHA1_80", "key": "short"})
	refused(40001, object{"crypto": "ROT13"})
	refused(40001, object{"crypto": "AES_128_CM_HMAC_SHA1_80", "keyBase64": "%"})
}
