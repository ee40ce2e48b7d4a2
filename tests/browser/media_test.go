package browser_test

import "fmt"

// tile is a JavaScript expression for the tile of a user's stream; undefined while there is none.
func tile(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('[data-testid="tile"]')]
		.find((t) => t.querySelector('figcaption').textContent === %q)`, name)
}

// sees waits until name's picture moves and is one: frames are decoded, and they are not all of one colour.
func (v *visitor) sees(name string) {
	v.t.Helper()
	v.until("sees "+name, `
		const tile = `+tile(name)+`;
		if (!tile) return 'no tile';
		if (tile.classList.contains('off')) return 'shown as without picture';
		const video = tile.querySelector('video');
		const frames = () => video.getVideoPlaybackQuality().totalVideoFrames;
		const before = frames();
		await new Promise((resolve) => setTimeout(resolve, 400));
		if (frames() - before < 3) return 'frames decoded: ' + before + ', then ' + frames();
`+pictureOf(name))
}

// pictureOf is a condition: what the tile of name shows is not of one colour only.
func pictureOf(name string) string {
	return `
		const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
		const context = canvas.getContext('2d');
		context.drawImage(` + tile(name) + `.querySelector('video'), 0, 0, 32, 18);
		const { data } = context.getImageData(0, 0, 32, 18);
		const grey = Array.from({ length: data.length / 4 }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]);
		const mean = grey.reduce((a, b) => a + b) / grey.length;
		const deviation = Math.sqrt(grey.reduce((a, b) => a + (b - mean) ** 2, 0) / grey.length);
		return deviation > 20 ? '' : 'one colour only: deviation ' + deviation;`
}

// soundOf is the body of an async function: the energy of what name's audio has brought so far.
func soundOf(name string) string {
	return `
		const energyOf = async () => {
			const tile = ` + tile(name) + `;
			const track = tile?.querySelector('video').srcObject.getAudioTracks()[0];
			if (!track) return null;
			for (const pc of livePeers()) {
				for (const receiver of pc.getReceivers()) {
					if (receiver.track !== track) continue;
					const stats = [...(await receiver.getStats()).values()].find((s) => s.type === 'inbound-rtp');
					return stats?.totalAudioEnergy ?? null;
				}
			}
			return null;
		};
		const before = await energyOf();
		if (before === null) return 'no audio';
		await new Promise((resolve) => setTimeout(resolve, 500));
		const energy = (await energyOf()) - before;`
}

func (v *visitor) hears(name string) {
	v.t.Helper()
	v.until("hears "+name, soundOf(name)+`return energy > 1e-6 ? '' : 'silence: energy ' + energy;`)
}

func (v *visitor) hearsNothingOf(name string) {
	v.t.Helper()
	v.until("hears nothing of "+name, soundOf(name)+`return energy < 1e-9 ? '' : 'sound: energy ' + energy;`)
}

// seesNobody waits until name has no tile.
func (v *visitor) seesNobody(name string) {
	v.t.Helper()
	v.until("does not see "+name, `return `+tile(name)+` ? 'still there' : '';`)
}

// shows waits until the element of that test id contains text.
func (v *visitor) shows(id, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("%s shows %q", id, text), fmt.Sprintf(`
		const shown = document.querySelector('%s').textContent;
		return shown.includes(%q) ? '' : 'shown: ' + shown;`, byTestID(id), text))
}

// hasTwoConnectionsAtMost fails when the page ever had more than two peer connections at a time.
func (v *visitor) hasTwoConnectionsAtMost() {
	v.t.Helper()
	if most := eval[int](v, "count peer connections", "mostPeers"); most != 2 {
		v.t.Errorf("%s: %d peer connections at once, want 2", v.name, most)
	}
}
