package app_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBody_RefusedBeforeItsEnd: a body without a length is refused as soon as it is too large, while its sender has more
// to come and reads nothing but the answer.
func TestBody_RefusedBeforeItsEnd(t *testing.T) {
	f := newFleet(t, 1, nil)
	connection, err := net.Dial("tcp", strings.TrimPrefix(f.replicas[0].url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + apiKey +
		"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunk := append([]byte("10000\r\n"), bytes.Repeat([]byte(" "), 64*1024)...)
	chunk = append(chunk, "\r\n"...)
	if _, err := io.WriteString(connection, head); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := connection.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("no answer while more is to come: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
		t.Errorf("got %s, close %v", response.Status, response.Close)
	}
}
