package media

import (
	"fmt"

	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// Codes of the Kurento Protocol that this package answers with, besides those in mediaapi.
const (
	codeUnexpected             mediaapi.ErrorCode = 40003
	codeConnect                mediaapi.ErrorCode = 40004
	codeUnsupportedMediaType   mediaapi.ErrorCode = 40005
	codeNotEnoughResources                        = mediaapi.CodeNotEnoughResources
	codeIllegalParam           mediaapi.ErrorCode = 40107
	codeNotAvailable           mediaapi.ErrorCode = 40108
	codeOperationNotSupported  mediaapi.ErrorCode = 40111
	codeNoLocalSDP             mediaapi.ErrorCode = 40202
	codeNoRemoteSDP            mediaapi.ErrorCode = 40203
	codeGenerateOffer          mediaapi.ErrorCode = 40204
	codeAlreadyNegotiated      mediaapi.ErrorCode = 40208
	codeAnswerAlreadyProcessed mediaapi.ErrorCode = 40210
	codeGatherCandidates       mediaapi.ErrorCode = 40400
	codeFileNotFound           mediaapi.ErrorCode = 40600
	codeSeekFail               mediaapi.ErrorCode = 40700
)

// Error is a refusal with a code of the Kurento Protocol. The object stays usable.
type Error struct {
	Code    mediaapi.ErrorCode
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

func errorf(code mediaapi.ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func errReleased(id string) *Error {
	return errorf(mediaapi.CodeObjectNotFound, "Object '%s' not found", id)
}
