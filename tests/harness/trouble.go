package harness

import (
	"context"
	"net/http"

	"github.com/pion/webrtc/v4"
)

// Over has the user's next connections go over an access.
func (u *User) Over(a *Access) {
	u.command(func(context.Context) error {
		u.access = a
		return nil
	})
}

// connect makes a peer connection over the user's access.
func (u *User) connect() (*webrtc.PeerConnection, error) {
	if u.access != nil {
		return u.access.connect()
	}
	return newPeerConnection(u.codecs, from(u.api.address))
}

// Freeze stops the client until the returned function is called: it neither polls nor answers, as a page that sleeps or
// a program that was stopped. Its connections go on.
func (u *User) Freeze() (wake func()) {
	woken := make(chan struct{})
	u.command(func(ctx context.Context) error {
		select {
		case <-woken:
		case <-ctx.Done():
		}
		return nil
	})
	return func() { close(woken) }
}

// RestartICE does what a client does that has noticed that its network is another one: it offers again on the same
// publish connection with new ICE credentials, and asks the server to do the same on the other.
func (u *User) RestartICE() {
	u.command(func(ctx context.Context) error {
		if u.publish != nil {
			if err := u.offerOn(ctx, u.publish, &webrtc.OfferOptions{ICERestart: true}); err != nil {
				return err
			}
		}
		_, err := u.api.Insist(ctx, u.request(http.MethodPost, "/subscribe/offer",
			map[string]any{"epoch": u.epoch, "iceRestart": true}), nil)
		return overtaken(err)
	})
}
