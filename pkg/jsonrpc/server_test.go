package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type handlerFunc func(r jsonrpc.Request) jsonrpc.Task

func (f handlerFunc) Accept(r jsonrpc.Request) jsonrpc.Task { return f(r) }

// serve runs h on one side of a pipe and gives the other side.
func serve(tb testing.TB, h jsonrpc.Handler) jsonrpc.Conn {
	tb.Helper()
	here, there := jsonrpc.Pipe()
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		_ = jsonrpc.Serve(ctx, there, h)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
	return here
}

func value(v any) jsonrpc.Task {
	return jsonrpc.Task{Run: func(context.Context) (any, error) { return v, nil }}
}

func echo(r jsonrpc.Request) jsonrpc.Task {
	if r.Method == "fail" {
		return jsonrpc.Task{Run: func(context.Context) (any, error) {
			return nil, &jsonrpc.Error{Code: 40101, Message: "no such object"}
		}}
	}
	return value(map[string]json.RawMessage{"params": r.Params})
}

func ask(t *testing.T, conn jsonrpc.Conn, frame string) string {
	t.Helper()
	if err := conn.Write([]byte(frame)); err != nil {
		t.Fatal(err)
	}
	answer, err := conn.Read()
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestServe_AnswersEveryRequest(t *testing.T) {
	conn := serve(t, handlerFunc(echo))
	for _, c := range []struct{ name, frame, want string }{
		{"id zero", `{"jsonrpc":"2.0","id":0,"method":"m","params":{"a":1}}`, `{"jsonrpc":"2.0","id":0,"result":{"params":{"a":1}}}`},
		{"string id", `{"jsonrpc":"2.0","id":"x","method":"m","params":1}`, `{"jsonrpc":"2.0","id":"x","result":{"params":1}}`},
		{"null id", `{"jsonrpc":"2.0","id":null,"method":"m","params":1}`, `{"jsonrpc":"2.0","id":null,"result":{"params":1}}`},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"m"}`, `{"jsonrpc":"2.0","id":1,"result":{"params":null}}`},
		{"error", `{"jsonrpc":"2.0","id":2,"method":"fail"}`, `{"jsonrpc":"2.0","id":2,"error":{"code":40101,"message":"no such object"}}`},
		{"broken JSON", `{"jsonrpc":`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the frame is not valid JSON"}}`},
		{"no version", `{"id":3,"method":"m"}`, `{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"message":"the member \"jsonrpc\" must be \"2.0\""}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ask(t, conn, c.frame); got != c.want {
				t.Errorf("answer %s, want %s", got, c.want)
			}
		})
	}
	t.Run("batch", func(t *testing.T) {
		if got := ask(t, conn, `[]`); !strings.Contains(got, "-32600") {
			t.Errorf("answer %s", got)
		}
	})
}

func TestServe_HidesTheCauseOfInternalErrors(t *testing.T) {
	conn := serve(t, handlerFunc(func(jsonrpc.Request) jsonrpc.Task {
		return jsonrpc.Task{Run: func(context.Context) (any, error) { return nil, errors.New("secret") }}
	}))
	got := ask(t, conn, `{"jsonrpc":"2.0","id":1,"method":"m"}`)
	if strings.Contains(got, "secret") || !strings.Contains(got, "-32603") {
		t.Errorf("answer %s", got)
	}
}

func TestServe_SlowTaskHoldsNothingUp(t *testing.T) {
	release := make(chan struct{})
	conn := serve(t, handlerFunc(func(r jsonrpc.Request) jsonrpc.Task {
		if r.Method == "slow" {
			return jsonrpc.Task{Unordered: true, Run: func(context.Context) (any, error) { <-release; return "slow", nil }}
		}
		return value("quick")
	}))
	if err := conn.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"slow"}`)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, conn, `{"jsonrpc":"2.0","id":2,"method":"quick"}`); !strings.Contains(got, `"id":2`) {
		t.Errorf("first answer %s", got)
	}
	close(release)
	if got, err := conn.Read(); err != nil || !strings.Contains(string(got), `"id":1`) {
		t.Errorf("second answer %s, %v", got, err)
	}
}

// What Deliver does after writing comes between the response and the next task of the lane.
func TestServe_DeliverSurroundsTheResponse(t *testing.T) {
	var conn, there jsonrpc.Conn
	conn, there = jsonrpc.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = jsonrpc.Serve(context.Background(), there, handlerFunc(func(r jsonrpc.Request) jsonrpc.Task {
			task := value(r.Method)
			task.Lane = "lane"
			task.Deliver = func(write func()) {
				write()
				frame, _ := jsonrpc.EncodeNotification("sent-"+r.Method, nil)
				_ = there.Write(frame)
			}
			return task
		}))
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	for _, method := range []string{"a", "b"} {
		_ = conn.Write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q}`, method))
	}
	for _, want := range []string{`"result":"a"`, "sent-a", `"result":"b"`, "sent-b"} {
		got, err := conn.Read()
		if err != nil || !strings.Contains(string(got), want) {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
	}
}

// Whatever the mix of lanes: within a lane order holds, and the lane "" splits time.
func TestServe_KeepsOrderProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "c"}), 1, 60).Draw(rt, "lanes")
		var mu sync.Mutex
		var ran []int
		var wg sync.WaitGroup
		wg.Add(len(order))
		index := 0
		here, there := jsonrpc.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = jsonrpc.Serve(context.Background(), there, handlerFunc(func(jsonrpc.Request) jsonrpc.Task {
				i := index
				index++
				return jsonrpc.Task{Lane: order[i], Run: func(context.Context) (any, error) {
					mu.Lock()
					defer mu.Unlock()
					ran = append(ran, i)
					wg.Done()
					return i, nil
				}}
			}))
		}()
		for range order {
			_ = here.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"m"}`))
		}
		wg.Wait()
		_ = here.Close()
		<-served
		checkOrder(rt, order, ran)
	})
}

func checkOrder(rt *rapid.T, order []string, ran []int) {
	for at, i := range ran {
		for _, j := range ran[at+1:] {
			dependent := order[i] == order[j] || order[i] == "" || order[j] == ""
			if j < i && dependent {
				rt.Fatalf("%d (lane %q) ran before %d (lane %q)", i, order[i], j, order[j])
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":0,"method":"ping"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`, `[]`, `null`, `{"id":{}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":{}}}`, "\xff", `{"jsonrpc":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := jsonrpc.Decode(frame)
		var coded *jsonrpc.Error
		if err != nil && !errors.As(err, &coded) {
			t.Fatalf("error without a code: %v", err)
		}
		if err == nil && m.Method == "" && (m.Result == nil) == (m.Error == nil) {
			t.Fatalf("neither request nor response: %q", frame)
		}
		if len(m.ID) > 0 && !json.Valid(m.ID) {
			t.Fatalf("id %q is no JSON", m.ID)
		}
	})
}
