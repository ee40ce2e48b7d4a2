// Package api is the HTTP API of Orkestro: routes, checks, shapes. Each operation reads the session document, checks
// what the contract says, and publishes a request or reads a mailbox; what the requests do is up to Wrappers. Package
// app builds it. It knows neither AMQP nor MongoDB.
package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/tracing"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
	"github.com/orkestro/orkestro/services/restapi/internal/idempotency"
	"github.com/orkestro/orkestro/services/restapi/internal/mailbox"
	"github.com/orkestro/orkestro/services/restapi/internal/ratelimit"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

// Deps is what the API is built on.
type Deps struct {
	Store       *store.Store
	Broker      broker.Broker
	Requests    *request.Client
	Mailboxes   *mailbox.Pool
	Auth        *auth.Authenticator
	Tokens      *auth.Tokens
	UserLimit   *ratelimit.Limiter
	KeyLimit    *ratelimit.Limiter
	Keys        *idempotency.Keeper
	Registry    *prometheus.Registry
	Tracer      *tracing.Tracer // nil: no traces
	Checks      []health.Check
	Settings    Settings
	Log         *slog.Logger
	Now         func() time.Time
	CORSOrigins []string
}

// Settings are what operators may choose.
type Settings struct {
	ICEServers   []control.ICEServer
	EmptyTimeout time.Duration // of sessions that do not name one
	TokenTTL     time.Duration // of joins that do not name one
	Version      string
	Membership   membership.Key // "": every media server is given sessions
}

// core is what all operations share. Its methods are in lookup.go and send.go.
type core struct {
	Deps
	metrics *metrics
	members *members
}

// New is the whole HTTP surface of a REST replica.
func New(d Deps) http.Handler {
	d.Log = d.Log.With(logging.KeyComponent, "api")
	c := &core{
		Deps: d, metrics: newMetrics(d.Registry), members: newMembers(d.Settings.Membership, d.Store.Membership),
	}
	mux := chi.NewRouter()
	mux.Use(c.metrics.measure, c.trace, c.recoverPanics, boundBody)
	mux.Use(advertise)
	if len(d.CORSOrigins) > 0 {
		mux.Use(cors.Handler(corsOptions(d.CORSOrigins)))
	}
	mux.Use(middleware.GetHead)
	mux.NotFound(notFound)
	mux.MethodNotAllowed(methodNotAllowed(mux))

	mux.Method(http.MethodGet, "/healthz", health.Live())
	mux.Method(http.MethodGet, "/readyz", health.Ready(d.Checks...))
	mux.Method(http.MethodGet, "/metrics", health.Metrics(d.Registry))
	mux.Method(http.MethodGet, "/docs", page("docs.html"))
	mux.Method(http.MethodGet, "/admin", page("admin.html"))

	options(mux)
	c.routes(newAPI(c, mux))
	return mux
}

// routes is every operation of the contract, in its order.
func (c *core) routes(api huma.API) {
	sessions := &sessions{c}
	add(api, "POST /v1/sessions", byKey, "Make a session", 201, sessions.create)
	add(api, "GET /v1/sessions", byKey, "List sessions", 200, sessions.list)
	add(api, "GET /v1/sessions/{sid}", bySession, "Read a session", 200, sessions.get)
	add(api, "DELETE /v1/sessions/{sid}", byKey, "Close a session", 204, sessions.delete)

	users := &users{c}
	add(api, "POST /v1/sessions/{sid}/users", byKey, "Join or rejoin", 201, users.join)
	add(api, "GET /v1/sessions/{sid}/users", bySession, "List users", 200, users.list)
	add(api, "GET /v1/sessions/{sid}/users/{uid}", bySession, "Read a user", 200, users.get)
	add(api, "DELETE /v1/sessions/{sid}/users/{uid}", byUser, "Leave or remove", 204, users.leave)
	add(api, "POST /v1/sessions/{sid}/users/{uid}/rejoin", byUser, "Rejoin", 200, users.rejoin)
	add(api, "POST /v1/sessions/{sid}/users/{uid}/token", byUser, "Renew the token", 200, users.renew)
	add(api, "PATCH /v1/sessions/{sid}/streams/{id}", bySession, "Pause or resume a stream", 204, users.pause)
	add(api, "PATCH /v1/sessions/{sid}/users/{uid}/streams/{id}", byUser, "Pause or resume an own stream", 204,
		users.pauseOwn)

	const user = "/v1/sessions/{sid}/users/{uid}"
	connections := &connections{c}
	add(api, "PUT "+user+"/publish", byUser, "Offer to publish", 202, connections.publish)
	add(api, "DELETE "+user+"/publish", byUser, "Stop publishing", 204, connections.unpublish)
	add(api, "PUT "+user+"/subscribe", byUser, "Answer the server's offer", 204, connections.subscribe)
	add(api, "DELETE "+user+"/subscribe", byUser, "Stop receiving", 204, connections.unsubscribe)
	add(api, "POST "+user+"/subscribe/offer", byUser, "Ask for an offer", 202, connections.requestOffer)
	add(api, "POST "+user+"/publish/candidates", byUser, "Candidates for publishing", 204, connections.publishCandidates)
	add(api, "POST "+user+"/subscribe/candidates", byUser, "Candidates for receiving", 204,
		connections.subscribeCandidates)
	add(api, "PUT "+user+"/subscriptions", byUser, "Choose streams", 204, connections.setSubscriptions)

	messages := &messages{c}
	add(api, "POST "+user+"/messages", byUser, "Send a message", 202, messages.send)
	add(api, "GET "+user+"/messages", byUser, "Poll for messages", 200, messages.poll)
	add(api, "GET "+user+"/events", byEvents, "Messages as server-sent events", 200, messages.stream)

	c.mediaRoutes(api, users)

	admin := &admin{c}
	add(api, "GET /v1/admin/servers", byKey, "List media servers", 200, admin.servers)
	add(api, "GET /v1/admin/servers/{id}", byKey, "Read a media server", 200, admin.server)
	add(api, "POST /v1/admin/servers/{id}/drain", byKey, "Empty a media server", 202, admin.drain)
	add(api, "DELETE /v1/admin/servers/{id}/drain", byKey, "Give a media server work again", 204, admin.undrain)
	c.rolloutRoutes(api)
	c.membershipRoutes(api)
	add(api, "GET /v1/admin/audit", byKey, "Who did what", 200, admin.audit)
	add(api, "GET /v1/admin/replicas", byKey, "List REST and Wrapper replicas", 200, admin.replicas)
}

// mediaRoutes are those of encoders and players.
func (c *core) mediaRoutes(api huma.API, users *users) {
	whip, whep := &whip{users}, &whep{c}
	add(api, "POST "+whipPath, byWHIP, "Publish by WHIP", 201, whip.begin, ofSDP)
	add(api, "PATCH "+whipPath+"/{id}", byWHIP, "Candidates of a WHIP session, or an ICE restart", 200, whip.update,
		ofFragment)
	add(api, "DELETE "+whipPath+"/{id}", byWHIP, "End a WHIP session", 200, whip.end)
	add(api, "POST "+whepPath, byWHEP, "Watch by WHEP", 201, whep.begin, ofSDP)
	add(api, "PATCH "+whepPath+"/{id}", byWHEP, "Candidates of a WHEP session, or an ICE restart", 200, whep.update,
		ofFragment)
	add(api, "DELETE "+whepPath+"/{id}", byWHEP, "End a WHEP session", 200, whep.end)
	add(api, "POST /v1/sessions/{sid}/stream-keys", byKey, "Make a key for WHIP or WHEP", 201, whip.makeKey)
}

func corsOptions(origins []string) cors.Options {
	return cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowedHeaders: []string{
			"Authorization", "Content-Type", "Idempotency-Key", "Prefer", "Last-Event-ID", "Traceparent", "Tracestate",
			"If-Match",
		},
		ExposedHeaders: []string{
			"Location", "Retry-After", "WWW-Authenticate", "Preference-Applied", "ETag", "Link", "Accept-Patch",
		},
		MaxAge: 600, // seconds; browsers allow no more than ten minutes to two hours
	}
}
