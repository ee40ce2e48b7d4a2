package mailbox_test

import (
	"testing"

	"github.com/orkestro/orkestro/services/restapi/internal/mailbox"
)

var key = mailbox.Key{Session: "s", User: "u"}

func TestCursors(t *testing.T) {
	cursors := mailbox.NewCursors([]byte("secret"))
	for _, id := range []string{"", "01900000-0000-7000-8000-000000000000"} {
		cursor := cursors.Encode(key, id)
		if got, err := cursors.Decode(key, cursor); err != nil || got != id {
			t.Errorf("%q: got %q, %v", id, got, err)
		}
		if _, err := cursors.Decode(mailbox.Key{Session: "s", User: "v"}, cursor); err == nil {
			t.Error("another user's cursor is taken")
		}
		if _, err := mailbox.NewCursors([]byte("other")).Decode(key, cursor); err == nil {
			t.Error("another fleet's cursor is taken")
		}
	}
}

func FuzzCursors(f *testing.F) {
	cursors := mailbox.NewCursors([]byte("secret"))
	f.Add(cursors.Encode(key, "id"))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		id, err := cursors.Decode(key, cursor)
		if err != nil {
			return
		}
		if again, err := cursors.Decode(key, cursors.Encode(key, id)); err != nil || again != id {
			t.Fatalf("%q does not come back: %q, %v", id, again, err)
		}
	})
}
