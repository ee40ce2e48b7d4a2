package session

import (
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
)

// RelocateID is the id of the request to relocate the pipeline that a session has under epoch.
func RelocateID(session control.SessionID, epoch int64) string {
	return control.DeriveID(string(session), fmt.Sprintf("relocate/%d", epoch))
}
