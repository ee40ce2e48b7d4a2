package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// recordCamera is a Kurento application in a few lines: it sends the fake camera and microphone to a WebRtcEndpoint that
// is connected to a RecorderEndpoint for each of window.files. window.finish ends the first recording.
const recordCamera = `(async () => {
	const socket = new WebSocket(%q);
	await new Promise((done, failed) => { socket.onopen = done; socket.onerror = () => failed(new Error('no socket')); });
	const waiting = new Map(), pc = new RTCPeerConnection();
	let session, last = 0;
	const call = (method, params) => new Promise((done, failed) => {
		const id = last++;
		waiting.set(id, { done, failed });
		socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, sessionId: session } }));
	});
	socket.onmessage = ({ data }) => {
		const { id, result, error, params } = JSON.parse(data);
		if (params?.value?.type === 'IceCandidateFound') pc.addIceCandidate(params.value.data.candidate);
		if (id === undefined) return;
		const { done, failed } = waiting.get(id);
		session = result?.sessionId;
		error ? failed(new Error(error.message)) : done(result.value);
	};
	const create = (type, constructorParams) => call('create', { type, constructorParams });
	const invoke = (object, operation, operationParams) => call('invoke', { object, operation, operationParams });

	const mediaPipeline = await create('MediaPipeline');
	const endpoint = await create('WebRtcEndpoint', { mediaPipeline });
	await call('subscribe', { object: endpoint, type: 'IceCandidateFound' });
	pc.onicecandidate = ({ candidate }) => candidate && invoke(endpoint, 'addIceCandidate', { candidate });
	const camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
	for (const track of camera.getTracks()) pc.addTrack(track, camera);
	await pc.setLocalDescription();
	const sdp = await invoke(endpoint, 'processOffer', { offer: pc.localDescription.sdp });
	await pc.setRemoteDescription({ type: 'answer', sdp });
	await invoke(endpoint, 'gatherCandidates');

	window.recorders = [];
	for (const uri of ['whole.webm', 'killed.webm']) {
		const recorder = await create('RecorderEndpoint', { mediaPipeline, uri });
		await invoke(endpoint, 'connect', { sink: recorder });
		await invoke(recorder, 'record');
		recorders.push(recorder);
	}
	window.finish = async () => { await invoke(recorders[0], 'stopAndWait'); return ''; };
	return '';
})()`

// playFile plays a file to its end, or as far as it is whole, and says what is wrong with what was seen.
const playFile = `(async () => {
	const video = Object.assign(document.createElement('video'), { muted: true, src: %q });
	document.body.append(video);
	const ended = new Promise((done) => { video.onended = () => done(''); video.onerror = () => done(video.error.message); });
	video.playbackRate = 4;
	await video.play();
	const wrong = await Promise.race([ended, new Promise((done) => setTimeout(() => done('it does not end'), 20000))]);
	if (wrong) return wrong;
	const { totalVideoFrames } = video.getVideoPlaybackQuality();
	const audioBytes = video.webkitAudioDecodedByteCount;
	if (totalVideoFrames < 20 || audioBytes < 1000) return totalVideoFrames + ' frames, ' + audioBytes + ' bytes of sound';
	if (video.videoWidth !== 320) return video.videoWidth + ' pixels wide';
	return %t && !(video.duration > 2 && video.duration < 60) ? 'a duration of ' + video.duration : '';
})()`

// TestRecordedFiles: what Chromium sends is recorded, and Chromium plays it: a file that was ended, and one whose media
// server was killed meanwhile.
func TestRecordedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a process")
	}
	browser := startBrowser(t)
	folder := t.TempDir()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<!doctype html><title>recording</title>"))
	})
	mux.Handle("GET /files/", http.StripPrefix("/files", http.FileServer(http.Dir(folder))))
	page := httptest.NewServer(mux)
	t.Cleanup(page.Close)
	origin, err := url.Parse(page.URL)
	if err != nil {
		t.Fatal(err)
	}
	server, err := harness.StartAlone(t.Context(), "--media-files="+folder, "--allowed-origins="+origin.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })

	v := &visitor{t: t, name: "Ann", ctx: browser.ctx}
	v.do("open the page", chromedp.Navigate(page.URL))
	v.try("record", fmt.Sprintf(recordCamera, server.URL()))
	testkit.Eventually(t, func() error { return atLeast(filepath.Join(folder, "whole.webm"), 50_000) })
	v.try("finish", "window.finish()")
	server.Kill()
	for file, finished := range map[string]bool{"whole.webm": true, "killed.webm": false} {
		v.try("play "+file, fmt.Sprintf(playFile, "/files/"+file, finished))
	}
}

// atLeast says that a file is not that large yet.
func atLeast(path string, size int64) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() < size {
		err = fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	return err
}
