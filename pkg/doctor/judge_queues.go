package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

func (v view) checkQueues(r *result) {
	wrappers := 0
	for _, replica := range v.replicas {
		if replica.Service == "wrapper" && v.alive(replica) {
			wrappers++
		}
	}
	r.Examined++
	v.checkConsumers(r, message.WrapperQueue, wrappers)
	for id, sess := range v.sessions {
		if sess.State != control.SessionActive {
			continue
		}
		r.Examined += 2 + len(sess.Users)
		v.checkConsumers(r, message.SessionQueue(id).Name, wrappers)
		if exchange := message.SessionExchange(id); !v.exchanges[exchange] {
			r.add(ProblemNoExchange, exchangeObject(exchange), "", "it is not there")
		}
		for _, user := range sess.Users {
			v.checkUserQueue(r, sess, user)
		}
	}
}

// checkConsumers judges a queue that every Wrapper takes from.
func (v view) checkConsumers(r *result, queue string, wrappers int) {
	info := v.queues[queue]
	switch {
	case info == nil:
		r.add(ProblemNoQueue, queueObject(queue), "", "it is not there")
	case info.Consumers == 0:
		r.add(ProblemUnread, queueObject(queue), "", fmt.Sprintf("no Wrapper takes from it, %d messages wait", info.Messages))
	case info.Consumers < wrappers:
		r.add(ProblemPartlyRead, queueObject(queue), "",
			fmt.Sprintf("%d of %d Wrappers take from it", info.Consumers, wrappers))
	}
}

// checkUserQueue judges the queue of a user that was heard of lately, so that it polls: others get their queue again
// when they come back. A user with a connection counts as heard of even if it does not poll; one that WHIP brought in
// never does.
func (v view) checkUserQueue(r *result, sess *control.Session, user control.User) {
	name := message.UserQueue(sess.ID, user.ID).Name
	if v.queues[name] != nil || user.Protocol != control.ProtocolAPI {
		return
	}
	for _, c := range sess.Connections {
		if c.User == user.ID && c.State == control.ConnectionConnected {
			return
		}
	}
	id := string(sess.ID) + "/" + string(user.ID)
	for _, p := range v.presence {
		if p.ID == id && v.at.Sub(p.SeenAt) < v.settings.Grace/2 {
			r.add(ProblemNoUserQueue, queueObject(name), string(user.Join), "it is not there although its user polls")
		}
	}
}

// checkLeftovers compares all there is on the broker with what has to be there. Queues that expire go by themselves.
func (v view) checkLeftovers(r *result) {
	if v.survey == nil {
		r.Left = "all of it: only RabbitMQ's management API can list queues (--rabbitmq-management-url)"
		return
	}
	for _, queue := range v.survey.Queues {
		r.Examined++
		session, found := strings.CutPrefix(queue.Name, sessionPrefix)
		if id := control.SessionID(session); found && v.covers(id) && v.sessions[id] == nil {
			r.add(ProblemQueueLeft, queueObject(queue.Name), "", "there is no such session")
		}
		v.checkLeftUser(r, queue.Name)
	}
	for _, exchange := range v.survey.Exchanges {
		r.Examined++
		session, found := strings.CutSuffix(strings.TrimPrefix(exchange, sessionPrefix), exchangeSuffix)
		if id := control.SessionID(session); found && v.covers(id) && v.sessions[id] == nil {
			r.add(ProblemExchangeLeft, exchangeObject(exchange), "", "there is no such session")
		}
	}
	v.checkBindings(r)
}

// checkLeftUser finds the queue of somebody who is not in a live session. Those of closed sessions are still read.
func (v view) checkLeftUser(r *result, queue string) {
	rest, found := strings.CutPrefix(queue, userPrefix)
	if !found {
		return
	}
	session, user, _ := strings.Cut(rest, "/")
	sess := v.sessions[control.SessionID(session)]
	if sess != nil && !v.knows(sess.ID, control.UserID(user)) {
		r.add(ProblemUserQueueLeft, queueObject(queue), "", "the session has no such user")
	}
}

// checkBindings finds users whose queue does not get what everybody gets.
func (v view) checkBindings(r *result) {
	for id, sess := range v.sessions {
		bound := v.survey.Bound[message.SessionExchange(id)]
		for _, user := range sess.Users {
			queue := message.UserQueue(id, user.ID).Name
			if sess.State == control.SessionActive && v.queues[queue] != nil && !slices.Contains(bound, queue) {
				r.add(ProblemUnbound, queueObject(queue), string(user.Join), "it is not bound to the session's exchange")
			}
		}
	}
}

const (
	sessionPrefix  = "orkestro.session."
	exchangeSuffix = ".users"
	userPrefix     = "orkestro.user."
)
