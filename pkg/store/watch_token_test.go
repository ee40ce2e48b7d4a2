package store

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/mongo"
)

// A token that no try will ever make good again must not be kept: the watcher would try it for ever.
func TestTokenLost(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errStreamEnded, true},
		{mongo.CommandError{Code: 286, Name: "ChangeStreamHistoryLost"}, true},
		{mongo.CommandError{Code: 260, Name: "InvalidResumeToken"}, true},
		{fmt.Errorf("watch: %w", mongo.CommandError{Code: 280, Name: "ChangeStreamFatalError"}), true},
		{mongo.CommandError{Code: 189, Name: "PrimarySteppedDown"}, false},
		{errors.New("connection refused"), false},
	} {
		if got := tokenLost(c.err); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}
