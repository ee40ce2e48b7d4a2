package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

// access says who may call an operation.
type access string

const (
	byKey     access = "key"     // an API key
	bySession access = "session" // an API key, or any user of the session
	byUser    access = "user"    // an API key, or the user of the path
	byEvents  access = "events"  // as byUser; the token may come in the query
	byWHIP    access = "whip"    // as bySession, or a stream key to publish
	byWHEP    access = "whep"    // as bySession, or a stream key to watch
)

// Where an operation keeps its access, and the media types of its bodies where they are not JSON.
const (
	metadataAccess  = "access"
	metadataTakes   = "takes"
	metadataAnswers = "answers"
)

// adapter puts each operation of huma behind our own checks on a chi router.
type adapter struct {
	core   *core
	router chi.Router
}

// Handle implements huma.Adapter.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(humachi.NewContext(op, r, w))
	})
	if op.Metadata[metadataAccess] == nil { // the description of the API itself
		a.router.Method(op.Method, op.Path, next)
		return
	}
	a.router.Method(op.Method, op.Path, a.core.guard(op, next))
}

// ServeHTTP implements huma.Adapter.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// newAPI is an API without operations that describes itself at /openapi.json.
func newAPI(c *core, router chi.Router) huma.API {
	strictNames()
	config := huma.DefaultConfig("Orkestro HTTP API", "1")
	config.Info.Description = "A distributed control plane for WebRTC sessions. Release " + c.Settings.Version + "."
	config.DocsPath, config.SchemasPath = "", ""
	config.CreateHooks = nil // no $schema in bodies
	config.Transformers = []huma.Transformer{asProblem}
	config.Components.Schemas = newSchemas()
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key":   {Type: "http", Scheme: "bearer", Description: "The secret of an API key."},
		"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A user's token."},
		"stream": {
			Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A stream key, to publish or to watch.",
		},
		"query": {Type: "apiKey", In: "query", Name: "access_token", Description: "A user's token, for event streams."},
	}
	return huma.NewAPI(config, &adapter{core: c, router: router})
}

// add registers an operation: route is "METHOD /path", status that of success.
func add[I, O any](
	api huma.API, route string, who access, summary string, status int, handler func(context.Context, *I) (*O, error),
	change ...func(*huma.Operation),
) {
	method, path, _ := strings.Cut(route, " ")
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: path, Summary: summary, Tags: []string{tag(path)},
		DefaultStatus: status, Security: security(who), Metadata: map[string]any{metadataAccess: who},
		MaxBodyBytes: -1, BodyReadTimeout: -1, // the body is read and bounded before, see body.go
		Responses: map[string]*huma.Response{"default": problemResponse(api)},
	}
	if method == http.MethodPost {
		op.Parameters = []*huma.Param{{
			Name: "Idempotency-Key", In: "header", Description: "Makes the call happen once within 24 hours.",
			Schema: &huma.Schema{Type: "string", MinLength: new(1), MaxLength: new(128)},
		}}
	}
	for _, f := range change {
		f(&op)
	}
	c := coreOf(api)
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, c.failed(ctx, err)
		}
		return out, nil
	})
}

func coreOf(api huma.API) *core {
	a, ok := api.Adapter().(*adapter)
	if !ok {
		return nil
	}
	return a.core
}

// failed is err as a problem. What the caller is not told goes to the log.
func (c *core) failed(ctx context.Context, err error) *problem.Problem {
	p := problem.FromError(inTime(err))
	switch {
	case errors.Is(err, context.Canceled): // the client is gone
		return problem.New(control.CodeUnavailable, "the request was given up")
	case p.Status == http.StatusInternalServerError:
		c.Log.ErrorContext(ctx, "a request failed", logging.KeyRequest, requestID(ctx), logging.KeyError, err)
	case p.Status > http.StatusInternalServerError:
		c.Log.DebugContext(ctx, "a request was refused", logging.KeyRequest, requestID(ctx), logging.KeyError, err)
	}
	return p
}

// asProblem is the transformer that turns what huma found wrong into our problem documents, and completes our own.
func asProblem(ctx huma.Context, status string, v any) (any, error) {
	address := ctx.URL()
	switch e := v.(type) {
	case *huma.ErrorModel:
		code, err := strconv.Atoi(status)
		if err != nil {
			return nil, fmt.Errorf("status %q: %w", status, err)
		}
		p := problem.FromStatus(code, explain(e))
		if code == http.StatusBadRequest {
			p = problem.Unreadable(explain(e))
		}
		p.Instance = address.Path
		return p, nil
	case *problem.Problem:
		document := *e
		document.Instance = address.Path
		return &document, nil
	default:
		return v, nil
	}
}

// explain puts the findings of huma into one sentence each, without the values, which may be secret or long.
func explain(e *huma.ErrorModel) string {
	if len(e.Errors) == 0 {
		return e.Detail
	}
	findings := make([]string, 0, len(e.Errors))
	for _, finding := range e.Errors {
		location := strings.TrimPrefix(finding.Location, "body.")
		if location == "" {
			findings = append(findings, finding.Message)
			continue
		}
		findings = append(findings, location+": "+finding.Message)
	}
	return strings.Join(findings, "; ")
}

func problemResponse(api huma.API) *huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem.Problem](), true, "")
	return &huma.Response{
		Description: "A problem document (RFC 9457)",
		Content:     map[string]*huma.MediaType{problem.ContentType: {Schema: schema}},
	}
}

func security(who access) []map[string][]string {
	schemes := []map[string][]string{{"key": {}}}
	if who != byKey {
		schemes = append(schemes, map[string][]string{"token": {}})
	}
	if who == byEvents {
		schemes = append(schemes, map[string][]string{"query": {}})
	}
	if who == byWHIP || who == byWHEP {
		schemes = append(schemes, map[string][]string{"stream": {}})
	}
	return schemes
}

// operationID is "get-v1-sessions-sid" for GET /v1/sessions/{sid}.
func operationID(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path)
}

func tag(path string) string {
	switch {
	case strings.HasPrefix(path, "/v1/admin"):
		return "Admin"
	case strings.Contains(path, "/whip"), strings.Contains(path, "/whep"), strings.HasSuffix(path, "/stream-keys"):
		return "WHIP and WHEP"
	case strings.HasSuffix(path, "/messages"), strings.HasSuffix(path, "/events"):
		return "Messages"
	case strings.Contains(path, "{uid}/publish"), strings.Contains(path, "{uid}/subscri"):
		return "Connections"
	case strings.Contains(path, "/users"), strings.Contains(path, "/streams"):
		return "Users"
	default:
		return "Sessions"
	}
}
