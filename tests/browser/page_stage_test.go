package browser_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// object is a JSON object.
type object = map[string]any

// stage is the operator's page of a real replica before an API that says what a test has it say.
type stage struct {
	url      string
	timeless bool // it does not tell the time, which a page in a time lapse would take over

	mu      sync.Mutex
	answers map[string]answer // by path
	keys    []string          // the Idempotency-Keys of POSTs
}

type answer struct {
	status  int // 0: none
	headers map[string]string
	body    any
	list    func(query map[string][]string) any // in place of body
}

// newStage takes the page from the replica at base, and answers with empty lists until it is told otherwise.
func newStage(t *testing.T, base string) *stage {
	t.Helper()
	document, policy := operatorsPage(t, base)
	s := &stage{answers: map[string]answer{}}
	for _, path := range []string{"/v1/admin/servers", "/v1/admin/replicas", "/v1/admin/rollouts", "/v1/admin/audit", "/v1/sessions"} {
		s.says(path, items())
	}
	s.says("/v1/admin/membership", object{"enabled": false})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			_, _ = io.WriteString(w, document)
			return
		}
		s.answer(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/admin"
	return s
}

// operatorsPage is the page as somebody at another machine gets it: without the part of `orkestro dev`.
func operatorsPage(t *testing.T, base string) (document, policy string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/admin", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "fleet.example"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the operator's page: %s, %v", response.Status, err)
	}
	return string(body), response.Header.Get("Content-Security-Policy")
}

func (s *stage) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a, ok := s.answers[r.URL.Path]
	if r.Method == http.MethodPost {
		s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	}
	s.mu.Unlock()
	if ok && a.status == 0 {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	if !ok {
		a = refusal(http.StatusNotFound, "not_found", "there is no "+r.URL.Path)
	}
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	if s.timeless {
		w.Header()["Date"] = nil
	}
	if a.list != nil {
		a.body = a.list(r.URL.Query())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // the browser is gone: nobody left to tell
}

// says has the API answer a path with body.
func (s *stage) says(path string, body any) { s.set(path, answer{status: http.StatusOK, body: body}) }

// servers is what the API says of the servers now.
func (s *stage) servers() answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers["/v1/admin/servers"]
}

func (s *stage) idempotencyKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

func (s *stage) set(path string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = a
}

func refusal(status int, code, detail string, headers ...string) answer {
	a := answer{status: status, body: object{"status": status, "code": code, "detail": detail}, headers: map[string]string{}}
	for i := 0; i+1 < len(headers); i += 2 {
		a.headers[headers[i]] = headers[i+1]
	}
	return a
}

func items(list ...any) object {
	if list == nil {
		list = []any{}
	}
	return object{"items": list}
}

// watchFaults keeps what goes wrong in a page: errors that nobody caught, and what its policy forbade.
const watchFaults = `{
	window.faults = [];
	addEventListener('error', (e) => faults.push(e.message));
	addEventListener('unhandledrejection', (e) => faults.push(String(e.reason)));
	addEventListener('securitypolicyviolation', (e) => faults.push('policy: ' + e.violatedDirective + ' ' + e.sample));
	const log = console.error;
	console.error = (...args) => { faults.push(args.join(' ')); log(...args); };
}`

// operator is somebody with the operator's page, in a subtest of one that has a browser and a fleet.
type operator struct {
	t       *testing.T
	browser *chromium
	base    string // URL of the fleet
}

// open opens the page and shows it key, if there is one. At the end of the subtest nothing must have gone wrong in it.
func (o operator) open(page, key string, scripts ...string) *visitor {
	o.t.Helper()
	v := o.browser.openTab("operator")
	v.t = o.t
	o.t.Cleanup(func() {
		if faults := eval[string](v, "read the faults", `faults.join('\n')`); faults != "" {
			o.t.Errorf("faults of the page:\n%s", faults)
		}
	})
	v.do("open the operator's page", runFirst(watchFaults+strings.Join(scripts, "")),
		chromedp.EmulateViewport(1280, 800), chromedp.Navigate(page))
	if key != "" {
		v.signIn(key)
	}
	return v
}

func (v *visitor) signIn(key string) {
	v.t.Helper()
	v.do("give the key", chromedp.SendKeys(chromedp.CSS("#key"), key+"\r", chromedp.NodeVisible))
}

// reads waits until the element of that selector is seen with that text.
func (v *visitor) reads(selector, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("reads %q in %s", text, selector), fmt.Sprintf(`
		const found = [...document.querySelectorAll(%q)].filter((n) => n.checkVisibility());
		if (found.length === 0) return 'nothing there';
		const text = found.map((n) => n.innerText).join(' | ');
		return text.includes(%q) ? '' : 'it reads ' + text;`, selector, text))
}

// lacks waits until nothing of that selector is seen.
func (v *visitor) lacks(selector string) {
	v.t.Helper()
	v.until("sees no "+selector, fmt.Sprintf(`
		return [...document.querySelectorAll(%q)].some((n) => n.checkVisibility()) ? 'it is there' : '';`, selector))
}

// press clicks what is seen under that selector.
func (v *visitor) press(selector string) {
	v.t.Helper()
	v.do("press "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// view goes to a view of the page.
func (v *visitor) view(name string) {
	v.t.Helper()
	v.press(string(byTestID("tab-" + name)))
}

// fits fails if the page is wider than its window.
func (v *visitor) fits(what string) {
	v.t.Helper()
	wide := eval[string](v, "measure "+what, `(() => {
		const width = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= width) return '';
		const out = [...document.querySelectorAll('body *')].filter((n) => n.getBoundingClientRect().right > width + 1);
		return document.documentElement.scrollWidth + ' px, for ' + out.slice(0, 4).map((n) => n.outerHTML.slice(0, 80)).join(', ');
	})()`)
	if wide != "" {
		v.screenshot("failed-wide-" + what)
		v.t.Errorf("%s is too wide: %s", what, wide)
	}
}
