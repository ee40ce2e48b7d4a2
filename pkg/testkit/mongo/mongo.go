// Package mongo gives tests a database of their own: in the MongoDB that ORKESTRO_TEST_MONGO_URL names, else in an
// embedded store that all tests of one process share.
package mongo

//nolint:depguard // the driver, only to drop what a test leaves
import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
)

// URLVariable names a real deployment, a replica set, to test against.
const URLVariable = "ORKESTRO_TEST_MONGO_URL"

const dropTimeout = 20 * time.Second

// shared is the embedded store of this process; it runs while some test uses it.
var shared struct { //nolint:gochecknoglobals // what all tests of one binary share can live nowhere else
	mu     sync.Mutex
	users  int
	server *embeddedmongo.Server
}

// URL is a deployment to connect to, and the name of a database that nobody else uses and that is dropped after tb.
func URL(tb testing.TB) (url, database string) {
	tb.Helper()
	url = os.Getenv(URLVariable)
	if url == "" {
		url = embedded(tb)
	}
	database = "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	tb.Cleanup(func() { drop(tb, url, database) })
	return url, database
}

// embedded is the shared store, which ends with the last test that uses it, so that it leaks no goroutines.
func embedded(tb testing.TB) string {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		server, err := embeddedmongo.Start(embeddedmongo.Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			tb.Fatalf("start the embedded store: %v", err)
		}
		shared.server = server
	}
	shared.users++
	tb.Cleanup(func() { release(tb) })
	return shared.server.URL()
}

func release(tb testing.TB) {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users--; shared.users > 0 {
		return
	}
	if err := shared.server.Close(); err != nil {
		tb.Errorf("close the embedded store: %v", err)
	}
	shared.server = nil
}

func drop(tb testing.TB, url, database string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(url))
	if err != nil {
		tb.Errorf("connect to drop %s: %v", database, err)
		return
	}
	defer func() { _ = client.Disconnect(ctx) }()
	if err := client.Database(database).Drop(ctx); err != nil {
		tb.Errorf("drop %s: %v", database, err)
	}
}
