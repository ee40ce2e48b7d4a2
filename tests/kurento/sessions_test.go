package kurento_test

import (
	"strings"
	"testing"

	"github.com/orkestro/orkestro/tests/harness"
)

func newServer(t *testing.T, flags ...string) *harness.Alone {
	t.Helper()
	alone, err := harness.StartAlone(t.Context(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := alone.Close(); err != nil {
			t.Error(err)
		}
	})
	return alone
}

func TestSession_SharedByTwoProcesses(t *testing.T) {
	t.Parallel()
	runProgram(t, orders{"second": func(what string) (string, error) {
		return "", execute(t, nil, "second_client.js", server.URL(), what)
	}}, "two_clients.js", server.URL())
}

func TestSession_OutlivesItsConnection(t *testing.T) {
	t.Parallel()
	network := newProxy(t, server.Address)
	runProgram(t, orders{"cut": func(string) (string, error) {
		network.cut()
		return "", nil
	}}, "reconnect.js", network.url())
}

func TestSession_EndsWithTheServer(t *testing.T) {
	t.Parallel()
	alone := newServer(t)
	runProgram(t, orders{"restart": func(string) (string, error) {
		alone.Kill()
		return "", alone.Start(t.Context())
	}}, "restart.js", newProxy(t, alone.Address).url())
}

func TestSession_ListenersOfWhatIsGone(t *testing.T) {
	t.Parallel()
	runProgram(t, nil, "listeners.js", server.URL())
}

func TestTransactions_Implicit(t *testing.T) {
	t.Parallel()
	runProgram(t, nil, "implicit_transactions.js", server.URL())
	if metrics := get(t, server.Address, "/metrics"); !strings.Contains(metrics, `{operation="transaction",result="ok"}`) {
		t.Error("the client sent no transaction")
	}
}
