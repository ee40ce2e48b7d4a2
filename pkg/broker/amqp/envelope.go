package amqp

import (
	"strings"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// Headers of a message: what of the envelope has no AMQP property of its own. Version, time and counts are 64-bit
// integers, the rest strings.
const (
	headerSession     = "session"
	headerUser        = "user"
	headerVersion     = "version"
	headerTime        = "time-ms"     // Unix time in milliseconds; the AMQP timestamp has only seconds
	headerTraceParent = "traceparent" // W3C Trace Context
	headerAttempts    = "attempts"
	headerPublication = "publication" // see lane

	headerFailureQueue    = "failure-queue"
	headerFailureReason   = "failure-reason"
	headerFailureTime     = "failure-time-ms"
	headerFailureAttempts = "failure-attempts"
)

// encode is m as it travels, after so many attempts at handling it.
func encode(m broker.Message, attempts int) amqp091.Publishing {
	headers := amqp091.Table{headerVersion: int64(m.Version), headerTime: m.Time.UnixMilli()}
	for key, value := range map[string]string{
		headerSession: m.Session, headerUser: m.User, headerTraceParent: m.TraceParent,
	} {
		if value != "" {
			headers[key] = value
		}
	}
	if attempts > 0 {
		headers[headerAttempts] = int64(attempts)
	}
	if f := m.Failure; f != nil {
		headers[headerFailureQueue] = f.Queue
		headers[headerFailureReason] = strings.ToValidUTF8(f.Reason[:min(len(f.Reason), maxReasonBytes)], "")
		headers[headerFailureTime] = f.Time.UnixMilli()
		headers[headerFailureAttempts] = int64(f.Attempts)
	}
	mode := persistent
	if m.Transient {
		mode = volatile
	}
	return amqp091.Publishing{
		Headers: headers, ContentType: contentType, DeliveryMode: mode, Timestamp: m.Time,
		MessageId: m.ID, Type: m.Type, ReplyTo: m.ReplyTo, CorrelationId: m.Correlation, Body: m.Body,
	}
}

// decode is the message in d and how often it was tried before. Headers that are missing or of another type count as
// empty: whoever handles the message judges it.
func decode(d *amqp091.Delivery) (m broker.Message, attempts int) {
	m = broker.Message{
		ID: d.MessageId, Type: d.Type, ReplyTo: d.ReplyTo, Correlation: d.CorrelationId, Body: d.Body,
		Session: text(d.Headers, headerSession), User: text(d.Headers, headerUser),
		TraceParent: text(d.Headers, headerTraceParent), Version: int(number(d.Headers, headerVersion)),
		Transient: d.DeliveryMode == volatile, Time: d.Timestamp,
	}
	if ms := number(d.Headers, headerTime); ms != 0 {
		m.Time = time.UnixMilli(ms).UTC()
	}
	if _, ok := d.Headers[headerFailureReason]; ok {
		m.Failure = &broker.Failure{
			Queue: text(d.Headers, headerFailureQueue), Reason: text(d.Headers, headerFailureReason),
			Time:     time.UnixMilli(number(d.Headers, headerFailureTime)).UTC(),
			Attempts: int(number(d.Headers, headerFailureAttempts)),
		}
	}
	return m, max(int(number(d.Headers, headerAttempts)), 0)
}

func text(headers amqp091.Table, key string) string {
	value, _ := headers[key].(string)
	return value
}

// number reads an integer of any width: other clients choose theirs.
func number(headers amqp091.Table, key string) int64 {
	switch value := headers[key].(type) {
	case int64:
		return value
	case int32:
		return int64(value)
	case int16:
		return int64(value)
	case int8:
		return int64(value)
	case int:
		return int64(value)
	default:
		return 0
	}
}
