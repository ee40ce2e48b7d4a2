package browser_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/chromedp/chromedp"
)

// views are those of the operator's page.
var views = []string{"servers", "sessions", "rollouts", "replicas", "audit"}

// everythingHasItsPlace looks at each view of a fleet between two releases, in each size and colour.
func (o operator) everythingHasItsPlace() {
	s := newStage(o.t, o.base)
	s.setUp()
	v := o.open(s.url, "any")
	for selector, text := range map[string]string{
		`[data-server="media-1"]`:                "Member",
		`[data-server="media-2"]`:                "7 sessions left, deadline in 39:",
		`[data-server="media-2"] .drain .notice`: "no server of its region has room",
		`[data-server="media-3b"]`:               "Refused: its token is for version v1.2.0",
		`[data-server="media-4"]`:                "Down",
		`[data-server="media-5"]`:                "Empty: it has no session and is given none. Drained by key:ops.",
		`#glance-attention`:                      "3 to look at",
		`#glance`:                                "3 of 5 up",
		`#live-rollout`:                          "Rollout to v1.3.0: running, 1 of 4 servers replaced",
	} {
		v.reads(selector, text)
	}
	for _, view := range views {
		v.view(view)
		v.lacks(`#view-` + view + `[hidden]`)
		v.resize(360, 800, "light")
		v.fits(view)
		v.resize(1280, 1000, "light")
		v.fits(view)
		v.isNamed(view)
	}
	v.do("skip to the fleet by keyboard", chromedp.Focus(chromedp.CSS(".skip")), chromedp.KeyEvent("\r"))
	v.reads("main:focus #view-audit", "session.relocate")
	v.view("sessions")
	v.reads(`[data-key="lesson-7"]`, "Moving from media-2")
	v.view("replicas")
	v.reads(`[data-testid="generation"][data-key="3"]`, "without end")
	v.reads(`[data-testid="release"][data-key="v1.2.9"]`, "v1.2.9\t2\t1\t1")
	v.view("audit")
	v.reads(`[data-key="entry-97"]`, "forbidden")
	v.reads(`[data-key="entry-99"]`, "linked")
	s.says("/v1/admin/audit", items(fakeEntry(9, "key:ops", "server.drain", "server:m", "", "ok"),
		fakeEntry(7, "key:ops", "server.undrain", "server:m", "", "ok"))) // 8 is missing
	v.reads(`#view-audit .notice`, "The chain is broken on this page")

	v.view("rollouts")
	v.reads(`[data-testid="rollout"]`, "Share 2")
	s.says("/v1/admin/rollouts", items(fakeRollout("stopped", object{"reason": "5.1 % of connections fail on v1.3.0, 0.2 % on the others"})))
	v.reads(`[data-testid="rollout"] .notice`, "5.1 % of connections fail on v1.3.0")
	v.reads(`#live-rollout`, "stopped itself")
	v.press(string(byTestID("abort")))
	v.reads("dialog", "Abort the rollout to v1.3.0?")
	v.do("close it with the keyboard", chromedp.KeyEvent("\x1b"))
	v.lacks("dialog")
}

// isNamed fails if something in the view that can be used has no name for a screen reader.
func (v *visitor) isNamed(view string) {
	v.t.Helper()
	if nameless := eval[string](v, "names of "+view, `[...document.querySelectorAll('a, button, input, select, svg[role]')]
		.filter((n) => n.checkVisibility() && !(n.ariaLabel || n.labels?.length || n.textContent.trim() || n.getAttribute('aria-label')))
		.map((n) => n.outerHTML.slice(0, 120)).join('\n')`); nameless != "" {
		v.t.Errorf("%s has things without a name:\n%s", view, nameless)
	}
}

// whatIsHostileIsText has the API say markup wherever it says somebody's words.
func (o operator) whatIsHostileIsText() {
	const evil = `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script>"'>`
	s := newStage(o.t, o.base)
	s.says("/v1/admin/servers", items(fakeServer(evil, evil, object{
		"region": evil, "membership": object{"state": "refused", "reason": evil}, "availability": "draining",
		"drain": object{"since": at(0), "deadline": evil, "then": "wait", "by": evil, "remaining": 1},
	})))
	s.says("/v1/sessions", items(fakeSession("s", evil, object{"region": evil, "state": evil})))
	s.says("/v1/sessions/s", fakeSession("s", evil, object{"metadata": object{evil: evil}}))
	s.says("/v1/sessions/s/users", items(object{"id": evil, "name": evil, "state": evil, "streams": []object{{"kinds": []string{evil}, "state": "active"}}}))
	s.says("/v1/admin/replicas", items(fakeReplica(evil, evil, evil, evil)))
	s.says("/v1/admin/rollouts", items(fakeRollout("paused", object{"to": evil, "reason": evil, "startedBy": evil})))
	s.says("/v1/admin/audit", items(fakeEntry(1, evil, evil, evil, evil, evil)))
	v := o.open(s.url, "any")
	for _, view := range views {
		v.view(view)
		if view != "sessions" { // whose ids can be no such thing
			v.reads("#view-"+view, evil)
		}
		v.resize(360, 800, "dark")
		v.fits("hostile " + view)
		v.resize(1280, 1000, "light")
	}
	v.view("sessions")
	v.press(`[data-key="s"] button`)
	v.reads("dialog", `{"`+strings.ReplaceAll(evil, `"`, `\"`)) // the metadata
	v.reads("dialog .name", evil)
	if made := eval[int](v, "look for markup", `document.querySelectorAll('main img, dialog img, main script, dialog script').length`); made != 0 {
		o.t.Errorf("%d elements came out of texts", made)
	}
	if title := eval[string](v, "title", `document.title`); !strings.HasSuffix(title, "Orkestro") {
		o.t.Errorf("a script has run: the title is %q", title)
	}
}

// aBigFleet has 60 servers and 5,000 sessions; the page holds a part of them.
func (o operator) aBigFleet() {
	s := newStage(o.t, o.base)
	var servers, sessions []any
	for i := range 60 {
		servers = append(servers, fakeServer(fmt.Sprintf("media-%02d", i), "v1", nil))
	}
	for i := range 5000 {
		sessions = append(sessions, fakeSession(fmt.Sprintf("room-%04d", i), fmt.Sprintf("media-%02d", i%60), nil))
	}
	s.says("/v1/admin/servers", items(servers...))
	s.set("/v1/sessions", answer{status: http.StatusOK, list: func(query map[string][]string) any {
		from, limit := 0, 50
		prefix := strings.Join(query["prefix"], "")
		_, _ = fmt.Sscan(strings.Join(query["cursor"], ""), &from)
		_, _ = fmt.Sscan(strings.Join(query["limit"], ""), &limit)
		found := slices.DeleteFunc(slices.Clone(sessions), func(s any) bool { return !strings.HasPrefix(s.(object)["id"].(string), prefix) })
		page := object{"items": found[from:min(from+limit, len(found))]}
		if from+limit < len(found) {
			page["next"] = fmt.Sprint(from + limit)
		}
		return page
	}})
	v := o.open(s.url, "any")
	v.reads("#glance", "60 of 60 up")
	v.reads("#view-servers > button", "Show more of 60 servers")
	v.do("look for a server", chromedp.SendKeys(chromedp.CSS("#view-servers input"), "media-59", chromedp.NodeVisible))
	v.reads("#view-servers .servers", "media-59")
	v.reads("#view-servers .tools", "1 of 60 servers")
	v.view("sessions")
	v.reads("#view-sessions", "room-0049")
	v.press("#view-sessions .pager button:last-child")
	v.reads("#view-sessions", "room-0050")
	v.reads("#view-sessions .pager", "Page 2")
	v.press("#view-sessions .pager button:first-child")
	v.reads("#view-sessions", "room-0000")
	v.fill("prefix", "room-49")
	v.reads("#view-sessions", "room-4900")
	if nodes := eval[int](v, "count nodes", `document.querySelectorAll('*').length`); nodes > 4000 {
		o.t.Errorf("the page has %d elements", nodes)
	}
}

// troubles are those that pass: the page keeps what it shows, says what is wrong, and goes on.
func (o operator) troubles() {
	s := newStage(o.t, o.base)
	s.timeless = true
	s.setUp()
	v := o.open(s.url, "any", timeLapse)
	v.reads(`[data-testid="state"]`, "Live")
	well := s.servers()
	for name, trouble := range map[string]answer{
		"Reconnecting: the database is away":    refusal(503, "unavailable", "the database is away", "Retry-After", "1"),
		"Reconnecting: too many requests":       refusal(429, "rate_limited", "too many requests", "Retry-After", "1"),
		"Reconnecting: The API answers 502":     {status: 502, body: "<html>"},
		"Reconnecting: The API does not answer": {status: 0},
	} {
		s.set("/v1/admin/servers", trouble)
		v.reads(`[data-testid="state"]`, name)
		v.reads(`[data-server="media-1"]`, "Up") // what was seen last
		s.set("/v1/admin/servers", well)
		v.reads(`[data-testid="state"]`, "Live")
	}
	// An older replica that lacks a call: the others go on.
	s.set("/v1/admin/rollouts", refusal(404, "not_found", "there is no such path"))
	v.view("rollouts")
	v.reads("#view-rollouts .notice", "there is no such path")
	v.reads(`[data-testid="state"]`, "Live")
	v.view("servers")

	s.set("/v1/admin/servers/media-1/drain", refusal(409, "conflict", "it leaves by itself"))
	v.press(`[data-server="media-1"] [data-testid="drain-button"]`)
	v.press(string(byTestID("confirm")))
	v.reads("dialog .notice", "it leaves by itself")
	s.set("/v1/admin/servers/media-1/drain", answer{status: 0})
	v.press(string(byTestID("confirm")))
	v.reads("dialog .notice", "The API does not answer.")
	s.set("/v1/admin/servers/media-1/drain", answer{status: http.StatusAccepted})
	v.press(string(byTestID("confirm")))
	v.lacks("dialog")
	// The browser itself may send again what it had no answer to.
	if keys := slices.Compact(s.idempotencyKeys()); len(keys) != 2 {
		o.t.Errorf("keys %v: want one until there is an answer, and then another", keys)
	}
}

// aKeyThatExpires ends what the page shows and asks for another.
func (o operator) aKeyThatExpires() {
	s := newStage(o.t, o.base)
	s.setUp()
	v := o.open(s.url, "any")
	well := s.servers()
	v.reads(`[data-server="media-1"]`, "Up")
	v.press(`[data-server="media-1"] [data-testid="drain-button"]`)
	s.set("/v1/admin/servers", refusal(401, "unauthorized", "these credentials are not valid"))
	v.reads("#login", "This key is not accepted.")
	v.lacks("#views")
	v.lacks("dialog")
	s.set("/v1/admin/servers", well)
	v.signIn("another")
	v.reads(`[data-server="media-1"]`, "Up")
}

// aClockThatIsWrong is the operator's: ages and deadlines are by that of the API.
func (o operator) aClockThatIsWrong() {
	s := newStage(o.t, o.base)
	s.setUp()
	v := o.open(s.url, "any", `{ const now = Date.now; Date.now = () => now() + 3600e3; }`)
	v.reads(`[data-server="media-2"]`, "deadline in 39:")
	v.reads("#glance-attention", "3 to look at") // nobody is silent
}

// timeLapse has a page live thirty times as fast: its five minutes are ten seconds, in which a slow machine has time for
// all the looks that it checks for.
const timeLapse = `{
	const start = Date.now(), now = Date.now, wait = setTimeout;
	Date.now = () => start + 30 * (now() - start);
	setTimeout = (f, ms, ...rest) => wait(f, ms / 30, ...rest);
}`

// charts lets five minutes pass, with half a minute in which nothing is known.
func (o operator) charts() {
	s := newStage(o.t, o.base)
	s.timeless = true
	var looks atomic.Int64
	load := answer{status: http.StatusOK, list: func(map[string][]string) any {
		n := float64(looks.Add(1))
		var list []any
		for i := range 3 {
			wave := func(mean, height, speed float64) float64 {
				return float64(i+1) * (mean + height*math.Sin(n/speed) + height/3*math.Sin(n*1.7))
			}
			list = append(list, fakeServer(fmt.Sprintf("media-%d", i+1), "v1.3.0", object{
				"sessions": int(wave(20, 3, 9)), "heartbeatAt": "2999-01-01T00:00:00.000Z", "load": object{
					"cpu": wave(.5, .1, 7), "memoryBytes": int(wave(200e6, 2e6, 5)), "pipelines": 20, "endpoints": 99,
					"bitrateIn": int(wave(4e6, 1e6, 11)), "bitrateOut": int(wave(12e6, 3e6, 6)),
				},
			}))
		}
		return items(list...)
	}}
	s.set("/v1/admin/servers", load)
	v := o.open(s.url, "any", timeLapse)
	line := `const line = document.querySelector('[data-server="media-3"] .chart .line:not(.swatch *)')?.getAttribute('d') ?? '';`
	v.until("a line of many looks", line+`return line.split('L').length > 25 ? '' : 'it is ' + line;`)
	s.set("/v1/admin/servers", answer{status: 0})
	v.until("half a minute without a look", `const start = Date.now(); while (Date.now() < start + 3e4) await new Promise(requestAnimationFrame); return '';`)
	s.set("/v1/admin/servers", load)
	v.until("a line with a gap", line+`return line.split('M').length >= 3 && line.split('L').length > 25 ? '' : 'it is ' + line;`)
	v.screenshot("page-charts")
	v.do("point at one", chromedp.MouseEvent(chromedp.MouseMoved, 420, 300))
	v.reads(".chart .value", ":") // the time of what is pointed at
}
