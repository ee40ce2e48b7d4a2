package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

func (v view) checkPipelines(r *result) {
	for id, sess := range v.sessions {
		if sess.State == control.SessionActive && sess.Pipeline != nil {
			r.Examined++
			v.checkPipelineOf(r, id, sess)
		}
	}
	for _, server := range v.servers {
		for _, p := range v.held[server.ID].pipelines {
			r.Examined++
			v.checkPipelineOn(r, server, p)
		}
	}
	r.Left = v.unasked()
}

// checkPipelineOf looks for the pipeline that a session says it has.
func (v view) checkPipelineOf(r *result, id control.SessionID, sess *control.Session) {
	ref := *sess.Pipeline
	object, condition := sessionObject(id), strconv.FormatInt(sess.Epoch, 10)
	at := slices.IndexFunc(v.servers, func(s control.MediaServer) bool { return s.ID == ref.Server })
	if at < 0 {
		r.add(ProblemPipelineLost, object, condition, "its pipeline is on "+string(ref.Server)+", which is not registered")
		return
	}
	server, h := v.servers[at], v.held[ref.Server]
	there := slices.IndexFunc(h.pipelines, func(p mediaapi.FleetPipeline) bool { return p.ID == ref.ID })
	switch {
	case server.Status == control.StatusDown:
		r.add(ProblemPipelineLost, object, condition, "its pipeline is on "+string(ref.Server)+", which is down")
	case ref.Instance != server.Instance:
		r.add(ProblemPipelineLost, object, condition, "its pipeline went with an earlier life of "+string(ref.Server))
	case h.err != nil: // told of the server
	case there < 0:
		r.add(ProblemPipelineLost, object, condition, string(ref.Server)+" does not have its pipeline "+ref.ID)
	case h.pipelines[there].Epoch != sess.Epoch:
		r.add(ProblemEpoch, object, condition, fmt.Sprintf("it is at epoch %d, its pipeline %s on %s at %d",
			sess.Epoch, ref.ID, ref.Server, h.pipelines[there].Epoch))
	}
}

// checkPipelineOn looks for the session of a pipeline that a server has.
func (v view) checkPipelineOn(r *result, server control.MediaServer, p mediaapi.FleetPipeline) {
	if !v.covers(p.Session) {
		return
	}
	sess := v.sessions[p.Session]
	if sess != nil && has(sess, server, p) {
		return
	}
	detail := fmt.Sprintf("%s has it for epoch %d of session %s, ", server.ID, p.Epoch, p.Session)
	switch {
	case sess == nil:
		detail += "which is not there"
	case sess.Pipeline == nil:
		detail += "which has none"
	default:
		detail += fmt.Sprintf("which is at epoch %d with %s on %s", sess.Epoch, sess.Pipeline.ID, sess.Pipeline.Server)
	}
	r.add(ProblemPipelineUnwanted, "pipeline:"+p.ID, "", detail)
}

// has reports whether a pipeline on a server is a live one of the session: it has two while it is being moved.
func has(sess *control.Session, server control.MediaServer, p mediaapi.FleetPipeline) bool {
	return slices.ContainsFunc(sess.Pipelines(), func(ref control.PipelineRef) bool {
		return ref.ID == p.ID && ref.Server == server.ID
	})
}

func (v view) checkEndpoints(r *result) {
	for _, server := range v.servers {
		h := v.held[server.ID]
		wanted := map[string]*control.Session{} // by pipeline
		for _, p := range h.pipelines {
			if sess := v.sessions[p.Session]; sess != nil && has(sess, server, p) {
				wanted[p.ID] = sess
			}
		}
		there := map[string]bool{}
		for _, e := range h.endpoints {
			there[e.ID] = true
			if sess := wanted[e.Pipeline]; sess != nil {
				r.Examined++
				checkEndpointOn(r, server, sess, e)
			}
		}
		for pipeline, sess := range wanted {
			if pipeline == sess.Pipeline.ID { // those of one that it is being moved from are going
				checkEndpointsOf(r, server, sess, there)
			}
		}
	}
	r.Left = v.unasked()
}

// checkEndpointOn looks for the connection of an endpoint that a server has.
func checkEndpointOn(r *result, server control.MediaServer, sess *control.Session, e mediaapi.FleetEndpoint) {
	for _, c := range sess.Connections {
		if c.Endpoint.ID == e.ID {
			return
		}
	}
	r.add(ProblemEndpointUnwanted, "endpoint:"+e.ID, "", fmt.Sprintf(
		"%s has it for user %s of session %s under join %s, and no connection names it", server.ID, e.User, sess.ID, e.Join))
}

// checkEndpointsOf looks for the endpoints that the connections of a session say they have.
func checkEndpointsOf(r *result, server control.MediaServer, sess *control.Session, there map[string]bool) {
	for _, c := range sess.Connections {
		if c.Epoch == sess.Epoch && c.Endpoint.ID != "" && !there[c.Endpoint.ID] {
			r.Examined++
			r.add(ProblemEndpointLost, userObject(sess.ID, c.User), c.Endpoint.ID, fmt.Sprintf(
				"%s does not have the endpoint %s of its %s connection", server.ID, c.Endpoint.ID, c.Kind))
		}
	}
}

// unasked says which servers could not be compared.
func (v view) unasked() string {
	var names []string
	for _, server := range v.servers {
		if v.held[server.ID].err != nil && server.Status != control.StatusDown {
			names = append(names, string(server.ID))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "what is on " + strings.Join(names, ", ") + ": not reached from here"
}
