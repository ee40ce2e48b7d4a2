package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	defaultRolloutPercent = 10
	defaultRolloutTimeout = time.Hour
	minRolloutTimeout     = time.Second
	maxRolloutTimeout     = 7 * 24 * time.Hour
)

// rollouts are the operations on rollouts.
type rollouts struct{ *core }

// Rollout is the replacement of the media servers that do not run a version, a share at a time.
//
//nolint:lll // one field, one line
type Rollout struct {
	ID        control.RolloutID    `json:"id"`
	To        string               `json:"to" doc:"The version that is to run."`
	Percent   int                  `json:"percent" doc:"The size of a share, of the servers that are to be replaced."`
	Timeout   string               `json:"timeout" doc:"How long the sessions of a share have, and then its replacements."`
	State     control.RolloutState `json:"state" enum:"running,paused,stopped,aborted,done" doc:"Stopped: it stopped itself, and may be resumed."`
	Reason    string               `json:"reason,omitempty" doc:"Why it stopped, or what it waits for."`
	StartedAt message.Time         `json:"startedAt"`
	StartedBy string               `json:"startedBy"`
	EndedAt   *message.Time        `json:"endedAt,omitempty"`
	Total     int                  `json:"total" doc:"Servers that were or are to be replaced."`
	Replaced  int                  `json:"replaced"`
	Share     *RolloutShare        `json:"share" doc:"The servers that are being replaced, null between two shares."`
	Failures  RolloutFailures      `json:"failures" doc:"What became of connections since it was started, or resumed."`
}

// RolloutShare is the servers that are being replaced now.
//
//nolint:lll // one field, one line
type RolloutShare struct {
	Number   int                  `json:"number" doc:"From 1."`
	Phase    control.RolloutPhase `json:"phase" enum:"draining,relocating,replacing"`
	Since    message.Time         `json:"since"`
	Deadline message.Time         `json:"deadline" doc:"When the sessions left are relocated; while replacing, when it stops for lack of replacements."`
	Servers  []RolloutServer      `json:"servers"`
}

// RolloutServer is a server of a share.
type RolloutServer struct {
	ID         control.MediaServerID      `json:"id"`
	Instance   control.InstanceID         `json:"instance"`
	Version    string                     `json:"version" doc:"The one that it is replaced for."`
	State      control.RolloutServerState `json:"state" enum:"draining,drained,replaced"`
	Remaining  int64                      `json:"remaining" doc:"Sessions that still have media there."`
	ReplacedBy control.MediaServerID      `json:"replacedBy,omitempty"`
}

// RolloutFailures compares the servers of other versions with those of the new one.
type RolloutFailures struct {
	Old control.RolloutOutcome `json:"old"`
	New control.RolloutOutcome `json:"new"`
}

// NewRollout is what POST /v1/admin/rollouts takes.
type NewRollout struct {
	To      string `json:"to" minLength:"1" maxLength:"128" doc:"The version that is to run, as servers show it."`
	Percent *int   `json:"percent,omitempty" minimum:"1" maximum:"100" doc:"The size of a share; else 10."`
	Timeout string `json:"timeout,omitempty" minLength:"1" doc:"1s to 168h; else 1h. See the timeout of a Rollout."`
}

type newRolloutOutput struct {
	Location string `header:"Location"`
	Body     Rollout
}

type rolloutOutput struct{ Body Rollout }

// RolloutPath is the path of a rollout.
type RolloutPath struct {
	ID control.RolloutID `path:"id" maxLength:"64" doc:"Id of the rollout."`
}

// start begins a rollout under the id of the call, so that one that is made again finds it.
func (r *rollouts) start(ctx context.Context, in *struct{ Body NewRollout }) (*newRolloutOutput, error) {
	timeout, err := durationOf("timeout", in.Body.Timeout, defaultRolloutTimeout, minRolloutTimeout, maxRolloutTimeout)
	if err != nil {
		return nil, err
	}
	now := r.Now().UTC()
	rollout := control.Rollout{
		ID: control.RolloutID(requestID(ctx)), To: in.Body.To, Percent: defaultRolloutPercent, Timeout: timeout,
		State: control.RolloutRunning, StartedAt: now, StartedBy: callOf(ctx).principal.Actor(), Since: now,
	}
	if in.Body.Percent != nil {
		rollout.Percent = *in.Body.Percent
	}
	err = r.Store.Rollouts.Insert(ctx, rollout)
	if errors.Is(err, store.ErrGuard) {
		err = r.occupied(ctx, rollout.ID)
	}
	err = r.audited(ctx, "rollout.start", rolloutObject(rollout.ID),
		fmt.Sprintf("to %s, %d%% at a time, %s each", rollout.To, rollout.Percent, rollout.Timeout), err)
	if err != nil {
		return nil, err
	}
	body, err := r.read(ctx, rollout.ID)
	return &newRolloutOutput{Location: "/v1/admin/rollouts/" + string(rollout.ID), Body: body}, err
}

// occupied is nil if it is the rollout of this call that is there already, and else says which one is.
func (r *rollouts) occupied(ctx context.Context, id control.RolloutID) error {
	live, err := r.Store.Rollouts.Live(ctx)
	switch {
	case err == nil && live.ID != id:
		return control.Errorf(control.CodeConflict, "rollout %s to %s is %s: only one can be live", live.ID, live.To,
			live.State)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	if _, err = r.Store.Rollouts.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return &control.Error{
			Code: control.CodeConflict, Detail: "another rollout has just ended", RetryAfter: time.Second,
		}
	}
	return err
}

func (r *rollouts) list(ctx context.Context, in *PageQuery) (*listOutput[Rollout], error) {
	before, err := in.after()
	if err != nil {
		return nil, err
	}
	found, err := r.Store.Rollouts.List(ctx, control.RolloutID(before), in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := make([]Rollout, len(found))
	for i := range found {
		if list[i], err = r.describe(ctx, found[i]); err != nil {
			return nil, err
		}
	}
	return pageOf(list, in.Limit, func(r Rollout) string { return string(r.ID) }), nil
}

func (r *rollouts) get(ctx context.Context, in *RolloutPath) (*rolloutOutput, error) {
	body, err := r.read(ctx, in.ID)
	return &rolloutOutput{Body: body}, err
}

func (r *rollouts) pause(ctx context.Context, in *RolloutPath) (*rolloutOutput, error) {
	return r.steer(ctx, "pause", in.ID, control.RolloutPaused, r.Store.Rollouts.Pause)
}

func (r *rollouts) resume(ctx context.Context, in *RolloutPath) (*rolloutOutput, error) {
	return r.steer(ctx, "resume", in.ID, control.RolloutRunning, func(ctx context.Context, id control.RolloutID) error {
		return r.Store.Rollouts.Resume(ctx, id, r.Now().UTC())
	})
}

func (r *rollouts) abort(ctx context.Context, in *RolloutPath) (*rolloutOutput, error) {
	return r.steer(ctx, "abort", in.ID, control.RolloutAborted, func(ctx context.Context, id control.RolloutID) error {
		return r.Store.Rollouts.Abort(ctx, id, r.Now().UTC())
	})
}

// steer brings a rollout into a state; one that is in it already stays as it is, so that a call may be made again.
func (r *rollouts) steer(
	ctx context.Context, doing string, id control.RolloutID, to control.RolloutState,
	change func(context.Context, control.RolloutID) error,
) (*rolloutOutput, error) {
	err := change(ctx, id)
	var body Rollout
	if err == nil || errors.Is(err, store.ErrGuard) {
		guard := err
		body, err = r.read(ctx, id)
		if err == nil && guard != nil && body.State != to {
			err = control.Errorf(control.CodeConflict, "the rollout is %s, it cannot become %s", body.State, to)
		}
	}
	return &rolloutOutput{Body: body}, r.audited(ctx, "rollout."+doing, rolloutObject(id), "", err)
}

func rolloutObject(id control.RolloutID) string { return "rollout:" + string(id) }

func (r *rollouts) read(ctx context.Context, id control.RolloutID) (Rollout, error) {
	found, err := r.Store.Rollouts.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Rollout{}, control.Errorf(control.CodeNotFound, "there is no rollout %q", id)
	}
	if err != nil {
		return Rollout{}, err
	}
	return r.describe(ctx, found)
}

func (r *rollouts) describe(ctx context.Context, found control.Rollout) (Rollout, error) {
	share, err := r.share(ctx, found)
	described := Rollout{
		ID: found.ID, To: found.To, Percent: found.Percent, Timeout: found.Timeout.String(), State: found.State,
		Reason: found.Reason, StartedAt: message.Time(found.StartedAt), StartedBy: found.StartedBy, Total: found.Total,
		Replaced: found.Replaced, Share: share, Failures: RolloutFailures{Old: found.Old, New: found.New},
	}
	if found.EndedAt != nil {
		described.EndedAt = new(message.Time(*found.EndedAt))
	}
	return described, err
}

// share is the share of a rollout, with what still runs on its servers.
func (r *rollouts) share(ctx context.Context, found control.Rollout) (*RolloutShare, error) {
	share := found.Share
	if share == nil || !found.State.Live() {
		return nil, nil //nolint:nilnil // there is none
	}
	described := &RolloutShare{
		Number: share.Number, Phase: share.Phase, Since: message.Time(share.Since), Deadline: message.Time(share.Until),
	}
	if share.Phase == control.RolloutReplacing && share.Drained != nil {
		described.Deadline = message.Time(share.Drained.Add(found.Timeout))
	}
	for _, s := range share.Servers {
		server := RolloutServer{
			ID: s.ID, Instance: s.Instance, Version: s.Version, State: s.State, ReplacedBy: s.ReplacedBy,
		}
		if s.State == control.RolloutServerDraining {
			var err error
			if server.Remaining, err = r.Store.Sessions.CountOnServer(ctx, s.ID); err != nil {
				return nil, fmt.Errorf("count what is left on %s: %w", s.ID, err)
			}
		}
		described.Servers = append(described.Servers, server)
	}
	return described, nil
}

// rolloutRoutes are those of operators who replace media servers.
func (c *core) rolloutRoutes(api huma.API) {
	r := &rollouts{c}
	add(api, "POST /v1/admin/rollouts", byKey, "Replace the media servers of other versions", 201, r.start)
	add(api, "GET /v1/admin/rollouts", byKey, "List rollouts, newest first", 200, r.list)
	add(api, "GET /v1/admin/rollouts/{id}", byKey, "Read a rollout", 200, r.get)
	add(api, "POST /v1/admin/rollouts/{id}/pause", byKey, "Begin no other share", 200, r.pause)
	add(api, "POST /v1/admin/rollouts/{id}/resume", byKey, "Go on with a rollout that is paused or stopped", 200,
		r.resume)
	add(api, "POST /v1/admin/rollouts/{id}/abort", byKey, "End a rollout, its old servers are active again", 200,
		r.abort)
}
