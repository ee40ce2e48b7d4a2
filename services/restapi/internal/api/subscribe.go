package api

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

func (c *connections) subscribe(ctx context.Context, in *struct {
	UserPath
	Body Description
},
) (*struct{}, error) {
	if err := checkSDP(in.Body.SDP); err != nil {
		return nil, err
	}
	user, err := c.subscriber(ctx, in.UserPath, in.Body.Epoch)
	if err != nil {
		return nil, err
	}
	if err := c.offered(ctx, in.UserPath, user, in.Body); err != nil {
		return nil, err
	}
	return nil, c.send(ctx, newRequest(ctx, message.TypeSubscribeAnswer, in.Session, in.User, message.SubscribeAnswer{
		Presence: presence(user), Epoch: in.Body.Epoch, Seq: in.Body.Seq, SDP: in.Body.SDP,
	}))
}

// offered is a conflict for an answer to an offer that was never made.
func (c *connections) offered(ctx context.Context, path UserPath, user *control.User, answer Description) error {
	id := control.NegotiationID(path.Session, path.User, control.Subscribe)
	negotiation, err := c.Store.Negotiations.Get(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil && negotiation.Join == user.Join && negotiation.Epoch == answer.Epoch
	if !known || answer.Seq > negotiation.Seq {
		return control.Errorf(control.CodeConflict, "seq: there was no offer %d", answer.Seq)
	}
	return nil
}

// subscriber is a user that may subscribe, under an epoch.
func (c *connections) subscriber(
	ctx context.Context, path UserPath, epoch int64,
) (*control.User, error) {
	user, err := c.userAt(ctx, path, epoch)
	if err == nil && !user.Permissions.Subscribe {
		err = control.Errorf(control.CodeForbidden, "the user may not subscribe")
	}
	return user, err
}

func (c *connections) unsubscribe(ctx context.Context, in *UserPath) (*struct{}, error) {
	_, user, err := c.user(ctx, *in)
	if err != nil {
		return nil, err
	}
	// A client that asks for an offer next must not have it stopped by this.
	_, err = c.doInSession(ctx, newRequest(ctx, message.TypeUnsubscribe, in.Session, in.User, presence(user)))
	return nil, err
}

// OfferWish is what POST .../subscribe/offer takes.
type OfferWish struct {
	Epoch      int64 `json:"epoch" minimum:"0"`
	Fresh      bool  `json:"fresh,omitempty" doc:"For a fresh peer connection."`
	ICERestart bool  `json:"iceRestart,omitempty"`
}

func (c *connections) requestOffer(ctx context.Context, in *struct {
	UserPath
	Body OfferWish
},
) (*struct{}, error) {
	user, err := c.subscriber(ctx, in.UserPath, in.Body.Epoch)
	if err != nil {
		return nil, err
	}
	return nil, c.send(ctx, newRequest(ctx, message.TypeRequestOffer, in.Session, in.User, message.RequestOffer{
		Presence: presence(user), Epoch: in.Body.Epoch, Fresh: in.Body.Fresh, ICERestart: in.Body.ICERestart,
	}))
}

// Subscriptions is what PUT .../subscriptions takes.
type Subscriptions struct {
	Mode    control.SubscriptionMode `json:"mode" enum:"all,list"`
	Streams []Subscription           `json:"streams,omitempty" nullable:"false" maxItems:"1000"`
}

// Subscription is the wish for one stream.
type Subscription struct {
	ID       control.StreamID `json:"id" minLength:"1" maxLength:"32"`
	Kinds    []string         `json:"kinds,omitempty" nullable:"false" maxItems:"3" enum:"audio,video,data"`
	MaxLayer *int             `json:"maxLayer,omitempty" minimum:"0" maximum:"16"`
}

func (c *connections) setSubscriptions(ctx context.Context, in *struct {
	UserPath
	Body Subscriptions
},
) (*struct{}, error) {
	_, user, err := c.user(ctx, in.UserPath)
	if err != nil {
		return nil, err
	}
	if !user.Permissions.Subscribe {
		return nil, control.Errorf(control.CodeForbidden, "the user may not subscribe")
	}
	wish := control.Subscriptions{Mode: in.Body.Mode, Streams: make([]control.Subscription, len(in.Body.Streams))}
	for i, s := range in.Body.Streams {
		wish.Streams[i] = control.Subscription(s)
	}
	return nil, c.send(ctx, newRequest(ctx, message.TypeSetSubscriptions, in.Session, in.User, message.SetSubscriptions{
		Presence: presence(user), Subscriptions: wish,
	}))
}
