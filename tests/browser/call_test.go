package browser_test

import (
	"fmt"
	"testing"
)

// TestCall is the life of a session as its users see it. The steps build on each other; each is a subtest for its name.
func TestCall(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	page := startFleet(t) + "/demo/"
	ann := browser.visit(page, "Ann")
	bob := browser.visit(page, "Bob <b>&", "picture")
	cat := &visitor{}

	steps := []struct {
		name string
		step func()
	}{
		{"two see and hear each other", func() {
			ann.sees("Bob <b>&")
			bob.sees("Ann")
			ann.hears("Bob <b>&")
			bob.hears("Ann")
			ann.shows("status", "joined")
		}},
		{"text goes both ways", func() {
			ann.say("hello & <i>welcome</i>")
			bob.shows("messages", "Ann hello & <i>welcome</i>")
			bob.say("hi")
			ann.shows("messages", "Bob <b>& hi")
		}},
		{"mute takes sound and picture away and brings them back", func() {
			bob.click("mute-audio")
			ann.hearsNothingOf("Bob <b>&")
			bob.click("mute-video")
			ann.until("shows no picture", `return `+tile("Bob <b>&")+`.classList.contains('off') ? '' : 'picture';`)
			bob.click("mute-audio")
			bob.click("mute-video")
			ann.sees("Bob <b>&")
			ann.hears("Bob <b>&")
		}},
		{"the source is swapped without a gap in the connection", func() {
			ann.click("swap")
			bob.sees("Ann")
			bob.hears("Ann")
		}},
		{"a third joins late by link, without a click", func() {
			*cat = *browser.visit(page, "Cat", "auto", "picture")
			cat.sees("Ann")
			cat.sees("Bob <b>&")
			ann.sees("Cat")
			bob.sees("Cat")
			ann.sees("Bob <b>&")
			ann.keepScreenshots("call")
		}},
		{"rejoin brings everything back", func() {
			ann.click("rejoin")
			ann.shows("log", "joined epoch")
			ann.sees("Bob <b>&")
			ann.sees("Cat")
			bob.sees("Ann")
			bob.hears("Ann")
		}},
		{"who leaves is gone for the others", func() {
			cat.click("leave")
			cat.shows("status", "left")
			ann.seesNobody("Cat")
			bob.seesNobody("Cat")
			ann.until("two users", `
				const count = document.querySelectorAll('[data-testid="users"] li').length;
				return count === 2 ? '' : count + ' users';`)
			ann.sees("Bob <b>&")
		}},
		{"who left may come again", func() {
			cat.keepScreenshots("lobby")
			cat.click("join")
			cat.sees("Ann")
			ann.sees("Cat")
		}},
		{"never more than two peer connections", func() {
			for _, v := range []*visitor{ann, bob, cat} {
				v.hasTwoConnectionsAtMost()
			}
		}},
	}
	for _, s := range steps {
		passed := t.Run(s.name, func(t *testing.T) {
			for _, v := range []*visitor{ann, bob, cat} {
				v.t = t
			}
			s.step()
		})
		if !passed {
			t.FailNow()
		}
	}
	for _, v := range []*visitor{ann, bob, cat} {
		v.t = t
		t.Logf("%s: joined after %s, first media after %s", v.name, v.fact("joined-time"), v.fact("first-media"))
	}
}

// say writes into the chat, as a person does.
func (v *visitor) say(text string) {
	v.t.Helper()
	v.fill("chat-text", text)
	v.click("chat-send")
}

func (v *visitor) fact(id string) string {
	v.t.Helper()
	return eval[string](v, "read "+id, fmt.Sprintf("document.querySelector('%s').textContent", byTestID(id)))
}

// keepScreenshots keeps what the page looks like on a desk and on a phone, light and dark.
func (v *visitor) keepScreenshots(name string) {
	v.t.Helper()
	v.screenshot(name + "-desktop")
	v.resize(1280, 800, "dark")
	v.screenshot(name + "-desktop-dark")
	v.resize(390, 844, "light")
	v.screenshot(name + "-phone")
	v.resize(390, 844, "dark")
	v.screenshot(name + "-phone-dark")
	v.resize(1280, 800, "light")
}
