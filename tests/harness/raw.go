package harness

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// Answer is what came back for a call, whatever it is.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Raw makes a call at the next replica and gives its answer as it is. An error means that there was none. Of r, Body must
// be a string, and "" as Bearer is the API key.
func (a *API) Raw(ctx context.Context, r Request) (Answer, error) {
	base := a.replicas[a.turn.Add(1)%uint64(len(a.replicas))]
	body, _ := r.Body.(string)
	request, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if r.Bearer == "" {
		r.Bearer = a.key
	}
	request.Header.Set("Authorization", "Bearer "+r.Bearer)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for key, value := range r.Header {
		request.Header.Set(key, value)
	}
	return Ask(request)
}

// Ask sends a request that is none of the API's.
func Ask(request *http.Request) (Answer, error) {
	client := http.Client{Timeout: requestTimeout}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer := Answer{Status: response.StatusCode, Header: response.Header}
	if response.StatusCode < http.StatusBadRequest && response.Header.Get("Content-Type") == "text/event-stream" {
		return answer, nil // it does not end
	}
	answer.Body, err = io.ReadAll(response.Body)
	return answer, err
}
