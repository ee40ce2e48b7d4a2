package api

import (
	"encoding/base64"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
)

// PageQuery chooses a part of a list.
type PageQuery struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200" doc:"Items on a page."`
	Cursor string `query:"cursor" maxLength:"512" doc:"The next of the page before."`
}

// Page is a part of a list. Next is the cursor of the part after it, missing on the last.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty"`
}

// listOutput is the answer of every list.
type listOutput[T any] struct {
	Body Page[T]
}

// cursorPrefix tells our cursors from anything else and carries their version.
const cursorPrefix = "1:"

// after is the key of the last item of the page before, "" for the first page.
func (q PageQuery) after() (string, error) {
	if q.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	key, ok := strings.CutPrefix(string(raw), cursorPrefix)
	if err != nil || !ok || key == "" {
		return "", control.Errorf(control.CodeInvalid, "cursor: it is not one that a list gave")
	}
	return key, nil
}

// pageOf is a list of up to limit+1 items as a page of limit; key is what the page after begins behind.
func pageOf[T any](items []T, limit int, key func(T) string) *listOutput[T] {
	out := &listOutput[T]{Body: Page[T]{Items: items}}
	if items == nil {
		out.Body.Items = []T{}
	}
	if len(items) > limit {
		out.Body.Items = items[:limit]
		out.Body.Next = base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + key(items[limit-1])))
	}
	return out
}
