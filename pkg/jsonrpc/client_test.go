package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

func TestClient_Calls(t *testing.T) {
	client := jsonrpc.NewClient(serve(t, handlerFunc(echo)), nil)
	t.Cleanup(func() { _ = client.Close() })
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var result struct{ Params int }
			if err := client.Call(context.Background(), "m", i, &result); err != nil || result.Params != i {
				t.Errorf("call %d: %v, %v", i, result, err)
			}
		})
	}
	wg.Wait()
	err := client.Call(context.Background(), "fail", nil, nil)
	var coded *jsonrpc.Error
	if !errors.As(err, &coded) || coded.Code != 40101 {
		t.Errorf("error %v", err)
	}
}

func TestClient_LostConnectionEndsCalls(t *testing.T) {
	here, there := jsonrpc.Pipe()
	client := jsonrpc.NewClient(here, nil)
	result := make(chan error)
	go func() { result <- client.Call(context.Background(), "m", nil, nil) }()
	if _, err := there.Read(); err != nil {
		t.Fatal(err)
	}
	_ = there.Close()
	if err := <-result; !errors.Is(err, jsonrpc.ErrClosed) {
		t.Errorf("waiting call: %v", err)
	}
	<-client.Done()
	if err := client.Call(context.Background(), "m", nil, nil); !errors.Is(err, jsonrpc.ErrClosed) {
		t.Errorf("later call: %v", err)
	}
	if client.Err() == nil {
		t.Error("no reason given")
	}
}

func TestClient_DeadlineEndsCall(t *testing.T) {
	here, _ := jsonrpc.Pipe()
	client := jsonrpc.NewClient(here, nil)
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := client.Call(ctx, "m", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestClient_GetsNotificationsInOrder(t *testing.T) {
	here, there := jsonrpc.Pipe()
	got := make(chan string, 2)
	client := jsonrpc.NewClient(here, func(method string, params json.RawMessage) { got <- method + string(params) })
	t.Cleanup(func() { _ = client.Close() })
	for _, n := range []int{1, 2} {
		frame, err := jsonrpc.EncodeNotification("onEvent", n)
		if err != nil {
			t.Fatal(err)
		}
		_ = there.Write(frame)
	}
	if a, b := <-got, <-got; a != "onEvent1" || b != "onEvent2" {
		t.Errorf("notifications %s %s", a, b)
	}
}

func BenchmarkCall(b *testing.B) {
	client := jsonrpc.NewClient(serve(b, handlerFunc(echo)), nil)
	defer func() { _ = client.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		if err := client.Call(context.Background(), "m", 1, nil); err != nil {
			b.Fatal(err)
		}
	}
}
