// Package killswitch is what the operator's page has in `orkestro dev` and nowhere else: the media servers with the
// sessions on them, live, and a button for each that kills it, so that one can see a call heal. It stands before the
// front door, puts its part into the page that a REST replica serves, and answers that part's requests. It knows the
// fleet's media servers and the public HTTP API, and no service.
//
// The button is for the person at this machine. Requests that come from elsewhere are refused, and so are those that a
// web page of another origin has a browser make.
package killswitch

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/fleet"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
)

// readTimeout bounds reading the fleet's state for one look at the page, which looks again soon.
const readTimeout = 3 * time.Second

// Server is a media server that can be killed: a [*fleet.MediaServer].
type Server interface {
	ID() string
	State() (state fleet.State, startsIn time.Duration)
	Kill() bool
	Start() bool
}

// API is where the state of the fleet is read: an [*operator.Client].
type API interface {
	Servers(ctx context.Context) ([]operator.MediaServer, error)
	Sessions(ctx context.Context, f operator.SessionFilter) ([]operator.Session, error)
}

type handler struct {
	servers []Server
	api     API
	log     *slog.Logger
}

// Handler gives next what it does not answer itself.
func Handler[S Server](next http.Handler, servers []S, api API, log *slog.Logger) http.Handler {
	h := &handler{api: api, log: log}
	for _, server := range servers {
		h.servers = append(h.servers, server)
	}
	own := http.NewServeMux()
	own.HandleFunc("GET /dev/servers", h.list)
	own.HandleFunc("POST /dev/servers/{id}/kill", h.do("kill", Server.Kill))
	own.HandleFunc("POST /dev/servers/{id}/start", h.do("start", Server.Start))
	guarded, page := http.NewCrossOriginProtection().Handler(own), withPart(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := strings.HasPrefix(r.URL.Path, "/dev/servers")
		switch {
		case mine && atThisMachine(r):
			guarded.ServeHTTP(w, r)
		case mine:
			refuse(w, http.StatusForbidden, control.CodeForbidden, "media servers are killed from this machine only")
		case r.URL.Path == "/admin" && r.Method == http.MethodGet && atThisMachine(r):
			page.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// atThisMachine reports whether the client is on this machine and calls it by one of its own names. A page of another
// site whose name was made to lead here (DNS rebinding) gives that name.
func atThisMachine(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !client.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return address.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761 section 6.3
}

// do is what a button does to the server of the path.
func (h *handler) do(name string, action func(Server) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, server := range h.servers {
			if server.ID() != r.PathValue("id") {
				continue
			}
			if !action(server) {
				refuse(w, http.StatusConflict, control.CodeConflict, "the media server is not in the state for that")
				return
			}
			h.log.Warn("done from the operator's page", logging.KeyServer, server.ID(), "action", name)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		refuse(w, http.StatusNotFound, control.CodeNotFound, "there is no such media server")
	}
}

// refuse answers with a problem document as the API writes them.
func refuse(w http.ResponseWriter, status int, code control.Code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": detail})
}
