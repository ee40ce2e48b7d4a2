package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

func serve(t *testing.T, handler http.HandlerFunc) *operator.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return operator.New(server.URL+"/", "secret")
}

// sessionPages serves total sessions, page by page.
func sessionPages(total int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		from, _ := strconv.Atoi(r.FormValue("cursor"))
		var items []string
		for i := from; i < min(from+limit, total); i++ {
			items = append(items, fmt.Sprintf(`{"id":"s%d"}`, i))
		}
		next := ""
		if from+limit < total {
			next = fmt.Sprintf(`,"next":"%d"`, from+limit)
		}
		_, _ = fmt.Fprintf(w, `{"items":[%s]%s}`, strings.Join(items, ","), next)
	}
}

func TestSessions_ReadsAllPages(t *testing.T) {
	for _, tc := range []struct{ total, limit, want int }{
		{0, 0, 0},
		{450, 0, 450},
		{450, 3, 3},
		{450, 200, 200},
		{450, 201, 201},
		{5, 10, 5},
	} {
		sessions, err := serve(t, sessionPages(tc.total)).Sessions(t.Context(), operator.SessionFilter{Limit: tc.limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(sessions) != tc.want {
			t.Errorf("%d sessions, limit %d: %d listed, want %d", tc.total, tc.limit, len(sessions), tc.want)
		}
	}
}

func TestSessions_SendsKeyAndFilter(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.FormValue("state") != "closed" ||
			r.FormValue("server") != "m1" {
			t.Errorf("request %s with %v", r.URL, r.Header)
		}
		_, _ = fmt.Fprint(w, `{"items":[]}`)
	})
	if _, err := client.Sessions(t.Context(), operator.SessionFilter{State: "closed", Server: "m1"}); err != nil {
		t.Fatal(err)
	}
}

func TestSession_TellsTheProblem(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprint(w, `{"status":503,"code":"unavailable","title":"Service Unavailable","detail":"no database"}`)
	})
	_, err := client.Session(t.Context(), "s1")
	var problem *operator.ProblemError
	if !errors.As(err, &problem) || problem.Code != "unavailable" {
		t.Fatalf("error %v", err)
	}
	if want := "no database (503 unavailable); try again in 3 s"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestSession_AnswerOfSomethingElse(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprint(w, "<html>")
	})
	if _, err := client.Session(t.Context(), "s1"); err == nil || err.Error() != "Bad Gateway (502)" {
		t.Errorf("error %v", err)
	}
}

func TestCloseSession_EscapesTheID(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete || r.URL.EscapedPath() != "/v1/sessions/a%2Fb" {
			t.Errorf("request %s %s", r.Method, r.URL.EscapedPath())
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := client.CloseSession(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
}

func TestCall_AddressThatIsNone(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8080", "localhost:8080", "", "fleet"} {
		err := operator.New(address, "secret").CloseSession(t.Context(), "s1")
		if err == nil || !strings.Contains(err.Error(), "--url") || !strings.Contains(err.Error(), "http://") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
