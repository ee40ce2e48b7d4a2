package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// A Wrapper dies after it has answered the join and before it has acknowledged it, so that another answers it again, as
// the offer is waiting for its own answer.
func TestWHIP_JoinIsAnsweredTwice(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	f.wrapper.before(message.TypePublish, func(ctx context.Context, _ broker.Message) {
		join := f.wrapper.got(message.TypeJoin)[0]
		result, err := json.Marshal(message.Joined{User: control.User{ID: "obs"}, Epoch: 1})
		if err != nil {
			t.Error(err)
		}
		body, err := json.Marshal(message.Reply{Result: result})
		if err != nil {
			t.Error(err)
		}
		err = f.wrapper.broker.Send(ctx, join.ReplyTo, broker.Message{
			ID: control.DeriveID(join.ID, "reply"), Type: message.TypeReply, Correlation: join.ID, Time: time.Now(), Body: body,
		})
		if err != nil {
			t.Error(err)
		}
	})
	a := f.offers(apiKey, "/v1/sessions/"+session+"/whip?user=obs", whipOffer)
	if a.status != http.StatusCreated || a.header.Get("ETag") != `"1.1"` || string(a.body) != iceAnswer(1) {
		t.Fatalf("%d %v %q", a.status, a.header, a.body)
	}
}
