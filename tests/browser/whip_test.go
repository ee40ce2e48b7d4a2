package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// mediaSession is the part of a WHIP (RFC 9725) or WHEP client that both have: it offers, and answers with the URL of its
// session. Candidates are trickled.
const mediaSession = `
	window.begin = async (pc, path, key) => {
		let session = null, etag = null;
		const early = [];
		const trickle = async ({ candidate, sdpMid, usernameFragment }) => {
			if (!session) return early.push({ candidate, sdpMid, usernameFragment });
			const { sdp } = pc.localDescription;
			const line = (name) => sdp.split('\r\n').find((l) => l.startsWith('a=' + name + ':')) + '\r\n';
			const body = line('ice-ufrag') + line('ice-pwd') + sdp.split('\r\n').find((l) => l.startsWith('m=')) + '\r\n' +
				'a=mid:' + sdpMid + '\r\na=' + candidate + '\r\n';
			const answer = await fetch(session, { method: 'PATCH', body, headers: {
				'Authorization': 'Bearer ' + key, 'If-Match': etag, 'Content-Type': 'application/trickle-ice-sdpfrag' } });
			(window.patched ??= []).push(answer.status);
		};
		pc.onicecandidate = ({ candidate }) => candidate && candidate.candidate && trickle(candidate);
		await pc.setLocalDescription();
		const answer = await fetch(path, { method: 'POST', body: pc.localDescription.sdp,
			headers: { 'Authorization': 'Bearer ' + key, 'Content-Type': 'application/sdp' } });
		if (answer.status !== 201) throw new Error(answer.status + ' ' + await answer.text());
		session = answer.headers.get('Location');
		etag = answer.headers.get('ETag');
		await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
		await Promise.all(early.map(trickle));
		return session;
	};
	window.keyFor = async (body) => {
		const answer = await fetch('/v1/sessions/show/stream-keys', { method: 'POST', body: JSON.stringify(body),
			headers: { 'Authorization': 'Bearer devkey', 'Content-Type': 'application/json' } });
		return (await answer.json()).key;
	};`

// open opens a page of the fleet that runs nothing of its own until somebody clicks.
func (c *chromium) open(page, name string) *visitor {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	c.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatalf("%s: open a tab: %v", name, err)
	}
	v := &visitor{t: c.t, name: name, ctx: ctx}
	v.do("open the page", runFirst(watchPeers+mediaSession), chromedp.Navigate(page))
	return v
}

// TestWHIPAndWHEP publishes a camera by WHIP in each video codec that the browser sends, one encoder after the other, and
// watches it by WHEP through one connection: pictures are decoded, and sound.
func TestWHIPAndWHEP(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	encoder, player := browser.open(page, "encoder"), browser.open(page, "player")
	eval[bool](encoder, "make the session", `fetch('/v1/sessions', { method: 'POST', body: '{"id":"show"}', headers:
		{ 'Authorization': 'Bearer devkey', 'Content-Type': 'application/json' } }).then((a) => a.ok)`)
	eval[string](player, "watch", `(async () => {
		const pc = new RTCPeerConnection();
		const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, id: 'player' });
		document.body.append(video);
		video.srcObject = new MediaStream();
		pc.ontrack = ({ track }) => { video.srcObject.addTrack(track); video.play(); };
		pc.addTransceiver('audio', { direction: 'recvonly' });
		pc.addTransceiver('video', { direction: 'recvonly' });
		return begin(pc, '/v1/sessions/show/whep', await keyFor({ use: 'whep' }));
	})()`)
	for _, codec := range []string{"video/VP8", "video/VP9", "video/AV1"} {
		session := eval[string](encoder, "publish "+codec, fmt.Sprintf(`(async () => {
			const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
			const pc = new RTCPeerConnection();
			for (const track of stream.getTracks()) {
				const transceiver = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
				if (track.kind !== 'video') continue;
				const { codecs } = RTCRtpSender.getCapabilities('video');
				const first = codecs.filter((c) => c.mimeType === %q);
				transceiver.setCodecPreferences([...first, ...codecs.filter((c) => c.mimeType === 'video/rtx')]);
			}
			return begin(pc, '/v1/sessions/show/whip', await keyFor({ use: 'whip', user: 'camera' }));
		})()`, codec))
		player.plays(codec)
		end := `fetch(` + fmt.Sprintf("%q", session) + `, { method: 'DELETE', headers: { 'Authorization': 'Bearer devkey' } })
			.then((a) => { peers.at(-1).close(); return a.status; })`
		if status := eval[int](encoder, "end", end); status != 200 {
			t.Errorf("DELETE got %d", status)
		}
	}
	if refused := eval[int](encoder, "count refusals", `(window.patched ?? []).filter((s) => s !== 204).length`); refused != 0 {
		t.Errorf("%d candidates were refused", refused)
	}
}

// plays waits until the picture moves in that codec and is one, and sound comes.
func (v *visitor) plays(codec string) {
	v.t.Helper()
	v.until("plays "+codec, fmt.Sprintf(`
		const video = document.getElementById('player');
		const stats = async () => [...(await livePeers()[0].getStats()).values()];
		const inbound = (all, kind) => all.find((s) => s.type === 'inbound-rtp' && s.kind === kind);
		const before = await stats();
		await new Promise((resolve) => setTimeout(resolve, 400));
		const now = await stats();
		const decoded = (inbound(now, 'video')?.framesDecoded ?? 0) - (inbound(before, 'video')?.framesDecoded ?? 0);
		if (decoded < 3) return 'frames decoded: ' + decoded;
		const mime = now.find((s) => s.id === inbound(now, 'video').codecId)?.mimeType;
		if (mime !== %q) return 'decoded as ' + mime;
		if (inbound(now, 'audio').packetsReceived === inbound(before, 'audio').packetsReceived) return 'no sound';
		const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
		const context = canvas.getContext('2d');
		context.drawImage(video, 0, 0, 32, 18);
		const colours = new Set();
		const { data } = context.getImageData(0, 0, 32, 18);
		for (let i = 0; i < data.length; i += 4) colours.add([data[i], data[i + 1], data[i + 2]].map((x) => x >> 4).join());
		return colours.size > 2 ? '' : 'one colour only';`, codec))
}
