package harness

import "net/http"

// Observed is the same client with connections of its own, and f told of every attempt. f is called concurrently.
func (a *API) Observed(f func(Attempt)) *API {
	return &API{
		key: a.key, replicas: a.replicas, observe: f, address: a.address,
		client: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
}
