package doctor

import (
	"fmt"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// relocationLate is how long after its time is up a move may still be under way. Chosen: longer than a Wrapper needs.
const relocationLate = 15 * time.Second

func (v view) checkSessions(r *result) {
	for id, sess := range v.sessions {
		r.Examined++
		object := sessionObject(id)
		switch {
		case sess.State == control.SessionClosing:
			r.add(ProblemStuckClosing, object, sess.CreatedBy, "is closing: "+sess.CloseReason)
			continue
		case sess.Pipeline == nil && len(sess.Users) > 0:
			r.add(ProblemUsersWithoutPipeline, object, "", fmt.Sprintf("%d users and no pipeline", len(sess.Users)))
		case sess.Relocation != nil && v.at.Sub(sess.Relocation.Until) > relocationLate:
			r.add(ProblemStuckRelocating, object, strconv.FormatInt(sess.Relocation.Epoch, 10), fmt.Sprintf(
				"being moved off %s since %s", sess.Relocation.From.Server, v.age(sess.Relocation.Since)))
		case v.outlived(sess):
			r.add(ProblemEmpty, object, sess.CreatedBy, fmt.Sprintf("nobody is in it since %s, its time is %s",
				v.age(*sess.EmptySince), sess.EmptyTimeout))
		}
		for _, user := range sess.Leaving {
			r.add(ProblemStuckLeaving, userObject(id, user.ID), string(user.Join), "is leaving: "+user.Leaving)
		}
	}
	for _, sess := range v.overdue {
		r.Examined++
		r.add(ProblemNotForgotten, sessionObject(sess.ID), "", "closed, and to be forgotten by now")
	}
}

// outlived reports whether a session is empty for longer than it wants, and once more: after an outage, in which nobody
// could have come back, the sweeper gives it its whole time again. One that does not say goes by a setting of the
// Wrappers.
func (v view) outlived(sess *control.Session) bool {
	return sess.EmptySince != nil && sess.EmptyTimeout > 0 &&
		v.at.Sub(*sess.EmptySince) > 2*sess.EmptyTimeout+v.settings.Pause
}

func (v view) checkUsers(r *result) {
	present := map[string]control.Presence{}
	for _, p := range v.presence {
		present[p.ID] = p
		v.checkPresence(r, p)
	}
	for id, sess := range v.sessions {
		for _, user := range sess.Users {
			r.Examined++
			if _, found := present[string(id)+"/"+string(user.ID)]; !found {
				r.add(ProblemNoPresence, userObject(id, user.ID), string(user.Join), "no record of when it was last heard of")
			}
		}
	}
	for _, n := range v.negotiations {
		switch {
		case !v.covers(n.Session):
		case n.Kind == control.View && (v.sessions[n.Session] == nil || v.sessions[n.Session].PipelineIn(n.Epoch) == nil):
			r.add(ProblemNegotiationLeft, "negotiation:"+n.ID, string(n.Join), "of a viewer of a pipeline that is gone")
		case n.Kind != control.View && !v.knows(n.Session, n.User):
			r.add(ProblemNegotiationLeft, "negotiation:"+n.ID, string(n.Join), "of a user that is not in the session")
		}
	}
}

// checkPresence finds records of nobody, and users that should have been taken out.
func (v view) checkPresence(r *result, p control.Presence) {
	idle := v.at.Sub(p.SeenAt)
	late := idle > v.settings.Grace+v.settings.Pause
	if !late || !v.covers(p.Session) {
		return
	}
	condition := p.SeenAt.String()
	if !v.knows(p.Session, p.User) {
		r.add(ProblemPresenceLeft, userObject(p.Session, p.User), condition, "last heard of "+short(idle)+" ago, and gone")
		return
	}
	r.add(ProblemIdle, userObject(p.Session, p.User), condition, "last heard of "+short(idle)+" ago")
}

// knows reports whether a user is in a live session, if only to be taken out.
func (v view) knows(session control.SessionID, id control.UserID) bool {
	sess := v.sessions[session]
	if sess == nil {
		return false
	}
	for _, user := range sess.Leaving {
		if user.ID == id {
			return true
		}
	}
	return sess.User(id) != nil
}
