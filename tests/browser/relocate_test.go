package browser_test

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/tests/harness"
)

var moves = flag.Int("moves", 2, "how often the call of TestRelocation is moved")

// mostFrozen is for how long a picture may stand still in mid-move, in ms: generous, because machines are noisy. On one that
// is far too slow media of the new server comes after that of the old one has ended; that connections were made before
// others were closed is seen in what the pages are told, and in how many they had.
const mostFrozen = 3000

// watchMedia runs in the page of a call and keeps what nobody may notice of a move: watched.frozen[name], the longest time
// in ms between two frames of a tile's <video>, and watched.heard, the most audio tracks that were to be heard at a time.
// watched.log are the events since then, watched.gaps the times without media, in ms, that the page was told.
const watchMedia = `(() => {
	window.watched = { frozen: {}, heard: 0, elements: new Set(), log: [], gaps: [] };
	new MutationObserver((changes) => {
		for (const { textContent: line } of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
			watched.log.push(line);
			const gap = /relocated .* (\d+) ms/.exec(line)?.[1];
			if (gap) watched.gaps.push(Number(gap));
		}
	}).observe(document.querySelector('[data-testid="log"]'), { childList: true });
	for (const tile of document.querySelectorAll('[data-testid="tile"]')) {
		const name = tile.querySelector('figcaption').textContent;
		const video = tile.querySelector('video');
		watched.elements.add(video);
		watched.frozen[name] = 0;
		let last;
		const frame = (now) => {
			watched.frozen[name] = Math.max(watched.frozen[name], now - (last ?? now));
			last = now;
			video.requestVideoFrameCallback(frame);
		};
		video.requestVideoFrameCallback(frame);
	}
	const played = new Set(); // Chromium does not stop by itself to play what was removed from a stream
	setInterval(() => {
		for (const video of watched.elements) video.srcObject?.getAudioTracks().forEach((track) => played.add(track));
		const heard = livePeers().flatMap((pc) => pc.getTransceivers())
			.filter(({ direction, receiver: { track } }) => played.has(track) && track.enabled && direction !== 'stopped');
		watched.heard = Math.max(watched.heard, heard.length);
	}, 10);
})()`

// TestRelocation empties the media server of a call of three, there and back: nobody notices, whatever they do meanwhile.
func TestRelocation(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	fleet := startProcesses(t)
	page := serveDemo(t, fleet) + "/demo/"
	call := []*visitor{}
	for _, name := range []string{"Ann", "Bob", "Cat"} {
		call = append(call, browser.visit(page, name, "picture"))
	}
	seeAndHear(call)
	for _, v := range call {
		eval[any](v, "watch the media", watchMedia)
	}
	call[0].until("a while without a move", `await new Promise((resolve) => setTimeout(resolve, 2000)); return '';`)
	quiet := longestFreezes(call)

	for move := range *moves {
		server := call[0].fact("server")
		drain(t, fleet, server)
		text := fmt.Sprintf("in move %d", move)
		call[0].say(text)
		for _, v := range call {
			v.relocatedTimes(move + 1)
			v.shows("messages", text)
		}
		undrain(t, fleet, server)
		call[0].until("on another server", `return `+textOf("server")+` === `+quoted(server)+` ? 'not yet' : '';`)
	}

	moving, gaps := longestFreezes(call), []float64{}
	seeAndHear(call)
	for _, v := range call {
		v.noticedNothing()
		gaps = append(gaps, eval[[]float64](v, "read the gaps", "watched.gaps")...)
	}
	slices.Sort(gaps)
	t.Logf("ms without media in %d moves of 3 users: p50 %.0f, p95 %.0f, longest %.0f", *moves,
		gaps[len(gaps)/2], gaps[len(gaps)*95/100], gaps[len(gaps)-1])
	t.Logf("longest time between two frames of each picture in ms: %.0f, without a move %.0f", moving, quiet)
	if longest := slices.Max(moving); longest > mostFrozen {
		t.Errorf("a picture stood still for %.0f ms", longest)
	}
	call[0].keepScreenshots("relocated")
}

// seeAndHear waits until everybody sees and hears everybody else.
func seeAndHear(call []*visitor) {
	for _, v := range call {
		for _, other := range call {
			if v != other {
				v.sees(other.name)
				v.hears(other.name)
			}
		}
	}
}

// longestFreezes are those of all pictures since the last call, in ms.
func longestFreezes(call []*visitor) []float64 {
	var all []float64
	for _, v := range call {
		all = append(all, eval[[]float64](v, "read the freezes", `(() => {
			const frozen = Object.values(watched.frozen);
			for (const name in watched.frozen) watched.frozen[name] = 0;
			return frozen;
		})()`)...)
	}
	slices.Sort(all)
	return all
}

// relocatedTimes waits until the page was told so often that a move is over.
func (v *visitor) relocatedTimes(count int) {
	v.t.Helper()
	v.until("is moved", fmt.Sprintf(`
		const count = watched.gaps.length;
		return count === %d ? '' : 'moved ' + count + ' times';`, count))
}

func (v *visitor) noticedNothing() {
	v.t.Helper()
	v.until("noticed nothing", `
		for (const word of ['reconnect ', 'disconnected', 'stream-removed', 'user-left', 'error']) {
			const line = watched.log.find((text) => text.includes(word));
			if (line) return 'the log has: ' + line;
		}
		const elements = [...document.querySelectorAll('[data-testid="tile"] video')];
		if (!elements.every((video) => watched.elements.has(video))) return 'another <video>';
		if (watched.heard > 2) return 'heard at once: ' + watched.heard;
		if (livePeers().length !== 2) return 'connections: ' + livePeers().length;
		return mostPeers === 4 ? '' : 'most connections at once: ' + mostPeers;`)
}

// drain empties a media server at once; undrain gives it work again.
func drain(t *testing.T, fleet *harness.Fleet, server string) {
	t.Helper()
	body := map[string]string{"timeout": "0s", "then": "relocate"}
	operate(t, fleet, harness.Request{Method: http.MethodPost, Path: "/v1/admin/servers/" + server + "/drain", Body: body})
}

func undrain(t *testing.T, fleet *harness.Fleet, server string) {
	t.Helper()
	operate(t, fleet, harness.Request{Method: http.MethodDelete, Path: "/v1/admin/servers/" + server + "/drain"})
}

func operate(t *testing.T, fleet *harness.Fleet, r harness.Request) {
	t.Helper()
	if _, err := fleet.API.Do(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
}
