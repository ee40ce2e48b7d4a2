package message

import "github.com/orkestro/orkestro/pkg/control"

// Types of the requests of viewers, who are no users.
const (
	TypeView    = "view"     // View -> Answered
	TypeEndView = "end-view" // EndView -> no result
)

// View is offer Seq of a viewer. The first one begins to watch what Of names, under whatever epoch the session is at,
// and Epoch is 0; later ones only restart ICE.
type View struct {
	Viewer control.UserID `json:"viewer"`
	Of     control.ViewOf `json:"of"`
	Epoch  int64          `json:"epoch"`
	Seq    int64          `json:"seq"`
	SDP    string         `json:"sdp"`
}

// EndView ends what a viewer watches.
type EndView struct {
	Viewer control.UserID `json:"viewer"`
}
