package browser_test

import (
	"fmt"
	"time"
)

func at(offset time.Duration) string {
	return time.Now().Add(offset).UTC().Format("2006-01-02T15:04:05.000Z")
}

// fakeServer is a media server as the API lists it.
func fakeServer(id, version string, more object) object {
	s := object{
		"id": id, "instance": "0001-" + id, "version": version, "region": "eu-west", "url": "ws://10.0.0.1:8888/kurento",
		"availability": "active", "status": "up", "capacity": 200, "sessions": 12, "heartbeatAt": at(0),
		"load": object{"cpu": 1.27, "memoryBytes": 420 << 20, "pipelines": 12, "endpoints": 87, "bitrateIn": 18_400_000, "bitrateOut": 64_200_000},
	}
	for key, value := range more {
		s[key] = value
	}
	return s
}

func fakeSession(id, server string, more object) object {
	s := object{
		"id": id, "state": "active", "createdAt": at(-7 * time.Minute), "epoch": 1, "metadata": object{}, "maxUsers": 0,
		"region": "", "users": 4, "pipeline": object{"id": "p-" + id, "server": server},
	}
	for key, value := range more {
		s[key] = value
	}
	return s
}

func fakeReplica(id, service, version, state string) object {
	return object{"id": id, "service": service, "version": version, "state": state, "startedAt": at(-3 * time.Hour), "heartbeatAt": at(0)}
}

func fakeEntry(seq int, actor, action, target, reason, result string) object {
	return object{
		"id": fmt.Sprintf("entry-%d", seq), "time": at(time.Duration(seq-100) * time.Minute), "actor": actor, "action": action,
		"object": target, "reason": reason, "result": result, "seq": seq,
		"hash": fmt.Sprintf("%08xaa", seq), "previous": fmt.Sprintf("%08xaa", seq-1),
	}
}

// fakeRollout is one in the middle of its second share.
func fakeRollout(state string, more object) object {
	r := object{
		"id": "0198c0de", "to": "v1.3.0", "percent": 25, "timeout": "1h0m0s", "state": state, "startedAt": at(-50 * time.Minute),
		"startedBy": "key:ops", "total": 4, "replaced": 1,
		"share": object{
			"number": 2, "phase": "draining", "since": at(-20 * time.Minute), "deadline": at(40 * time.Minute),
			"servers": []object{
				{"id": "media-2", "instance": "0001-media-2", "version": "v1.2.9", "state": "draining", "remaining": 7},
				{"id": "media-3", "instance": "0001-media-3", "version": "v1.2.9", "state": "replaced", "remaining": 0, "replacedBy": "media-3b"},
			},
		},
		"failures": object{
			"old": object{"connected": 1830, "failed": 21, "serversLost": 0},
			"new": object{"connected": 402, "failed": 3, "serversLost": 0},
		},
	}
	for key, value := range more {
		r[key] = value
	}
	return r
}

// setUp has the API tell of a fleet between two releases.
func (s *stage) setUp() {
	draining := object{"since": at(-20 * time.Minute), "deadline": at(40 * time.Minute), "then": "relocate", "by": "rollout:0198c0de", "remaining": 7, "waiting": "no server of its region has room"}
	s.says("/v1/admin/servers", items(
		fakeServer("media-1", "v1.3.0", object{"membership": object{"state": "admitted", "expiresAt": at(24 * time.Hour)}}),
		fakeServer("media-2", "v1.2.9", object{"availability": "draining", "drain": draining, "sessions": 7}),
		fakeServer("media-3b", "v1.3.0", object{"status": "suspect", "membership": object{"state": "refused", "reason": "its token is for version v1.2.0"}}),
		fakeServer("media-4", "v1.2.9", object{"status": "down", "heartbeatAt": at(-90 * time.Second), "sessions": 0}),
		fakeServer("media-5", "v1.2.9", object{"availability": "drained", "sessions": 0, "drain": object{
			"since": at(-20 * time.Minute), "deadline": at(-time.Minute), "then": "wait", "by": "key:ops", "remaining": 0,
		}}),
	))
	s.says("/v1/sessions", items(
		fakeSession("daily-standup", "media-1", nil),
		fakeSession("lesson-7", "media-3b", object{"epoch": 3, "maxUsers": 30, "users": 28, "region": "eu-west", "relocation": object{
			"from": "media-2", "since": at(-2 * time.Second), "until": at(13 * time.Second),
		}}),
		fakeSession("support-0193", "", object{"pipeline": nil, "users": 0, "epoch": 0}),
		fakeSession("town-hall", "media-2", object{"state": "closing"})))
	s.says("/v1/admin/replicas", items(fakeReplica("rest-7d9f-1", "restapi", "v1.3.0", "ready"), fakeReplica("rest-7d9f-2", "restapi", "v1.2.9", "stopping"),
		fakeReplica("wrapper-58c-1", "wrapper", "v1.3.0", "ready"), fakeReplica("wrapper-58c-2", "wrapper", "v1.2.9", "unready")))
	s.says("/v1/admin/membership", object{"enabled": true, "key": "ed25519:Zm9v", "generation": 3, "issuedAt": at(-time.Hour), "accepts": []object{
		{"generation": 2, "key": "ed25519:YmFy", "until": at(time.Hour)}, {"generation": 3, "key": "ed25519:YmF6"},
	}})
	s.says("/v1/admin/rollouts", items(fakeRollout("running", nil), fakeRollout("stopped", object{
		"id": "0198aaaa", "to": "v1.2.8", "state": "aborted", "reason": "", "endedAt": at(-26 * time.Hour), "startedAt": at(-27 * time.Hour),
	})))
	s.says("/v1/admin/audit", items(
		fakeEntry(99, "wrapper:wrapper-58c-1", "session.relocate", "session:lesson-7", "media-2 is drained", "ok"),
		fakeEntry(98, "wrapper:wrapper-58c-1", "rollout.step", "rollout:0198c0de", "share 2: media-2, media-3", "ok"),
		fakeEntry(97, "wrapper:wrapper-58c-2", "server.refuse", "server:media-3b", "its token is for version v1.2.0", "forbidden"),
		fakeEntry(96, "key:ops", "rollout.start", "rollout:0198c0de", "to v1.3.0", "ok"),
		fakeEntry(95, "key:backend", "session.create", "session:lesson-7", "", "ok")))
}
