package control_test

import (
	"testing"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

// Whatever a client sends, the connection stays usable.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":0,"method":"create","params":{"type":"MediaPipeline","constructorParams":{"session":"s","epoch":1}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"invoke","params":{"object":"manager_ServerManager","operation":"addTag","operationParams":{"key":1}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"transaction","params":{"operations":[{"id":0,"method":"describe","params":{"object":"newref:9"}}]}}`,
		`{"jsonrpc":"2.0","id":3,"method":"subscribe","params":{"object":{"id":"manager_ServerManager"},"type":"ObjectCreated"}}`,
		`{"jsonrpc":"2.0","id":4,"method":"closeSession","params":{"release":true}}`, `{"id":5}`, `[`,
	} {
		f.Add([]byte(seed))
	}
	b := newBench(f, control.Config{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if m, err := jsonrpc.Decode(frame); err == nil && string(m.ID) == `"last"` {
			t.Skip("the id that this test waits for")
		}
		conn := b.open(t)
		for _, f := range [][]byte{frame, []byte(`{"jsonrpc":"2.0","id":"last","method":"ping"}`)} {
			if err := conn.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		for {
			answer, err := conn.Read()
			if err != nil {
				t.Fatalf("the connection was lost: %v", err)
			}
			if m, err := jsonrpc.Decode(answer); err != nil {
				t.Fatalf("answer %s: %v", answer, err)
			} else if string(m.ID) == `"last"` {
				return
			}
		}
	})
}
