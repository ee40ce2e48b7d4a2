package front

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// balancer sends each request to the next replica in turn, and on to the one after it when a replica cannot be
// connected to. A request that may have reached a replica is not sent again: that is for its client to decide.
type balancer struct {
	replicas  []*url.URL
	transport http.RoundTripper
	turn      atomic.Uint64
}

// maxIdlePerReplica: chosen; enough for a demo's long polls to find their connections again.
const maxIdlePerReplica = 64

func newBalancer(replicas []*url.URL) *balancer {
	return &balancer{
		replicas:  replicas,
		transport: &http.Transport{MaxIdleConnsPerHost: maxIdlePerReplica, DisableCompression: true},
	}
}

// RoundTrip implements [http.RoundTripper].
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	first := b.turn.Add(1)
	err := errors.New("there is no replica")
	for i := range b.replicas {
		replica := b.replicas[(first+uint64(i))%uint64(len(b.replicas))]
		attempt := r.Clone(r.Context())
		attempt.URL.Host = replica.Host
		if r.Body != nil {
			attempt.Body = io.NopCloser(r.Body) // the transport closes the body of a failed attempt; the proxy closes r's
		}
		var response *http.Response
		if response, err = b.transport.RoundTrip(attempt); err == nil || !notConnected(err) {
			return response, err
		}
	}
	return nil, err
}

// notConnected reports whether err says that no connection was made, so that nothing was sent.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
