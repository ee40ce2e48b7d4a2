package store_test

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// A document that no release of ours has written does not keep a watcher from what comes after it.
func TestWatch_GoesOnBehindAChangeThatCannotBeRead(t *testing.T) {
	o := newOutage(t, "")
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(o.server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	if _, err := client.Database("watched").Collection("sessions").InsertOne(t.Context(), bson.M{"_id": 5}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if n := o.resets(); n != 2 {
			return fmt.Errorf("everything was read %d times", n)
		}
		return nil
	})
	o.insert("c")
	o.expect(t, "live c")
}
