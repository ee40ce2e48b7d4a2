package browser_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// devKey is the API key of `orkestro dev`.
const devKey = "devkey"

// TestOperatorPage has an operator do what there is to do against a real fleet, and then shows the page what a fleet may
// say.
func TestOperatorPage(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	base := startFleet(t)
	for _, step := range []struct {
		name string
		does func(operator)
	}{
		{"keeps the key", operator.keepsTheKey},
		{"finds sessions", operator.findsSessions},
		{"drains", operator.drains},
		{"rolls out", operator.rollsOut},
		{"everything has its place", operator.everythingHasItsPlace},
		{"what is hostile is text", operator.whatIsHostileIsText},
		{"a big fleet", operator.aBigFleet},
		{"troubles", operator.troubles},
		{"a key that expires", operator.aKeyThatExpires},
		{"a clock that is wrong", operator.aClockThatIsWrong},
		{"charts", operator.charts},
	} {
		t.Run(step.name, func(t *testing.T) { step.does(operator{t: t, browser: browser, base: base}) })
	}
}

// ask calls the API with its key, expects status, and reads the answer into v.
func (o operator) ask(status int, method, path string, body, v any) {
	o.t.Helper()
	if err := o.try(status, method, path, body, v); err != nil {
		o.t.Fatal(err)
	}
}

func (o operator) try(status int, method, path string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(o.t.Context(), method, o.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if body == nil {
		request.Body = http.NoBody
	}
	request.Header.Set("Authorization", "Bearer "+devKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		return fmt.Errorf("%s %s: %s %s %w", method, path, response.Status, answer, err)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}

// until waits until the answer to a GET, read into a T, is what it should be; check says what is missing, "" for nothing.
func until[T any](o operator, path string, check func(T) string) {
	o.t.Helper()
	testkit.Eventually(o.t, func() error {
		var v T
		if err := o.try(http.StatusOK, "GET", path, nil, &v); err != nil {
			return err
		}
		if missing := check(v); missing != "" {
			return fmt.Errorf("%s: %s: %+v", path, missing, v)
		}
		return nil
	})
}

// keepsTheKey: a wrong key shows nothing, the right one stays in the tab and nowhere else, until the operator signs out.
func (o operator) keepsTheKey() {
	v := o.open(o.base+"/admin#replicas", "ключ")
	v.reads("#login:has(#key:invalid)", "API key") // no header can carry it
	v.do("begin again", chromedp.Reload())
	v.signIn("wrong")
	v.reads("#login", "This key is not accepted.")
	v.lacks("#views")
	v.signIn(devKey)
	v.reads("#view-replicas", "Everything runs the same release.")
	v.view("servers")
	for _, server := range []string{"media-1", "media-2"} {
		v.reads(`[data-testid="server"][data-server="`+server+`"]`, "Takes sessions")
	}
	v.do("reload", chromedp.Reload())
	v.reads(`[data-testid="server"][data-server="media-1"]`, "MiB")
	if kept := eval[string](v, "look for the key",
		`JSON.stringify([location.href, {...localStorage}, document.cookie, document.documentElement.outerHTML])`); bytes.Contains([]byte(kept), []byte(devKey)) {
		o.t.Errorf("the key is kept: %s", kept)
	}
	v.press(string(byTestID("sign-out")))
	v.lacks("#views")
	v.do("reload", chromedp.Reload())
	v.reads("#login", "API key")
}

// findsSessions: sessions are found by the beginning of their ids and by their server, and looked into.
func (o operator) findsSessions() {
	for _, id := range []string{"team-1", "team-2", "other"} {
		o.ask(http.StatusCreated, "POST", "/v1/sessions", object{"id": id, "metadata": object{"for": "<b>" + id}}, nil)
	}
	o.ask(http.StatusCreated, "POST", "/v1/sessions/team-1/users", object{"id": "ann", "name": "Ann <i>"}, nil)
	var session struct{ Pipeline struct{ Server string } }
	o.ask(http.StatusOK, "GET", "/v1/sessions/team-1", nil, &session)
	v := o.open(o.base+"/admin#sessions", devKey)
	v.reads("#view-sessions", "other")
	v.fill("prefix", "team")
	v.lacks(`[data-testid="session"][data-key="other"]`)
	v.reads(`[data-testid="session"][data-key="team-1"]`, session.Pipeline.Server)
	v.press(`[data-key="team-1"] button`)
	v.reads("dialog", `{"for":"<b>team-1"}`)
	v.reads(`dialog [data-key="ann"]`, "Ann <i>")
	v.press("dialog a")
	v.reads("#view-audit", "session.create")
	v.lacks("dialog")
	v.view("servers")
	v.press(`[data-testid="server"][data-server="` + session.Pipeline.Server + `"] .actions a`)
	v.lacks(`[data-testid="session"][data-key="other"]`)
	v.reads(`[data-testid="session"][data-key="team-1"]`, session.Pipeline.Server)
}

// drains a server and gives it work again.
func (o operator) drains() {
	type server struct {
		Availability string
		Drain        *struct{ Then, By string }
	}
	const row = `[data-testid="server"][data-server="media-2"]`
	v := o.open(o.base+"/admin", devKey)
	v.press(row + ` [data-testid="drain-button"]`)
	v.press(`dialog input[value="wait"]`)
	v.press(string(byTestID("confirm")))
	v.reads(string(byTestID("toast")), "media-2 is being drained.")
	until(o, "/v1/admin/servers/media-2", func(s server) string {
		if s.Availability == "active" || s.Drain == nil || s.Drain.Then != "wait" || s.Drain.By != "key:dev" {
			return "it is not being drained"
		}
		return ""
	})
	v.lacks("dialog")
	v.reads(row, "Drain") // draining, or drained already
	v.press(row + ` [data-testid="undrain-button"]`)
	v.reads(row, "Takes sessions")
	until(o, "/v1/admin/servers/media-2", func(s server) string {
		if s.Availability != "active" || s.Drain != nil {
			return "it is still being drained"
		}
		return ""
	})
	v.view("audit")
	v.fill("object", "server:media-2")
	v.reads("#view-audit", "server.undrain")
}

// rollsOut starts a rollout, holds it up and ends it.
func (o operator) rollsOut() {
	type list struct {
		Items []struct {
			To, State, Timeout string
			Percent            int
		}
	}
	is := func(state string) {
		o.t.Helper()
		until(o, "/v1/admin/rollouts", func(l list) string {
			if len(l.Items) != 1 || l.Items[0].State != state || l.Items[0].To != "v9" || l.Items[0].Percent != 50 {
				return "it is not " + state
			}
			return ""
		})
	}
	panel := string(byTestID("rollout"))
	v := o.open(o.base+"/admin#rollouts", devKey)
	v.reads("#view-rollouts", "There has been no rollout.")
	v.press(string(byTestID("start-rollout")))
	v.fill("to", "v9")
	v.do("half of them", chromedp.SetValue(byTestID("percent"), "50"))
	v.press(string(byTestID("confirm")))
	is("running")
	v.reads(panel, "To v9")
	v.press(string(byTestID("pause")))
	is("paused")
	v.reads(panel, "Paused")
	v.press(string(byTestID("resume")))
	is("running")
	v.reads(panel, "Running")
	v.press(string(byTestID("abort")))
	v.press(string(byTestID("confirm")))
	is("aborted")
	v.lacks(panel)
	v.reads(`[data-testid="past-rollout"]`, "Aborted")
}
