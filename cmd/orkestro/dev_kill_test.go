package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func do(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// A media server that is killed is lost to the fleet, which is not told, and then there again as another instance; the
// rest of the fleet goes on.
func TestDev_KilledMediaServerComesBack(t *testing.T) {
	api, stop := startDev(t, devDefaults())
	defer stop()
	if status, page := do(t, http.MethodGet, api+"/admin"); status != http.StatusOK ||
		!strings.Contains(page, `id="dev-servers"`) || !strings.Contains(page, `id="views"`) {
		t.Errorf("the operator's page: %d %s", status, page)
	}
	client := operator.New(api, "devkey")
	first := func() (operator.MediaServer, error) {
		servers, err := client.Servers(t.Context())
		if err == nil && len(servers) != 2 {
			err = fmt.Errorf("servers %+v", servers)
		}
		if err != nil {
			return operator.MediaServer{}, err
		}
		return servers[0], nil
	}
	before, err := first()
	if err != nil {
		t.Fatal(err)
	}
	if status, body := do(t, http.MethodPost, api+"/dev/servers/"+before.ID+"/kill"); status != http.StatusNoContent {
		t.Fatalf("kill: %d %s", status, body)
	}
	testkit.Eventually(t, func() error {
		server, err := first()
		if err == nil && server.Status == "up" {
			err = errors.New("nobody has noticed")
		}
		return err
	})
	if status, body := do(t, http.MethodPost, api+"/dev/servers/"+before.ID+"/start"); status != http.StatusNoContent {
		t.Errorf("start: %d %s", status, body)
	}
	testkit.Eventually(t, func() error {
		server, err := first()
		if err == nil && (server.Status != "up" || server.Instance == before.Instance || server.URL != before.URL) {
			err = fmt.Errorf("before %+v, now %+v", before, server)
		}
		return err
	})
	createSession(t, api, "after")
}
