package doctor

// Problem is a kind of finding.
type Problem string

// Everything that can be found.
const (
	ProblemServerDown           Problem = "server-down"
	ProblemServerUnreachable    Problem = "server-unreachable"
	ProblemServerReplaced       Problem = "server-replaced"
	ProblemNoServer             Problem = "no-media-server"
	ProblemStale                Problem = "stale-heartbeat"
	ProblemClockSkew            Problem = "clock-skew"
	ProblemNoReplica            Problem = "no-replica"
	ProblemUnready              Problem = "replica-unready"
	ProblemStuckClosing         Problem = "stuck-closing"
	ProblemStuckLeaving         Problem = "stuck-leaving"
	ProblemStuckRelocating      Problem = "stuck-relocating"
	ProblemUsersWithoutPipeline Problem = "users-without-pipeline"
	ProblemEmpty                Problem = "empty-session-left"
	ProblemNotForgotten         Problem = "session-not-forgotten"
	ProblemPipelineLost         Problem = "pipeline-lost"
	ProblemPipelineUnwanted     Problem = "pipeline-unwanted"
	ProblemEpoch                Problem = "epoch-mismatch"
	ProblemEndpointLost         Problem = "endpoint-lost"
	ProblemEndpointUnwanted     Problem = "endpoint-unwanted"
	ProblemNoQueue              Problem = "queue-missing"
	ProblemNoExchange           Problem = "exchange-missing"
	ProblemUnread               Problem = "queue-unread"
	ProblemPartlyRead           Problem = "queue-partly-read"
	ProblemNoUserQueue          Problem = "user-queue-missing"
	ProblemUnbound              Problem = "user-queue-unbound"
	ProblemQueueLeft            Problem = "queue-left"
	ProblemExchangeLeft         Problem = "exchange-left"
	ProblemUserQueueLeft        Problem = "user-queue-left"
	ProblemNoPresence           Problem = "presence-missing"
	ProblemPresenceLeft         Problem = "presence-left"
	ProblemIdle                 Problem = "idle-user-left"
	ProblemNegotiationLeft      Problem = "negotiation-left"
	ProblemDead                 Problem = "dead-letters"
	ProblemIndex                Problem = "index-missing"
)

// explanation is what a problem means and what to do about it.
type explanation struct{ meaning, advice string }

// explain is in the words of somebody who runs the fleet.
func explain(p Problem) explanation {
	for _, part := range []map[Problem]explanation{
		replicaExplanations(), sessionExplanations(), queueExplanations(), storeExplanations(),
	} {
		if told, found := part[p]; found {
			return told
		}
	}
	return explanation{meaning: "see the detail", advice: "look at the logs of the Wrappers"}
}

const (
	loopLate  = "the slow loop of the Wrappers mends it; that it did not means that it fails: see warnings in their logs"
	sweepLate = "the sweeper of the Wrappers ends it; that it did not means that it fails: see warnings in their logs"
	byHand    = "nothing reads it: delete it in RabbitMQ (rabbitmqctl delete_queue, or the management page)"
)

func replicaExplanations() map[Problem]explanation {
	return map[Problem]explanation{
		ProblemServerDown: {
			"the fleet has given the server up and moved its sessions",
			"start it again; if it is not to come back, remove its record: db.mediaservers.deleteOne({_id: ID})",
		},
		ProblemServerUnreachable: {
			"it cannot be compared; if the Wrappers do not reach it either, its sessions are about to be moved",
			"check from here and from the Wrappers that its URL answers",
		},
		ProblemServerReplaced: {
			"the record and the process are of two lives of the server, or two servers share one address",
			"give each media server an id and a URL of its own; restart the one at that URL",
		},
		ProblemNoServer: {
			"nobody can join",
			"start a media server with the same --mongo-url",
		},
		ProblemStale: {
			"the process is gone, frozen, or cannot write to the database",
			"start it again; a record of a replica that is gone for good can be deleted from its collection",
		},
		ProblemClockSkew: {
			"heartbeats are judged by clocks: users may be taken out too early or too late",
			"have both machines keep time (NTP); if all are skewed alike, it is this machine",
		},
		ProblemNoReplica: {
			"requests are not taken, or not handled",
			"start at least one, with --amqp-url and --mongo-url",
		},
		ProblemUnready: {
			"it lacks something that it needs, and does not take requests",
			"its /readyz says what is missing",
		},
	}
}

func sessionExplanations() map[Problem]explanation {
	return map[Problem]explanation{
		ProblemStuckClosing: {
			"its media and queues may still be there, its id is not free",
			sweepLate,
		},
		ProblemStuckLeaving: {
			"its place is not free and the others may not know that it left",
			"remove it again: DELETE /v1/sessions/{sid}/users/{uid}",
		},
		ProblemStuckRelocating: {
			"the media server that it leaves does not become empty",
			loopLate,
		},
		ProblemUsersWithoutPipeline: {
			"its users have no media",
			"have one of them rejoin, or close the session",
		},
		ProblemEmpty: {
			"it takes up a queue on the broker",
			sweepLate,
		},
		ProblemNotForgotten: {
			"its id is not free",
			"the index sessions(expireAt) is missing, or the database does not expire",
		},
		ProblemPipelineLost: {
			"its users have no media",
			loopLate,
		},
		ProblemPipelineUnwanted: {
			"it takes up memory; users still connected to it do not hear the others",
			loopLate,
		},
		ProblemEpoch: {
			"offers to it are refused as stale",
			"close the session; keep its audit and the logs, this must not happen",
		},
		ProblemEndpointLost: {
			"this connection has no media until its user offers again or rejoins",
			"have the user rejoin",
		},
		ProblemEndpointUnwanted: {
			"it takes up memory and a connection",
			loopLate,
		},
	}
}

func queueExplanations() map[Problem]explanation {
	return map[Problem]explanation{
		ProblemNoQueue: {
			"no request of this session is taken (503)",
			"Wrappers make it again: look at whether they run and reach RabbitMQ",
		},
		ProblemNoExchange: {
			"what concerns everybody reaches nobody",
			"the next message to everybody makes it again, with a sync for each user",
		},
		ProblemUnread: {
			"requests wait and then fail (503)",
			"look at whether Wrappers run, are ready, and reach RabbitMQ",
		},
		ProblemPartlyRead: {
			"the others carry its load",
			"look at the logs of the Wrappers for the subscription; restart the one without it",
		},
		ProblemNoUserQueue: {
			"its polls get nothing",
			"its next poll makes it again with a sync: look at the logs of the REST replicas",
		},
		ProblemUnbound: {
			"its user gets only what is sent to it alone",
			"have the user rejoin",
		},
		ProblemQueueLeft: {
			"it takes up memory on the broker",
			byHand,
		},
		ProblemExchangeLeft: {
			"it takes up memory on the broker",
			"delete it in RabbitMQ (management page)",
		},
		ProblemUserQueueLeft: {
			"it fills up until it expires",
			"it goes by itself 30 minutes after its last reader",
		},
		ProblemDead: {
			"requests or media events had no effect",
			"orkestro dead ls, then replay or drop them",
		},
	}
}

func storeExplanations() map[Problem]explanation {
	return map[Problem]explanation{
		ProblemNoPresence: {
			"its user is never taken out when it goes silent",
			"remove the user when it is gone: DELETE /v1/sessions/{sid}/users/{uid}",
		},
		ProblemPresenceLeft: {
			"a record of nobody",
			sweepLate,
		},
		ProblemIdle: {
			"others see somebody who is gone",
			sweepLate,
		},
		ProblemNegotiationLeft: {
			"a record of nobody",
			"delete it: db.negotiations.deleteOne({_id: ID})",
		},
		ProblemIndex: {
			"reads become slow, and what expires stays",
			"restart any service: it makes all indexes",
		},
	}
}
