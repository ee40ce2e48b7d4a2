package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Codes of the Kurento Protocol that this package answers with, besides those in mediaapi.
const (
	codeMarshall              mediaapi.ErrorCode = 40001
	codeInvalidSession        mediaapi.ErrorCode = 40007
	codeMalformedTransaction  mediaapi.ErrorCode = 40008
	codeTypeNotFound          mediaapi.ErrorCode = 40100
	codeConstructorNotFound   mediaapi.ErrorCode = 40104
	codeMethodNotFound        mediaapi.ErrorCode = 40105
	codeEventNotSupported     mediaapi.ErrorCode = 40106
	codeIllegalParam          mediaapi.ErrorCode = 40107
	codeNotAvailable          mediaapi.ErrorCode = 40108
	codeNoCommit              mediaapi.ErrorCode = 40109
	codeTagKeyNotFound        mediaapi.ErrorCode = 40110
	codeOperationNotSupported mediaapi.ErrorCode = 40111
	codeKMDNotFound           mediaapi.ErrorCode = 40500
)

// codeName is what the protocol calls a code; clients get it in the error's data.
func codeName(code int) string {
	names := map[int]string{
		jsonrpc.CodeInvalidRequest: "INVALID_REQUEST", jsonrpc.CodeMethodNotFound: "METHOD_NOT_FOUND",
		jsonrpc.CodeInvalidParams: "INVALID_PARAMS", jsonrpc.CodeInternalError: "INTERNAL_ERROR",
		40001: "MARSHALL_ERROR", 40003: "UNEXPECTED_ERROR", 40004: "CONNECT_ERROR", 40005: "UNSUPPORTED_MEDIA_TYPE",
		40006: "NOT_IMPLEMENTED", 40007: "INVALID_SESSION", 40008: "MALFORMED_TRANSACTION",
		40009: "NOT_ENOUGH_RESOURCES",
		40100: "MEDIA_OBJECT_TYPE_NOT_FOUND", 40101: "MEDIA_OBJECT_NOT_FOUND",
		40104: "MEDIA_OBJECT_CONSTRUCTOR_NOT_FOUND", 40105: "MEDIA_OBJECT_METHOD_NOT_FOUND",
		40106: "MEDIA_OBJECT_EVENT_NOT_SUPPORTED", 40107: "MEDIA_OBJECT_ILLEGAL_PARAM_ERROR",
		40108: "MEDIA_OBJECT_NOT_AVAILABLE", 40109: "MEDIA_OBJECT_NOT_FOUND_TRANSACTION_NO_COMMIT",
		40110: "MEDIA_OBJECT_TAG_KEY_NOT_FOUND", 40111: "MEDIA_OBJECT_OPERATION_NOT_SUPPORTED",
		40200: "SDP_CREATE_ERROR", 40201: "SDP_PARSE_ERROR", 40202: "SDP_END_POINT_NO_LOCAL_SDP_ERROR",
		40203: "SDP_END_POINT_NO_REMOTE_SDP_ERROR", 40204: "SDP_END_POINT_GENERATE_OFFER_ERROR",
		40205: "SDP_END_POINT_PROCESS_OFFER_ERROR", 40206: "SDP_END_POINT_PROCESS_ANSWER_ERROR",
		40208: "SDP_END_POINT_ALREADY_NEGOTIATED", 40209: "SDP_END_POINT_NOT_OFFER_GENERATED",
		40210: "SDP_END_POINT_ANSWER_ALREADY_PROCCESED", 40211: "SDP_END_POINT_CANNOT_CREATE_SESSON",
		40400: "ICE_GATHER_CANDIDATES_ERROR", 40401: "ICE_ADD_CANDIDATE_ERROR",
		40500: "SERVER_MANAGER_ERROR_KMD_NOT_FOUND",
		40600: "URI_PATH_FILE_NOT_FOUND", 40700: "PLAYER_SEEK_FAIL",
	}
	if name, known := names[code]; known {
		return name
	}
	return "UNEXPECTED_ERROR"
}

func errorf(code mediaapi.ErrorCode, format string, args ...any) *jsonrpc.Error {
	return coded(int(code), fmt.Sprintf(format, args...))
}

func coded(code int, message string) *jsonrpc.Error {
	// A map of strings always encodes.
	data, _ := json.Marshal(map[string]string{"type": codeName(code)})
	return &jsonrpc.Error{Code: code, Message: message, Data: data}
}

func errObjectNotFound(id string) *jsonrpc.Error {
	return errorf(mediaapi.CodeObjectNotFound, "Object '%s' not found", id)
}

// asWireError is err as clients get it, and whether it was foreseen: another error is a defect of this server.
func asWireError(err error) (wire *jsonrpc.Error, foreseen bool) {
	var refusal *media.Error
	if errors.As(err, &wire) {
		return wire, true
	}
	if errors.As(err, &refusal) {
		return coded(int(refusal.Code), refusal.Message), true
	}
	if errors.Is(err, context.Canceled) {
		return coded(jsonrpc.CodeInternalError, "the connection was closed"), true
	}
	return coded(jsonrpc.CodeInternalError, "internal error"), false
}

// wireError is err as the client gets it. What was not foreseen is a defect of this server: it is logged here because
// the client is not told of it.
func wireError(logger *slog.Logger, operation string, err error) *jsonrpc.Error {
	wire, foreseen := asWireError(err)
	if !foreseen {
		logger.Error("request failed", logging.KeyType, operation, logging.KeyError, err)
	}
	return wire
}
