package app_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/csp"
)

// A page runs what was put into it when the replica started, and nothing that came into it later.
func TestPages_RunOnlyWhatIsTheirOwn(t *testing.T) {
	f := newFleet(t, 1, nil)
	for _, path := range []string{"/admin", "/docs"} {
		a := f.must(http.StatusOK, "", "GET", path, nil)
		body, policy := string(a.body), a.header.Get("Content-Security-Policy")
		if strings.Contains(body, "{{") || !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
			t.Errorf("%s is not whole", path)
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s may run what is not its own: %s", path, policy)
		}
		for directive, element := range map[string]string{"script-src": "script", "style-src": "style"} {
			own := csp.Inline(body, element)
			if own == "" || !strings.Contains(policy, directive+" "+own+";") {
				t.Errorf("%s: the policy does not name each %s: %s", path, element, policy)
			}
		}
		if found := regexp.MustCompile(`\s(on\w+|style|src)=`).FindString(strings.Split(body, "<script")[0]); found != "" {
			t.Errorf("%s has %s, which the policy forbids", path, found)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}
