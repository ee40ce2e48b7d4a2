package app_test

import (
	"net"
	"strings"
	"testing"
)

// A client that has opened a connection in advance and asks nothing on it keeps no replica from stopping.
func TestStop_ConnectionWithoutRequest(t *testing.T) {
	f := newFleet(t, 1, nil)
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.replicas[0].url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	f.session() // answered on a connection accepted after ours
	if err := f.replicas[0].stop(); err != nil {
		t.Fatal(err)
	}
}
