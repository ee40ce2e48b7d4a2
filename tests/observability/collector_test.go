package observability_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes traces as an OTLP collector does.
type collector struct {
	server *httptest.Server

	mu    sync.Mutex
	spans map[string]span // by id
}

// span is one that a process has sent.
type span struct {
	service, name, trace, id, parent string
	kind                             tracepb.Span_SpanKind
	attributes                       map[string]string
}

func openCollector() *collector {
	c := &collector{spans: map[string]span{}}
	c.server = httptest.NewServer(http.HandlerFunc(c.take))
	return c
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	// An export request is encoded as the data that is exported (OTLP specification, "OTLP/HTTP Request").
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(r.URL.Path, err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range data.ResourceSpans {
		service := ""
		for _, a := range from.Resource.Attributes {
			if a.Key == "service.name" {
				service = strings.TrimPrefix(a.Value.GetStringValue(), "orkestro-")
			}
		}
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.addLocked(service, s)
			}
		}
	}
}

// addLocked needs c.mu.
func (c *collector) addLocked(service string, s *tracepb.Span) {
	attributes := map[string]string{}
	for _, a := range s.Attributes {
		attributes[a.Key] = a.Value.String()
	}
	id := hex.EncodeToString(s.SpanId)
	c.spans[id] = span{
		service: service, name: s.Name, trace: hex.EncodeToString(s.TraceId), id: id,
		parent: hex.EncodeToString(s.ParentSpanId), kind: s.Kind, attributes: attributes,
	}
}

// all is every span so far.
func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := make([]span, 0, len(c.spans))
	for _, s := range c.spans {
		spans = append(spans, s)
	}
	return spans
}

// path is the spans from the root of a trace down to s, each as "service: name".
func (c *collector) path(s span) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	path := []string{s.service + ": " + s.name}
	for parent, found := c.spans[s.parent]; found; parent, found = c.spans[parent.parent] {
		path = append([]string{parent.service + ": " + parent.name}, path...)
	}
	return path
}
