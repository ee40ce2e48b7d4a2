package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// smallPicture makes the test picture cheap to encode, for tests with many tabs.
const smallPicture = `{
	const captureStream = HTMLCanvasElement.prototype.captureStream;
	HTMLCanvasElement.prototype.captureStream = function () {
		Object.assign(this, { width: 64, height: 36 });
		return captureStream.call(this, 2);
	};
}`

// TestTabs opens more tabs in one browser profile than the browser keeps connections to one host: each holds a poll.
func TestTabs(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	const count = 8 // two more than connections
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	var tabs []*visitor
	for i := range count {
		v := browser.openTab(fmt.Sprintf("P%d", i))
		v.do("open the page", runFirst(smallPicture),
			chromedp.Navigate(page+"?session=tabs&auto=1&picture=1&name="+v.name))
		tabs = append(tabs, v)
	}
	for _, v := range tabs {
		v.shows("status", "joined")
		v.until("everybody is there", fmt.Sprintf(`
			const count = document.querySelectorAll('[data-testid="users"] li').length;
			return count === %d ? '' : count + ' users';`, count))
	}
	tabs[count-1].until("pictures of all others", fmt.Sprintf(`
		const count = document.querySelectorAll('[data-testid="tile"]').length;
		return count === %d ? '' : count + ' tiles';`, count-1))
	tabs[count-1].until("no tile on top of another", `
		const boxes = [...document.querySelectorAll('.tile')].map((t) => t.getBoundingClientRect());
		const over = boxes.some((a, i) => boxes.slice(i + 1).some((b) =>
			a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
		return over ? 'tiles overlap' : '';`)
}

// openTab opens a tab in the profile that all such tabs share.
func (c *chromium) openTab(name string) *visitor {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	c.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatalf("%s: open a tab: %v", name, err)
	}
	return &visitor{t: c.t, name: name, ctx: ctx}
}
