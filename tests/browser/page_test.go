package browser_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	waitTime   = 25 * time.Second // for something to be seen; generous, because machines are noisy
	actionTime = 40 * time.Second // for one command to the browser
)

// watchPeers runs before anything else on a page: it keeps every RTCPeerConnection that the page makes.
const watchPeers = `{
	const Native = RTCPeerConnection;
	window.peers = [];
	window.mostPeers = 0;
	window.livePeers = () => peers.filter((pc) => pc.signalingState !== 'closed');
	window.RTCPeerConnection = class extends Native {
		constructor(...args) {
			super(...args);
			peers.push(this);
			mostPeers = Math.max(mostPeers, livePeers().length);
		}
	};
}`

// chromium is a running browser.
type chromium struct {
	t   *testing.T
	ctx context.Context
}

// startBrowser starts Chromium with fake devices, until the test ends. Without a Chromium the test is skipped, in CI it
// fails.
func startBrowser(t *testing.T) *chromium {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs Chromium: %v", err)
		}
		t.Skipf("no Chromium: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // it runs as root in CI, and opens our own page only
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		// Host candidates in the clear: there is no mDNS responder in a container.
		chromedp.Flag("disable-features", "WebRtcHideLocalIpsWithMdns,Translate"),
	)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &chromium{t: t, ctx: ctx}
}

// visitor is one person with the demo page open, in a browser profile of its own.
type visitor struct {
	t    *testing.T
	name string
	ctx  context.Context
}

// visit opens page, whose query may have more fields: "auto" joins without a click, "picture" shows the test picture in
// place of the fake camera. Without "auto" the join button is clicked.
func (c *chromium) visit(page, name string, fields ...string) *visitor {
	c.t.Helper()
	return c.visitWith("", page, name, fields...)
}

// visitWith is a visit with a script that runs before those of the page.
func (c *chromium) visitWith(script, page, name string, fields ...string) *visitor {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	c.t.Cleanup(cancel)
	// The first action opens the tab, which lives as long as the context of that action.
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatalf("%s: open a tab: %v", name, err)
	}
	v := &visitor{t: c.t, name: name, ctx: ctx}
	query := url.Values{"session": {"call"}, "name": {name}}
	for _, field := range fields {
		query.Set(field, "1")
	}
	v.do("open the page", runFirst(watchPeers+script), chromedp.EmulateViewport(1280, 800),
		chromedp.Navigate(page+"?"+query.Encode()))
	if !query.Has("auto") {
		v.click("join")
	}
	return v
}

// runFirst has every page of a tab run script before its own.
func runFirst(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, params)
		return err
	})
}

func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ask(v, what, chromedp.Steps(steps...))
}

// ask has the browser do one thing and returns what it answered.
func ask[T any](v *visitor, what string, action chromedp.Action[T]) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, actionTime)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		v.t.Fatalf("%s: %s: %v", v.name, what, err)
	}
	return result
}

// eval evaluates a JavaScript expression, awaiting it when it is a promise.
func eval[T any](v *visitor, what, expression string) T {
	v.t.Helper()
	return ask(v, what, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func byTestID(id string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid="%s"]`, id)) }

func (v *visitor) click(id string) {
	v.t.Helper()
	v.do("click "+id, chromedp.Click(byTestID(id), chromedp.NodeVisible))
}

func (v *visitor) fill(id, text string) {
	v.t.Helper()
	v.do("fill in "+id, chromedp.SendKeys(byTestID(id), text, chromedp.NodeVisible))
}

// until waits until condition, the body of an async function, returns "" and fails with the last reason it returned. A
// reason that is read from the page begins with a word of its own: what the page has may be empty.
func (v *visitor) until(what, condition string) {
	v.t.Helper()
	reason := eval[string](v, what, fmt.Sprintf(`(async () => {
		const deadline = performance.now() + %d;
		for (;;) {
			let reason;
			try { reason = await (async () => {%s})(); } catch (err) { reason = String(err); }
			if (reason === '' || performance.now() > deadline) return reason;
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	})()`, waitTime.Milliseconds(), condition))
	if reason != "" {
		v.screenshot("failed-" + v.name)
		v.t.Fatalf("%s: %s: %s\nevents:\n%s", v.name, what, reason, v.log())
	}
}

func (v *visitor) log() string {
	v.t.Helper()
	return eval[string](v, "read the log",
		`[...document.querySelectorAll('[data-testid="log"] li')].map((li) => li.textContent).join('\n')`)
}

func (v *visitor) screenshot(name string) {
	v.t.Helper()
	picture := ask(v, "screenshot", chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(artifacts(v.t), name+".png"), picture, 0o600); err != nil {
		v.t.Error(err)
	}
}

// resize gives the page another size, and dark or light colours.
func (v *visitor) resize(width, height int64, scheme string) {
	v.t.Helper()
	media := emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}
	v.do("resize", chromedp.EmulateViewport(width, height),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
			return err
		}))
}
