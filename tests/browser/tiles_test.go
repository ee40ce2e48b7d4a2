package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTiles_GetThePictureThatTheyCanShow: a camera is sent in two sizes; each page asks for the one that its tile can
// show, says so, and gets it.
func TestTiles_GetThePictureThatTheyCanShow(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	ann := browser.visit(page, "Ann")
	bob := browser.visit(page, "Bob", "picture")
	ann.sees("Bob")
	bob.sees("Ann")
	width := func(least, most string) string {
		return `const tile = ` + tile("Ann") + `;
			const { videoWidth } = tile.querySelector('video');
			const badge = tile.querySelector('.quality').textContent;
			return videoWidth >= ` + least + ` && videoWidth <= ` + most + ` ? '' : videoWidth + ' wide, badge ' + badge;`
	}
	badge := func(want string) string {
		return `const { textContent } = ` + tile("Ann") + `.querySelector('.quality');
			return textContent === '` + want + `' ? '' : textContent;`
	}
	bob.do("make the page narrow", chromedp.EmulateViewport(230, 600))
	bob.until("gets the smallest picture", width("200", "330"))
	bob.until("says that there is more", badge("1/2"))
	bob.keepScreenshots("narrow")
	bob.do("make the page wide", chromedp.EmulateViewport(1600, 900))
	bob.until("gets the whole picture", width("600", "700"))
	bob.until("says nothing", badge(""))
	bob.keepScreenshots("wide")
}
