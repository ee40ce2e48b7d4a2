package browser_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestTrouble is what happens to the people in a call. The steps build on each other; each is a subtest for its name.
func TestTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	t.Setenv("ORKESTRO_GRACE_TIME", "5s")
	browser := startBrowser(t)
	fleet := startDev(t, "--data="+t.TempDir())
	demo := fleet.base + "/demo/"
	ann := browser.visit(demo, "Ann", "picture")
	bob := browser.visit(demo, "Bob", "picture")
	ann.sees("Bob")
	bob.sees("Ann")

	steps := []struct {
		name string
		step func()
	}{
		{"a page that is reloaded is back as one user", func() {
			ann.do("reload", chromedp.Reload())
			ann.sees("Bob")
			bob.sees("Ann")
			bob.hasUsers(2)
		}},
		{"a page that cannot reach the API misses nothing, and media goes on", func() {
			ann.offline(true)
			bob.say("one") // ends the poll that waits, which offline lets be
			ann.shows("status", "no connection to the API")
			ann.say("two")
			bob.say("three")
			ann.sees("Bob")
			bob.sees("Ann")
			ann.offline(false)
			ann.shows("status", "joined")
			for _, v := range []*visitor{ann, bob} {
				v.hasMessages("Bob one", "Ann two", "Bob three")
			}
		}},
		{"a tab that crashes is gone after its grace time", func() {
			cat := browser.visit(demo, "Cat", "auto", "picture")
			bob.sees("Cat")
			cat.crash()
			bob.shows("log", "Cat: timeout")
			bob.seesNobody("Cat")
			bob.hasUsers(2)
			ann.sees("Bob")
		}},
		{"a tab that goes to another page is gone at once", func() {
			cat := browser.visit(demo, "Cat", "auto", "picture")
			bob.sees("Cat")
			cat.do("go to another page", chromedp.Navigate(fleet.base+"/docs"))
			bob.shows("log", "Cat: left")
			bob.hasUsers(2)
		}},
		{"pages outlive a restart of everything", func() {
			bob.hears("Ann")
			fleet.end(syscall.SIGKILL)
			bob.shows("status", "no connection to the API")
			fleet.start()
			ann.isTold("Bob", "back after")
			ann.sees("Bob")
			bob.sees("Ann")
			bob.hears("Ann")
			ann.say("welcome back")
			bob.shows("messages", "Ann welcome back")
			bob.shows("status", "joined")
			bob.hasUsers(2)
			ann.t.Logf("Ann: picture of Bob %s", ann.note("Bob"))
		}},
		{"pages are told when the session is not there after a restart", func() {
			fleet.end(syscall.SIGKILL)
			fleet.settings = nil // no data
			fleet.start()
			for _, v := range []*visitor{ann, bob} {
				v.shows("ended", "started again without their data")
			}
			ann.keepScreenshots("ended")
			ann.click("join")
			bob.click("join")
			ann.sees("Bob")
		}},
	}
	for _, s := range steps {
		passed := t.Run(s.name, func(t *testing.T) {
			for _, v := range []*visitor{ann, bob} {
				v.t = t
			}
			fleet.t, browser.t = t, t
			s.step()
		})
		if !passed {
			t.FailNow()
		}
	}
}

// hasUsers waits until so many users are there.
func (v *visitor) hasUsers(count int) {
	v.t.Helper()
	v.until("as many users as there are people", `
		const list = [...document.querySelectorAll('[data-testid="users"] li')].map((li) => li.textContent);
		return list.length === `+strconv.Itoa(count)+` ? '' : 'users: ' + list.join(', ');`)
}

// hasMessages waits until these are all the messages that the page shows, in any order.
func (v *visitor) hasMessages(messages ...string) {
	v.t.Helper()
	slices.Sort(messages)
	v.until("has each message once", fmt.Sprintf(`
		const list = [...document.querySelectorAll('[data-testid="messages"] li')].map((li) => li.textContent).sort();
		return list.join('\n') === %q ? '' : 'messages: ' + list.join(', ');`, strings.Join(messages, "\n")))
}

// offline has the page's new requests fail. The browser leaves alone what is under way, and all media.
func (v *visitor) offline(offline bool) {
	v.t.Helper()
	conditions := &network.Conditions{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}
	params := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{conditions}}
	v.do("change the network", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, params)
		return err
	}))
}

// crash ends the process of the page, which cannot say goodbye.
func (v *visitor) crash() {
	v.t.Helper()
	const patience = 2 * time.Second // the command is not always answered
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.Crash, cdp.Empty{})
		return err
	}))
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		v.t.Logf("crash: %v", err)
	}
}
