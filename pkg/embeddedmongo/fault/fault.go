// Package fault holds the errors that a MongoDB client understands: a numeric code, its name, labels. Every package of
// the embedded store returns them; only the command package turns them into replies. It knows nothing of the rest.
package fault

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
)

// Error is a failure with MongoDB's code. Details are further fields of the reply, such as keyPattern of a duplicate
// key; Labels are what drivers decide retries by.
type Error struct {
	Code    Code
	Message string
	Labels  []string
	Details bson.D
}

// New is an error of that code with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error is the message with the code's name.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// From is err as an *Error. One without a code gets fallback: what the document packages refuse is a bad value, what
// the store itself cannot do an internal error.
func From(err error, fallback Code) *Error {
	var coded *Error
	if errors.As(err, &coded) {
		return coded
	}
	return New(fallback, "%s", err.Error())
}
