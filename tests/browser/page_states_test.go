package browser_test

import (
	"testing"
)

// TestOperatorPage_States shows the page what a fleet may say, and looks at what it makes of it.
func TestOperatorPage_States(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	base := startFleet(t)
	t.Run("pictures", func(t *testing.T) { pictures(t, browser, base) })
}

func pictures(t *testing.T, browser *chromium, base string) {
	s := newStage(t, base)
	v := browser.openOperator(t, s.url, "")
	v.screenshot("page-login")
	s.setUp()
	v.signIn("any")
	v.reads(`[data-server="media-2"]`, "7 sessions left")
	for _, name := range []string{"servers", "sessions", "rollouts", "replicas", "audit"} {
		v.view(name)
		v.resize(1280, 1000, "light")
		v.until("shown", "return document.querySelector('#view-"+name+"').hidden ? 'no' : '';")
		v.do("settle")
		v.screenshot("page-" + name)
		v.resize(1280, 1000, "dark")
		v.screenshot("page-" + name + "-dark")
		v.resize(390, 1700, "light")
		v.screenshot("page-" + name + "-phone")
	}
}
