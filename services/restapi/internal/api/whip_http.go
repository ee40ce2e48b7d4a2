package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/restapi/internal/sdpfrag"
)

// What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common as HTTP: an offer is POSTed to an endpoint, which
// answers with a media session of its own URL, where candidates are PATCHed and which is DELETEd.

const sdpType = "application/sdp"

const (
	whipPath = "/v1/sessions/{sid}/whip"
	whepPath = "/v1/sessions/{sid}/whep"
)

// ofSDP is an operation that takes and answers SDP.
func ofSDP(op *huma.Operation) {
	op.Metadata[metadataTakes], op.Metadata[metadataAnswers] = sdpType, sdpType
	answers(op, http.StatusCreated, "The answer, with all candidates.", sdpType)
	op.RejectUnknownQueryParameters = true
}

// ofFragment is an operation that takes and answers SDP fragments.
func ofFragment(op *huma.Operation) {
	op.Metadata[metadataTakes], op.Metadata[metadataAnswers] = sdpfrag.ContentType, sdpfrag.ContentType
	answers(op, http.StatusOK, "ICE was restarted: the new credentials and candidates.", sdpfrag.ContentType)
	answers(op, http.StatusNoContent, "The candidates were taken.", "")
	op.RejectUnknownQueryParameters = true
}

func answers(op *huma.Operation, status int, description, kind string) {
	response := &huma.Response{Description: description}
	if kind != "" {
		response.Content = map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	op.Responses[fmt.Sprint(status)] = response
}

// advertise tells in the answer to OPTIONS what a WHIP or WHEP endpoint takes, in that to a CORS preflight, too (RFC
// 9725 section 4.2).
func advertise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if r.Method == http.MethodOptions && (strings.HasSuffix(path, "/whip") || strings.HasSuffix(path, "/whep")) {
			w.Header().Set("Accept-Post", sdpType)
		}
		next.ServeHTTP(w, r)
	})
}

// options answers OPTIONS that is no CORS preflight.
func options(mux chi.Router) {
	for path, methods := range map[string]string{
		whipPath: "OPTIONS, POST", whepPath: "OPTIONS, POST",
		whipPath + "/{id}": "OPTIONS, PATCH, DELETE", whepPath + "/{id}": "OPTIONS, PATCH, DELETE",
	} {
		mux.Options(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", methods)
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// MediaSessionPath is the path of a media session.
type MediaSessionPath struct {
	SessionPath
	ID string `path:"id" doc:"Id of the media session, from Location."`
}

// begunOutput is a media session that has begun.
type begunOutput struct {
	ContentType string   `header:"Content-Type"`
	Location    string   `header:"Location"`
	ETag        string   `header:"ETag" doc:"Names the ICE session."`
	AcceptPatch string   `header:"Accept-Patch"`
	Link        []string `header:"Link" doc:"STUN and TURN servers (RFC 9725 section 4.6)."`
	Body        []byte
}

func (c *core) begun(location string, epoch, seq int64, answer string) *begunOutput {
	return &begunOutput{
		ContentType: sdpType, Location: location, ETag: etag(epoch, seq), AcceptPatch: sdpfrag.ContentType,
		Link: links(c.Settings.ICEServers), Body: []byte(answer),
	}
}

// etag names the ICE session that began with offer seq of an epoch.
func etag(epoch, seq int64) string { return fmt.Sprintf(`"%d.%d"`, epoch, seq) }

// links are ICE servers as links (RFC 9725 section 4.6), one a URL.
func links(servers []control.ICEServer) []string {
	var list []string
	for _, server := range servers {
		for _, url := range server.URLs {
			link := fmt.Sprintf(`<%s>; rel="ice-server"`, url)
			if server.Username != "" && strings.HasPrefix(url, "turn") { // turn: or turns:
				link += fmt.Sprintf(`; username=%s; credential=%s; credential-type="password"`,
					quoted(server.Username), quoted(server.Credential))
			}
			list = append(list, link)
		}
	}
	return list
}

// quoted is a quoted-string (RFC 9110 section 5.6.4).
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// patchInput is what a media session is PATCHed with.
type patchInput struct {
	MediaSessionPath
	IfMatch string `header:"If-Match" doc:"The ETag with candidates, * to restart ICE."`
	RawBody []byte `contentType:"application/trickle-ice-sdpfrag"`
}

type patchOutput struct {
	Status      int
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte
}
