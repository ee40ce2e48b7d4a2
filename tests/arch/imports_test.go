package arch_test

import (
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each package that has a closed list, what of this module it may import besides itself.
var allowed = map[string][]string{
	"pkg/control":     {},
	"pkg/mediaapi":    {"pkg/control"},
	"pkg/message":     {"pkg/control", "pkg/broker"},
	"pkg/broker":      {},
	"pkg/audit":       {"pkg/control"},
	"pkg/membership":  {"pkg/control"},
	"pkg/store":       {"pkg/audit", "pkg/control", "pkg/logging"},
	"pkg/mediaclient": {"pkg/control", "pkg/mediaapi", "pkg/jsonrpc", "pkg/logging"},
	"pkg/doctor": {
		"pkg/control", "pkg/message", "pkg/broker", "pkg/mediaapi", "pkg/mediaclient", "pkg/store",
	},
	"pkg/jsonrpc":   {},
	"pkg/logging":   {},
	"pkg/health":    {},
	"pkg/buildinfo": {},
	"pkg/csp":       {},
	"pkg/tracing":   {"pkg/broker", "pkg/logging"},
}

// testCode is where code for tests lives outside of _test.go files.
var testCode = []string{"pkg/testkit", "pkg/broker/brokertest", "pkg/store/storetest", "tests"}

// onlyIn lists, for each technology, the only places that know it. Tests may use it anywhere.
var onlyIn = map[string][]string{
	"github.com/rabbitmq/amqp091-go": {"pkg/broker/amqp"},
	"go.mongodb.org/mongo-driver":    {"pkg/store", "pkg/embeddedmongo", "pkg/testkit/mongo"},
	"github.com/256dpi/lungo":        {"pkg/embeddedmongo"},
	"github.com/pion/webrtc":         {"services/mediaserver/internal/rtc", "tests"},
	"github.com/danielgtaylor/huma":  {"services/restapi/internal"},
	"github.com/golang-jwt/jwt":      {"services/restapi/internal"},
	"github.com/coder/websocket":     {"pkg/jsonrpc/ws"},
	"github.com/chromedp/chromedp":   {"tests/browser"},
	"go.opentelemetry.io":            {"pkg/tracing"},
	"pgregory.net/rapid":             testCode,
	"github.com/google/go-cmp":       testCode,
	"go.uber.org/goleak":             testCode,
	"testing":                        testCode,
	"math/rand":                      {}, // math/rand/v2 it is
}

// decisions are the packages that decide without touching anything: no network, files, broker, database or media.
var decisions = []string{"services/wrapper/internal/placement"}

// inputOutput is what a decision package may not import, not even indirectly.
var inputOutput = []string{
	"net", "net/http", "os", "os/exec", "database/sql",
	module + "pkg/store", module + "pkg/broker", module + "pkg/mediaclient",
}

func TestImports_ClosedLists(t *testing.T) {
	for _, p := range list(t) {
		may, closed := allowed[p.path()]
		if !closed {
			continue
		}
		for _, imported := range p.Imports {
			local, ok := strings.CutPrefix(imported, module)
			if ok && !within(local, p.path()) && !withinAny(local, may) {
				t.Errorf("%s imports %s; of this module it may only import %v", p.path(), local, may)
			}
		}
	}
}

func TestImports_ControlNeedsOnlyUUID(t *testing.T) {
	for _, p := range list(t) {
		if p.path() != "pkg/control" {
			continue
		}
		for _, dependency := range p.Deps {
			first, _, _ := strings.Cut(dependency, "/")
			if strings.Contains(first, ".") && dependency != "github.com/google/uuid" {
				t.Errorf("pkg/control depends on %s; the standard library and google/uuid are all it may need", dependency)
			}
		}
	}
}

func TestImports_TechnologiesStayInTheirPlace(t *testing.T) {
	for _, p := range list(t) {
		for _, imported := range p.Imports {
			for technology, places := range onlyIn {
				if within(imported, technology) && imported != "math/rand/v2" && !withinAny(p.path(), places) {
					t.Errorf("%s imports %s; only %v may", p.path(), imported, places)
				}
			}
		}
	}
}

func TestImports_ServicesAreApart(t *testing.T) {
	for _, p := range list(t) {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			local, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			if within(p.path(), "pkg") && (within(local, "services") || within(local, "cmd") || within(local, "tests")) {
				t.Errorf("%s imports %s; a shared package knows no service", p.path(), local)
			}
			if service, other := serviceOf(p.path()), serviceOf(local); service != "" && other != "" && service != other {
				t.Errorf("%s imports %s; services meet only on the broker, in the store and over JSON-RPC", p.path(), local)
			}
		}
	}
}

// serviceOf is the name of the service that a package belongs to, "" for none.
func serviceOf(path string) string {
	rest, ok := strings.CutPrefix(path, "services/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImports_DecisionsTouchNothing(t *testing.T) {
	packages := list(t)
	for _, decision := range decisions {
		at := slices.IndexFunc(packages, func(p goPackage) bool { return p.path() == decision })
		if at < 0 {
			t.Errorf("%s is not there", decision)
			continue
		}
		for _, imported := range packages[at].Imports {
			if slices.Contains(inputOutput, imported) {
				t.Errorf("%s imports %s; it decides and touches nothing", decision, imported)
			}
		}
	}
}
