package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// joinAlone joins from a page that does nothing by itself: window.session is the session, and what comes in is shown.
const joinAlone = `(async () => {
	const { join } = await import('./sdk/orkestro.js');
	const response = await fetch('join', {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ session: 'layers', name: %q }),
	});
	if (!response.ok) return 'join: ' + response.status;
	window.session = await join({ ...await response.json(), url: location.origin, simulcast: true });
	session.on('track', ({ streamId, mediaStream }) => {
		window.streamId = streamId;
		window.video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, srcObject: mediaStream });
		document.body.append(video);
	});
	return '';
})()`

// publishCamera publishes the fake camera. Of a smaller picture Chromium sends two layers only, whatever it is told.
const publishCamera = `(async () => {
	const video = { width: 960, height: 540, frameRate: 10 };
	await session.publish(await navigator.mediaDevices.getUserMedia({ video }));
	return '';
})()`

// sendSpatialLayers has a page send its video as one stream of spatial layers, with the codec of that name.
const sendSpatialLayers = `(() => {
	const native = RTCPeerConnection.prototype.addTransceiver;
	RTCPeerConnection.prototype.addTransceiver = function (track, init) {
		if (track.kind !== 'video') return native.call(this, track, init);
		const transceiver = native.call(this, track, { ...init, sendEncodings: [{ scalabilityMode: 'L3T1' }] });
		const codecs = RTCRtpSender.getCapabilities('video').codecs;
		const first = codecs.filter(({ mimeType }) => mimeType === %q);
		transceiver.setCodecPreferences([...first, ...codecs.filter((c) => !first.includes(c))]);
		return transceiver;
	};
	return '';
})()`

// joinAlone opens the page and joins under a name.
func (c *chromium) joinAlone(page, name string) *visitor {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	c.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatalf("%s: open a tab: %v", name, err)
	}
	v := &visitor{t: c.t, name: name, ctx: ctx}
	v.do("open the page", runFirst(watchPeers), chromedp.Navigate(page))
	v.try("join", fmt.Sprintf(joinAlone, name))
	return v
}

// try runs script, which returns what went wrong.
func (v *visitor) try(what, script string) {
	v.t.Helper()
	if wrong := eval[string](v, what, script); wrong != "" {
		v.t.Fatalf("%s: %s: %s", v.name, what, wrong)
	}
}

// seesWidth waits until what is received is of that width, in pixels, and moves.
func (v *visitor) seesWidth(width int) {
	v.t.Helper()
	v.until(fmt.Sprintf("sees a picture %d wide", width), fmt.Sprintf(`
		if (!window.video) return 'no track';
		if (video.videoWidth !== %d) return 'picture of ' + video.videoWidth;
		const before = video.getVideoPlaybackQuality().totalVideoFrames;
		await new Promise((resolve) => setTimeout(resolve, 400));
		const frames = video.getVideoPlaybackQuality().totalVideoFrames - before;
		return frames >= 2 ? '' : 'frames ' + frames;`, width))
}

// sends waits until the page sends that many encodings of that codec.
func (v *visitor) sends(encodings int, codec string) {
	v.t.Helper()
	v.until(fmt.Sprintf("sends %d times %s", encodings, codec), fmt.Sprintf(`
		for (const pc of livePeers()) {
			const sender = pc.getSenders().find((s) => s.track);
			if (!sender) continue;
			const stats = await sender.getStats();
			const sent = [...stats.values()].filter((s) => s.type === 'outbound-rtp').map((s) => stats.get(s.codecId)?.mimeType);
			return sent.length === %d && sent[0] === %q ? '' : 'sent: ' + sent;
		}
		return 'no sender';`, encodings, codec))
}

// TestLayers has Chromium send a picture in three sizes, of which another one gets the one it wishes: as three streams
// (simulcast), and as one stream that contains the smaller pictures (SVC).
func TestLayers(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	for _, c := range []struct {
		name, codec string
		encodings   int
	}{
		{"simulcast", "video/VP8", 3}, {"SVC of VP9", "video/VP9", 1}, {"SVC of AV1", "video/AV1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			browser.t = t
			ann, bob := browser.joinAlone(page, "Ann"), browser.joinAlone(page, "Bob")
			if c.encodings == 1 {
				ann.try("choose the codec", fmt.Sprintf(sendSpatialLayers, c.codec))
			}
			ann.try("publish", publishCamera)
			ann.sends(c.encodings, c.codec)
			bob.seesWidth(960)
			for _, step := range []struct{ layer, width int }{{0, 240}, {2, 960}, {1, 480}} {
				bob.try("wish", fmt.Sprintf(`(async () => { await session.setMaxLayer(streamId, %d); return ''; })()`, step.layer))
				bob.seesWidth(step.width)
			}
			for _, v := range []*visitor{ann, bob} {
				v.try("leave", `(async () => { await session.leave(); return ''; })()`)
			}
		})
	}
}
