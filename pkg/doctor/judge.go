package doctor

import (
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// heartbeatAge is when a heartbeat, sent every second or two, is stale; clockSlack how far ahead one may be.
	heartbeatAge = 10 * time.Second
	clockSlack   = 2 * time.Second
	// forgetSlack is how late the database may forget a closed session: MongoDB looks every minute.
	forgetSlack = 5 * time.Minute
)

// view is what the checks go by: one look, and the one before it, nil in the first.
type view struct {
	*sight
	before   *sight
	settings Settings
}

// judge compares what one look saw.
func judge(s, before *sight, settings Settings) *judgement {
	v := view{sight: s, before: before, settings: settings}
	checks := []struct {
		name, compares string
		check          func(*result)
	}{
		{"media-servers", "records of media servers, their heartbeats, and whether they answer", v.checkServers},
		{"replicas", "records of REST replicas and Wrappers, and their heartbeats", v.checkReplicas},
		{"sessions", "the state of each session", v.checkSessions},
		{"pipelines", "sessions with the pipelines on media servers, and their epochs", v.checkPipelines},
		{"endpoints", "connections with the endpoints on media servers", v.checkEndpoints},
		{"queues", "sessions with their queue, its consumers, and their exchange", v.checkQueues},
		{"leftovers", "queues, exchanges and bindings with sessions and users", v.checkLeftovers},
		{"users", "users with their presence and negotiations", v.checkUsers},
		{"dead-letters", "the dead-letter queue", v.checkDead},
		{"indexes", "the indexes of the database", v.checkIndexes},
	}
	j := &judgement{}
	for _, c := range checks {
		r := &result{Check: Check{Name: c.name, Compares: c.compares}}
		c.check(r)
		if s.last != "" && r.Left == "" {
			r.Left = "sessions after " + string(s.last) + ": there are more than were to be looked at"
		}
		j.checks = append(j.checks, r)
	}
	return j
}

func sessionObject(id control.SessionID) string    { return "session:" + string(id) }
func serverObject(id control.MediaServerID) string { return "server:" + string(id) }
func queueObject(name string) string               { return "queue:" + name }
func exchangeObject(name string) string            { return "exchange:" + name }
func userObject(s control.SessionID, u control.UserID) string {
	return "user:" + string(s) + "/" + string(u)
}
