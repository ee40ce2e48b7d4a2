package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

// Limits of a request (HTTP API contract).
const (
	maxBodyBytes = 256 * 1024
	bodyTimeout  = 30 * time.Second
)

// readBody reads the whole body within its limits and puts it back for the operation. One that an operation takes is
// JSON, where it does not say otherwise; none at all is the empty object then.
func readBody(w http.ResponseWriter, r *http.Request, op *huma.Operation) ([]byte, error) {
	body, err := readAll(w, r)
	if err != nil {
		return nil, err
	}
	takes, other := op.Metadata[metadataTakes].(string)
	switch {
	case other:
		if err := checkType(r, takes); err != nil {
			return nil, err
		}
	case op.RequestBody != nil && len(body) > 0:
		if err := checkJSON(r, body); err != nil {
			return nil, err
		}
	}
	if !other && op.RequestBody != nil && len(body) == 0 {
		body = []byte("{}")
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBodyBytes {
		w.Header().Set("Connection", "close") // or the server would read on to find the next request
		return nil, tooLarge()
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		w.Header().Set("Connection", "close")
		return nil, unreadable(err)
	}
	// The deadline is not for the answer: a poll may wait for longer.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// boundBody sets the time that a body may take, also one that nobody reads: the server looks for the next request
// behind it. Writers that have no deadlines are those of tests.
func boundBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &large):
		return tooLarge()
	case errors.As(err, &network) && network.Timeout():
		return control.Errorf(control.CodeTimeout, "the body did not arrive within %s", bodyTimeout)
	default:
		return problem.Unreadable("the body cannot be read")
	}
}

func tooLarge() error {
	return control.Errorf(control.CodeTooLarge, "a body has at most %d bytes", maxBodyBytes)
}

func checkJSON(r *http.Request, body []byte) error {
	if err := checkType(r, "application/json"); err != nil {
		return err
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return problem.Unreadable("the body is not JSON in UTF-8")
	}
	return nil
}

// checkType is 415 for a body that says that it is another than wanted.
func checkType(r *http.Request, wanted string) error {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		media, _, err := mime.ParseMediaType(kind)
		if err != nil || media != wanted {
			return control.Errorf(control.CodeUnsupportedMediaType, "Content-Type: %s is needed", wanted)
		}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return control.Errorf(control.CodeUnsupportedMediaType, "Content-Encoding: bodies are taken as they are only")
	}
	return nil
}

// acceptable is 406 if the caller takes nothing that the operation answers. What has no body suits everybody.
func acceptable(r *http.Request, op *huma.Operation) error {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if accept == "" || mayBeEmpty(op) {
		return nil
	}
	kind := "application/json"
	if other, found := op.Metadata[metadataAnswers].(string); found {
		kind = other
	} else if op.Metadata[metadataAccess] == byEvents {
		kind = "text/event-stream"
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || refused(params["q"]) {
			continue
		}
		prefix, wild := strings.CutSuffix(media, "*")
		if media == "*/*" || media == kind || (wild && prefix != "" && strings.HasPrefix(kind, prefix)) {
			return nil
		}
	}
	return control.Errorf(control.CodeNotAcceptable, "this call answers %s", kind)
}

// mayBeEmpty reports whether an operation may succeed without a body. To one that ends something that is all.
func mayBeEmpty(op *huma.Operation) bool {
	empty := op.Responses[strconv.Itoa(http.StatusNoContent)] != nil
	return empty || op.DefaultStatus == http.StatusNoContent || op.Method == http.MethodDelete
}

// refused reports a weight of zero (RFC 9110 section 12.4.2).
func refused(weight string) bool {
	if weight == "" {
		return false
	}
	q, err := strconv.ParseFloat(weight, 64)
	return err == nil && q == 0
}
