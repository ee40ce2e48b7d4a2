package message

import (
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
)

// WrapperQueue carries session creation and fleet tasks; every Wrapper competes for its messages.
const WrapperQueue = "orkestro.wrapper"

// RestAPIExchange fans out to the reply queue of every REST replica.
const RestAPIExchange = "orkestro.restapi"

// Bounds of the queues.
const (
	wrapperQueueMax = 10_000
	sessionQueueMax = 10_000
	userQueueMax    = 20_000
	// replyQueueExpires: chosen; a replica that is gone this long gets no more answers.
	replyQueueExpires = time.Minute
	// userQueueExpires: chosen; longer than any grace time, so that a queue outlives a client that is coming back.
	// A user still in the session after that gets a new queue and a sync message.
	userQueueExpires = 30 * time.Minute
)

// Wrapper is the queue [WrapperQueue].
func Wrapper() broker.Queue { return broker.Queue{Name: WrapperQueue, MaxLength: wrapperQueueMax} }

// DeadLetter is the queue [broker.DeadLetterQueue].
func DeadLetter() broker.Queue { return broker.Queue{Name: broker.DeadLetterQueue} }

// SessionQueue is the queue of every request and media event of one session.
func SessionQueue(id control.SessionID) broker.Queue {
	return broker.Queue{Name: "orkestro.session." + string(id), MaxLength: sessionQueueMax}
}

// SessionExchange is the name of the fan-out to everybody in one session.
func SessionExchange(id control.SessionID) string { return "orkestro.session." + string(id) + ".users" }

// SpareExchange is the name of an exchange that is there only while the session exchange is made again.
func SpareExchange(id control.SessionID) string { return "orkestro.session." + string(id) + ".spare" }

// UserQueue is the queue of the messages for one user. Ids may hold dots, so the parts are joined by a character that
// no id has.
func UserQueue(session control.SessionID, user control.UserID) broker.Queue {
	return broker.Queue{
		Name:      "orkestro.user." + string(session) + "/" + string(user),
		Expires:   userQueueExpires,
		MaxLength: userQueueMax,
		Exclusive: true,
	}
}

// ReplyQueue is the queue on which one REST replica gets answers and notices.
func ReplyQueue(replica string) broker.Queue {
	return broker.Queue{Name: "orkestro.restapi." + replica, Expires: replyQueueExpires, MaxLength: wrapperQueueMax}
}
