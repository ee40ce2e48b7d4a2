package browser_test

import (
	"fmt"
	"testing"
)

// prefersRare makes a page publish what browsers do not by themselves: AV1 in two spatial and two temporal layers on one
// stream, which is told apart by the Dependency Descriptor, and redundant audio.
const prefersRare = `{
	const Watched = RTCPeerConnection;
	window.RTCPeerConnection = class extends Watched {
		addTransceiver(track, init) {
			const kind = track.kind ?? track;
			if (kind === 'video') init = { ...init, sendEncodings: [{ scalabilityMode: 'L2T2_KEY' }] };
			const transceiver = super.addTransceiver(track, init);
			const wanted = kind === 'video' ? 'video/AV1' : 'audio/red';
			const { codecs } = RTCRtpSender.getCapabilities(kind);
			const rank = (codec) => (codec.mimeType === wanted ? 0 : 1);
			transceiver.setCodecPreferences(codecs.toSorted((a, b) => rank(a) - rank(b)));
			return transceiver;
		}
	};
}`

// TestRareCodecs has one browser see and hear what another one sends as AV1 in layers and as redundant audio.
func TestRareCodecs(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	bob := browser.visit(page, "Bob")
	ann := browser.visitWith(prefersRare, page, "Ann", "picture")
	bob.sees("Ann")
	bob.hears("Ann")
	bob.reportsOf("Ann", "video", `return codec === 'video/AV1' ? '' : 'as ' + codec;`)
	// Chromium names the codec inside of redundant audio. Without losses each frame comes twice, and once for nothing.
	bob.reportsOf("Ann", "audio", `return inbound.packetsDiscarded > 30 ? '' : 'no redundancy';`)
	ann.sees("Bob")
}

// reportsOf waits until a condition on the browser's inbound statistics, and on the codec, of what name publishes of a
// kind is met.
func (v *visitor) reportsOf(name, kind, condition string) {
	v.t.Helper()
	v.until(fmt.Sprintf("gets %s of %s", kind, name), fmt.Sprintf(`
		const track = %s.querySelector('video').srcObject.getTracks().find((t) => t.kind === %q);
		for (const receiver of livePeers().flatMap((pc) => pc.getReceivers())) {
			if (receiver.track !== track) continue;
			const stats = await receiver.getStats();
			const inbound = [...stats.values()].find((s) => s.type === 'inbound-rtp');
			const codec = stats.get(inbound?.codecId)?.mimeType;
			%s
		}
		return 'no such track';`, tile(name), kind, condition))
}
