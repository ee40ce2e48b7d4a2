package app_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/restapi/app"
)

// A replica that is to stop says that it is not ready, and still takes requests while load balancers may send some. A
// poll that waits then is answered before the end, with what there is.
func TestStop_TakesRequestsUntilLoadBalancersHaveNoticed(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) { c.StopDelay = 3 * time.Second })
	path, token := f.user(f.session(), "ada")
	f.must(http.StatusOK, token, "GET", path+"/messages", nil) // what there is so far
	stopped := make(chan error, 1)
	go func() { stopped <- f.replicas[0].stop() }()
	testkit.Eventually(t, func() error {
		if a := f.call("", "GET", "/readyz", nil); a.status != http.StatusServiceUnavailable {
			return errors.New("it is still ready")
		}
		return nil
	})
	f.must(http.StatusOK, "", "GET", "/healthz", nil)
	f.must(http.StatusOK, apiKey, "GET", "/v1/sessions", nil)
	f.must(http.StatusOK, token, "GET", path+"/messages?wait=60s", nil)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.replicas[0].url, "http://"))
	if err == nil {
		_ = connection.Close()
		t.Error("it still listens")
	}
}
