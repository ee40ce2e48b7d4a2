package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// What a newer release has written is read, worked with and told of once; what only it knows stays.
func TestSchema_DocumentsOfANewerRelease(t *testing.T) {
	url, database := mongo.URL(t)
	var log bytes.Buffer
	st, err := store.Await(t.Context(), url, database, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	for _, id := range []control.SessionID{"a", "b"} {
		if err := st.Sessions.Insert(t.Context(), control.Session{ID: id, State: control.SessionActive}); err != nil {
			t.Fatal(err)
		}
	}
	must(t, st.MediaServers.Register(t.Context(), control.MediaServer{ID: "m", HeartbeatAt: time.Now()}))
	if _, err := st.Sessions.Get(t.Context(), "a"); err != nil || log.Len() > 0 {
		t.Fatalf("its own documents: %v, log %q", err, log.String())
	}

	client, err := driver.Connect(t.Context(), options.Client().ApplyURI(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	newer := bson.M{"$set": bson.M{"schema": control.Schema + 1, "invention": "of later"}}
	for _, collection := range []string{"sessions", "mediaservers"} {
		if _, err := client.Database(database).Collection(collection).UpdateMany(t.Context(), bson.M{}, newer); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []control.SessionID{"a", "b", "a"} {
		if _, err := st.Sessions.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if servers, err := st.MediaServers.List(t.Context()); err != nil || len(servers) != 1 {
		t.Fatalf("servers %v, %v", servers, err)
	}
	if told := strings.Count(log.String(), "newer release"); told != 2 {
		t.Errorf("told %d times, want once for each collection:\n%s", told, log.String())
	}
	must(t, st.Sessions.MarkClosing(t.Context(), "a", "test", false))
	var kept bson.M
	err = client.Database(database).Collection("sessions").FindOne(t.Context(), bson.M{"_id": "a"}).Decode(&kept)
	if err != nil || kept["invention"] != "of later" {
		t.Errorf("what is newer is lost: %v, %v", kept, err)
	}
}
