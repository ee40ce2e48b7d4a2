package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestKillButton is what a newcomer does: two pages in a call, and the operator's page, whose button kills the media
// server that the call is on. Both pictures move again without a click, and the pages tell how long it took. Then both
// servers are killed: the pages keep the last picture and say what they are doing until one is back.
func TestKillButton(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	base := startFleet(t)
	ann := browser.visit(base+"/demo/", "Ann", "picture")
	bob := browser.visit(base+"/demo/", "Bob", "picture")
	ann.sees("Bob")
	bob.sees("Ann")
	ann.until("knows the server", `return `+textOf("server")+` === '–' ? 'not yet' : '';`)
	first := ann.fact("server")
	operator := browser.openTab("the operator")
	operator.do("open the operator's page", chromedp.EmulateViewport(1280, 800), chromedp.Navigate(base+"/admin"))
	operator.seesServer(first, "running", "call · 2 users · epoch 1")

	operator.pressOn(first)
	for v, other := range map[*visitor]string{ann: "Bob", bob: "Ann"} {
		v.isTold(other, "back after")
		v.sees(other)
		v.until("calm again", `return `+textOf("status")+` === 'joined' ? '' : `+textOf("status"))
		t.Logf("%s: picture of %s %s", v.name, other, v.note(other))
		v.hasTwoConnectionsAtMost()
	}
	ann.keepScreenshots("recovered")
	operator.screenshot("operator")
	ann.until("on another server", `return [`+quoted(first)+`, '–'].includes(`+textOf("server")+`) ? 'not yet' : '';`)
	second := ann.fact("server")
	operator.seesServer(second, "running", "call · 2 users · epoch 2")
	operator.seesServer(first, "running", "no session") // it is back

	operator.pressOn(first)
	operator.seesServer(first, "killed", "no session")
	operator.pressOn(second)
	ann.until("says that it is reconnecting, and keeps the picture", noteOf("Bob", "reconnecting")+pictureOf("Bob"))
	ann.keepScreenshots("reconnecting")
	operator.keepScreenshots("operator-killed")
	operator.pressOn(first) // starts it now
	ann.isTold("Bob", "back after")
	ann.sees("Bob")
	bob.sees("Ann")
	bob.hears("Ann")
	ann.say("still here")
	bob.shows("messages", "Ann still here")
	t.Logf("without any server for a while: picture of Bob %s", ann.note("Bob"))
}

// seesServer waits until the operator's page shows a server in that state with that text.
func (v *visitor) seesServer(server, state, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("sees %s %s with %q", server, state, text), fmt.Sprintf(`
		const card = document.querySelector('%s');
		const shown = card ? card.dataset.state + ' ' + card.textContent : 'no card';
		return shown.startsWith(%q) && shown.includes(%q) ? '' : shown;`, cardOf(server), state+" ", text))
}

// pressOn clicks the button of a server.
func (v *visitor) pressOn(server string) {
	v.t.Helper()
	v.do("press the button of "+server, chromedp.Click(chromedp.CSS(cardOf(server)+" button:enabled"), chromedp.NodeVisible))
}

func cardOf(server string) string {
	return fmt.Sprintf(`[data-testid="dev-server"][data-server="%s"]`, server)
}

// isTold waits until the tile of name says text about its connection.
func (v *visitor) isTold(name, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("is told %q of %s", text, name), noteOf(name, text)+`return '';`)
}

// noteOf is the beginning of a condition: the tile of name says text about its connection.
func noteOf(name, text string) string {
	return fmt.Sprintf(`
		const note = %s?.querySelector('[data-testid="note"]')?.textContent;
		if (!note?.includes(%q)) return 'the note is ' + note;`, tile(name), text) + "\n"
}

// note is what the tile of name says about its connection.
func (v *visitor) note(name string) string {
	v.t.Helper()
	return eval[string](v, "read the note", tile(name)+`.querySelector('[data-testid="note"]').textContent`)
}

// textOf is a JavaScript expression for the text of the element of that test id.
func textOf(id string) string {
	return fmt.Sprintf(`document.querySelector('%s').textContent`, byTestID(id))
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }
