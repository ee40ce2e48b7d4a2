package browser_test

import "testing"

// ufrags is a JavaScript expression: the ICE user names of both sides of every connection of the page.
const ufrags = `livePeers().map((pc) => [pc.localDescription, pc.remoteDescription]
	.map(({ sdp }) => /a=ice-ufrag:(\S+)/.exec(sdp)[1]).join(' ')).join(', ')`

// TestNetworkChanges has the browser come back to the network: both connections are looked for anew, by themselves, and
// stay the same connections.
func TestNetworkChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	ann := browser.visit(page, "Ann", "picture")
	bob := browser.visit(page, "Bob", "picture")
	ann.sees("Bob")
	bob.sees("Ann")

	before := eval[string](ann, "ICE user names", ufrags)
	eval[bool](ann, "another network", `dispatchEvent(new Event('online'))`)
	ann.until("restarts ICE on both connections", `
		const kept = new Set('`+before+`'.split(/,? /));
		const same = `+ufrags+`.split(/,? /).filter((name) => kept.has(name));
		const states = livePeers().map((pc) => pc.connectionState).join();
		return same.length === 0 && states === 'connected,connected' ? '' : states + ' with the old ' + same;`)
	ann.sees("Bob")
	ann.hears("Bob")
	bob.sees("Ann")
	bob.hears("Ann")
	if made := eval[int](ann, "count connections", "peers.length"); made != 2 {
		t.Errorf("%d connections were made, want the first two only", made)
	}
}
