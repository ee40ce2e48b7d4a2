package embeddedmongo_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
)

const (
	dirVariable    = "EMBEDDEDMONGO_TEST_DIR"    // makes the test binary a server on that directory
	listenVariable = "EMBEDDEDMONGO_TEST_LISTEN" // its address
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		serveForever(dir, os.Getenv(listenVariable))
	}
	goleak.VerifyTestMain(m)
}

func serveForever(dir, listen string) {
	server, err := embeddedmongo.Start(embeddedmongo.Config{Listen: listen, DataDir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(server.Address())
	select {}
}

// process is a server in a process of its own, which can be killed.
type process struct {
	command *exec.Cmd
	address string
}

func startProcess(t *testing.T, dir, listen string) *process {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), dirVariable+"="+dir, listenVariable+"="+listen)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	p := &process{command: command}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	p.address = strings.TrimSpace(line)
	return p
}

// kill is SIGKILL, and the end of the process.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

func (p *process) url() string {
	return "mongodb://" + p.address + "/?replicaSet=orkestro&directConnection=true"
}

func start(tb testing.TB, cfg embeddedmongo.Config) *embeddedmongo.Server {
	tb.Helper()
	server, err := embeddedmongo.Start(cfg, slog.New(slog.DiscardHandler))
	must(tb, err)
	tb.Cleanup(func() { must(tb, server.Close()) })
	return server
}

func TestDisk_KeepsDocumentsIndexesAndTokens(t *testing.T) {
	dir := t.TempDir()
	server := start(t, embeddedmongo.Config{DataDir: dir})
	client := connect(t, server.URL())
	c := client.Database("d").Collection("things")
	_, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{
		Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetUnique(true),
	})
	must(t, err)
	stream := watch(t, c)
	insert(t, c, bson.M{"_id": "x", "a": 1}, bson.M{"_id": "y", "a": 2})
	_, err = c.UpdateOne(t.Context(), bson.M{"_id": "x"}, bson.M{"$set": bson.M{"a": 3}})
	must(t, err)
	next(t, stream)
	_, err = c.DeleteOne(t.Context(), bson.M{"_id": "y"})
	must(t, err)
	must(t, client.Disconnect(context.Background()))
	must(t, server.Close())

	again := start(t, embeddedmongo.Config{DataDir: dir})
	c = connect(t, again.URL()).Database("d").Collection("things")
	equal(t, "kept", one(t, c, "x"), bson.M{"_id": "x", "a": int32(3)})
	_, err = c.InsertOne(t.Context(), bson.M{"a": 3})
	code(t, err, 11000)
	resumed := watch(t, c, options.ChangeStream().SetResumeAfter(stream.ResumeToken()))
	equal(t, "resumed", next(t, resumed).Type, "insert")
	equal(t, "resumed", next(t, resumed).Update.Updated, bson.M{"a": int32(3)})
	equal(t, "resumed", next(t, resumed).Type, "delete")
}

func TestMemory_TokenOfAnotherLifeIsHistoryLost(t *testing.T) {
	first, second := start(t, embeddedmongo.Config{}), start(t, embeddedmongo.Config{})
	stream := watch(t, connect(t, first.URL()).Database("d").Collection("things"))
	_, err := connect(t, second.URL()).Database("d").Collection("things").
		Watch(t.Context(), mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(stream.ResumeToken()))
	code(t, err, 286)
}

func TestDisk_OneServerADirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, embeddedmongo.Config{DataDir: dir})
	second, err := embeddedmongo.Start(embeddedmongo.Config{DataDir: dir}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("two servers share a directory", second.Close())
	}
}

// TestDisk_EveryInsertIsSeenOnceOverKills has a writer and a watcher that know nothing of the kills but what the driver
// makes of them: retried writes and a resumed stream.
func TestDisk_EveryInsertIsSeenOnceOverKills(t *testing.T) {
	const documents, kills = 300, 3
	dir := t.TempDir()
	server := startProcess(t, dir, "127.0.0.1:0")
	c := connect(t, server.url()).Database("d").Collection("things")
	stream := watch(t, c)

	written := make(chan error, 1)
	go func() { written <- insertAll(t.Context(), c, documents) }()
	seen := map[any]int{}
	for len(seen) < documents {
		e := next(t, stream)
		seen[e.DocumentKey["_id"]]++
		if len(seen)%(documents/(kills+1)) == 0 && len(seen) < documents {
			server.kill()
			server = startProcess(t, dir, server.address)
		}
	}
	must(t, <-written)
	for id, n := range seen {
		if n != 1 {
			t.Errorf("document %v was seen %d times", id, n)
		}
	}
}

// insertAll goes on where even the driver's one retry meets a server that is not back yet.
func insertAll(ctx context.Context, c *mongo.Collection, n int) error {
	for id := 0; id < n; {
		_, err := c.InsertOne(ctx, bson.M{"_id": id})
		switch {
		case err == nil || mongo.IsDuplicateKeyError(err):
			id++
		case ctx.Err() != nil || (!mongo.IsNetworkError(err) && !mongo.IsTimeout(err)):
			return err
		}
	}
	return nil
}

func TestServer_ExpiresDocuments(t *testing.T) {
	server := start(t, embeddedmongo.Config{ExpirePeriod: 20 * time.Millisecond})
	c := connect(t, server.URL()).Database("d").Collection("things")
	_, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{
		Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0),
	})
	must(t, err)
	stream := watch(t, c)
	insert(t, c, bson.M{"_id": "stays", "at": time.Now().Add(time.Hour)}, bson.M{"_id": "none"},
		bson.M{"_id": "goes", "at": time.Now().Add(-time.Second)})
	for e := next(t, stream); e.Type != "delete"; e = next(t, stream) {
	}
	n, err := c.CountDocuments(t.Context(), bson.M{})
	must(t, err)
	equal(t, "left", n, int64(2))
}
