package amqp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// FuzzDecode reads messages that other clients wrote: whatever is in them, nothing breaks, and what is encoded again
// reads the same.
func FuzzDecode(f *testing.F) {
	f.Add("id", "session", "why", []byte("{}"), int64(3), int64(1_700_000_000_000), uint8(2))
	f.Add("", "", "", []byte(nil), int64(-1), int64(0), uint8(0))
	f.Fuzz(func(t *testing.T, id, session, reason string, body []byte, count, ms int64, mode uint8) {
		headers := amqp091.Table{
			headerSession: session, headerUser: count, headerVersion: count, headerTime: ms, headerAttempts: count,
			headerFailureReason: reason, headerFailureAttempts: session, headerFailureTime: body,
		}
		m, attempts := decode(&amqp091.Delivery{MessageId: id, Headers: headers, Body: body, DeliveryMode: mode})
		if attempts < 0 {
			t.Fatalf("%d attempts", attempts)
		}
		if m.Session != session || m.User != "" {
			t.Fatalf("session %q, user %q", m.Session, m.User)
		}
		p := encode(m, attempts)
		if err := p.Headers.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEncode_BoundsTheReason(t *testing.T) {
	reason := strings.Repeat("ü", maxReasonBytes) // two bytes each: the bound falls on a boundary, then not
	for _, r := range []string{reason, "x" + reason} {
		got := encode(broker.Message{Failure: &broker.Failure{Reason: r}}, 0).Headers[headerFailureReason].(string)
		if len(got) > maxReasonBytes || !strings.HasPrefix(r, got) {
			t.Errorf("reason of %d bytes became %d", len(r), len(got))
		}
	}
}

func TestDecode_IntegersOfAnyWidth(t *testing.T) {
	for _, value := range []any{int8(3), int16(3), int32(3), int64(3), 3} {
		if _, attempts := decode(&amqp091.Delivery{Headers: amqp091.Table{headerAttempts: value}}); attempts != 3 {
			t.Errorf("%T: got %d", value, attempts)
		}
	}
}

func TestDecode_TimeWithoutHeader(t *testing.T) {
	stamp := time.Unix(1_700_000_000, 0)
	m, _ := decode(&amqp091.Delivery{Timestamp: stamp})
	if diff := cmp.Diff(stamp, m.Time); diff != "" {
		t.Error(diff)
	}
}

func TestTranslate(t *testing.T) {
	other := &amqp091.Error{Code: amqp091.PreconditionFailed, Reason: "inequivalent arg"}
	down := &amqp091.Error{Code: amqp091.NotFound, Reason: "home node of durable queue is down or inaccessible"}
	for _, c := range []struct{ err, want error }{
		{&amqp091.Error{Code: amqp091.NotFound, Reason: "no queue"}, broker.ErrNotFound},
		{down, broker.ErrUnavailable},
		{amqp091.ErrClosed, broker.ErrUnavailable},
		{errors.New("broken pipe"), broker.ErrUnavailable},
		{broker.ErrFull, broker.ErrFull},
	} {
		if got := translate(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v became %v, want %v", c.err, got, c.want)
		}
	}
	if got := translate(other); errors.Is(got, broker.ErrUnavailable) || !strings.Contains(got.Error(), "other settings") {
		t.Errorf("%v became %v", other, got)
	}
	if translate(nil) != nil {
		t.Error("nil became an error")
	}
}
