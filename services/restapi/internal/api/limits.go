package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Limits of the HTTP API contract, in bytes where nothing else is said.
const (
	maxSDP      = 128 * 1024
	maxMetadata = 4 * 1024
	maxData     = 16 * 1024

	minTokenTTL = 30 * time.Second
	maxTokenTTL = 24 * time.Hour

	maxEmptyTimeout = 7 * 24 * time.Hour // chosen: nobody waits longer for somebody to come
	maxPollWait     = 60 * time.Second
)

// metadataOf checks metadata and takes the white space out of it; none is the empty object.
func metadataOf(o object) (control.Metadata, error) {
	if o == nil {
		return "{}", nil
	}
	if o[0] != '{' { // null passes for a field that was left out
		return "", control.Errorf(control.CodeInvalid, "metadata: it is not an object")
	}
	text, err := compact("metadata", o, maxMetadata)
	return control.Metadata(text), err
}

// compact is a JSON value without the white space around its parts, too_large if it is still longer than limit.
func compact(field string, value []byte, limit int) ([]byte, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, value); err != nil {
		return nil, control.Errorf(control.CodeInvalid, "%s: it is not JSON", field)
	}
	if text.Len() > limit {
		return nil, control.Errorf(control.CodeTooLarge, "%s: at most %d bytes are taken", field, limit)
	}
	return text.Bytes(), nil
}

// durationOf reads a duration ("30s") within its bounds; "" is the preset.
func durationOf(field, text string, preset, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return preset, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, control.Errorf(control.CodeInvalid, "%s: a duration from %s to %s is needed", field, least, most)
	}
	return d, nil
}

// waitOf reads the wait of a poll, where a bare number means seconds.
func waitOf(text string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	return durationOf("wait", text, 0, 0, maxPollWait)
}
