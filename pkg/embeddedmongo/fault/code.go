package fault

import "fmt"

// Code is a MongoDB error code (src/mongo/base/error_codes.yml).
type Code int32

// The codes that the embedded store uses.
const (
	InternalError                  Code = 1
	BadValue                       Code = 2
	FailedToParse                  Code = 9
	TypeMismatch                   Code = 14
	NamespaceNotFound              Code = 26
	IndexNotFound                  Code = 27
	PathNotViable                  Code = 28
	CursorNotFound                 Code = 43
	NamespaceExists                Code = 48
	InvalidIDField                 Code = 53
	CommandNotFound                Code = 59
	ImmutableField                 Code = 66
	CannotCreateIndex              Code = 67
	InvalidOptions                 Code = 72
	InvalidNamespace               Code = 73
	IndexOptionsConflict           Code = 85
	IndexKeySpecsConflict          Code = 86
	ShutdownInProgress             Code = 91
	CommandNotSupported            Code = 115
	TransactionTooOld              Code = 225
	NotImplemented                 Code = 238
	InvalidResumeToken             Code = 260
	NotSupportedInTransaction      Code = 263
	ChangeStreamHistoryLost        Code = 286
	BSONObjectTooLarge             Code = 10334
	DuplicateKey                   Code = 11000
	UnrecognizedStage              Code = 40324
	ProjectionMixesInclusion       Code = 31254
	TooManyOpenCursors             Code = 365
	ConflictingUpdateOperators     Code = 40
	ConflictingOperationInProgress Code = 117
)

// String is the name that MongoDB gives the code, or "Location" and the number where it has none.
func (c Code) String() string {
	names := [...]struct {
		code Code
		name string
	}{
		{InternalError, "InternalError"},
		{BadValue, "BadValue"},
		{FailedToParse, "FailedToParse"},
		{TypeMismatch, "TypeMismatch"},
		{NamespaceNotFound, "NamespaceNotFound"},
		{IndexNotFound, "IndexNotFound"},
		{PathNotViable, "PathNotViable"},
		{ConflictingUpdateOperators, "ConflictingUpdateOperators"},
		{CursorNotFound, "CursorNotFound"},
		{NamespaceExists, "NamespaceExists"},
		{InvalidIDField, "InvalidIdField"},
		{CommandNotFound, "CommandNotFound"},
		{ImmutableField, "ImmutableField"},
		{CannotCreateIndex, "CannotCreateIndex"},
		{InvalidOptions, "InvalidOptions"},
		{InvalidNamespace, "InvalidNamespace"},
		{IndexOptionsConflict, "IndexOptionsConflict"},
		{IndexKeySpecsConflict, "IndexKeySpecsConflict"},
		{ShutdownInProgress, "ShutdownInProgress"},
		{CommandNotSupported, "CommandNotSupported"},
		{ConflictingOperationInProgress, "ConflictingOperationInProgress"},
		{TransactionTooOld, "TransactionTooOld"},
		{NotImplemented, "NotImplemented"},
		{InvalidResumeToken, "InvalidResumeToken"},
		{NotSupportedInTransaction, "OperationNotSupportedInTransaction"},
		{ChangeStreamHistoryLost, "ChangeStreamHistoryLost"},
		{TooManyOpenCursors, "TooManyOpenCursors"},
		{BSONObjectTooLarge, "BSONObjectTooLarge"},
		{DuplicateKey, "DuplicateKey"},
	}
	for _, n := range names {
		if n.code == c {
			return n.name
		}
	}
	return fmt.Sprintf("Location%d", int32(c))
}
