package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// rolloutCommand is `orkestro rollout`.
type rolloutCommand struct {
	Start  startRollout  `cmd:"" help:"Begin to replace the media servers of other versions, a share at a time."`
	Status showRollout   `cmd:"" help:"Show how far a rollout is."`
	Pause  pauseRollout  `cmd:"" help:"Begin no other share; the present one goes on."`
	Resume resumeRollout `cmd:"" help:"Go on with a rollout that is paused or has stopped itself."`
	Abort  abortRollout  `cmd:"" help:"End a rollout; its servers of other versions take sessions again."`
	List   listRollouts  `aliases:"list" cmd:"" help:"List rollouts, newest first." name:"ls"`
}

// startRollout is `orkestro rollout start`.
type startRollout struct {
	apiFlags
	output
	To      string        `help:"Version that is to run, as 'orkestro servers ls' shows it." required:""`
	Percent int           `default:"10" help:"Size of a share, in percent of the servers that are to be replaced."`
	Timeout time.Duration `default:"1h" help:"Time for the sessions of a share to end; those left are relocated. Then for new servers to come in its place."` //nolint:lll // one flag, one line
}

// Run implements the command.
func (c *startRollout) Run(ctx context.Context, t terminal) error {
	r, err := c.client().StartRollout(ctx, operator.NewRollout{
		To: c.To, Percent: c.Percent, Timeout: c.Timeout.String(),
	})
	if err != nil {
		return fmt.Errorf("start a rollout to %s: %w", c.To, err)
	}
	return printRollout(t.out, c.output, r)
}

// chosenRollout is the rollout that a command is about.
type chosenRollout struct {
	ID string `arg:"" help:"Id of the rollout; else the newest." name:"id" optional:""`
}

func (c chosenRollout) id(ctx context.Context, client *operator.Client) (string, error) {
	if c.ID != "" {
		return c.ID, nil
	}
	newest, err := client.Rollouts(ctx, 1)
	if err != nil {
		return "", err
	}
	if len(newest) == 0 {
		return "", errors.New("there was none so far")
	}
	return newest[0].ID, nil
}

// showRollout is `orkestro rollout status`.
type showRollout struct {
	apiFlags
	output
	chosenRollout
}

// Run implements the command.
func (c *showRollout) Run(ctx context.Context, t terminal) error {
	client := c.client()
	id, err := c.id(ctx, client)
	if err != nil {
		return fmt.Errorf("show a rollout: %w", err)
	}
	r, err := client.Rollout(ctx, id)
	if err != nil {
		return fmt.Errorf("show rollout %s: %w", id, err)
	}
	return printRollout(t.out, c.output, r)
}

// steering is what the commands that pause, resume and abort share.
type steering struct {
	apiFlags
	output
	chosenRollout
}

func (s *steering) do(ctx context.Context, t terminal, what string) error {
	client := s.client()
	id, err := s.id(ctx, client)
	if err != nil {
		return fmt.Errorf("%s a rollout: %w", what, err)
	}
	r, err := client.SteerRollout(ctx, id, what)
	if err != nil {
		return fmt.Errorf("%s rollout %s: %w", what, id, err)
	}
	return printRollout(t.out, s.output, r)
}

// pauseRollout is `orkestro rollout pause`.
type pauseRollout struct{ steering }

// Run implements the command.
func (c *pauseRollout) Run(ctx context.Context, t terminal) error { return c.do(ctx, t, "pause") }

// resumeRollout is `orkestro rollout resume`.
type resumeRollout struct{ steering }

// Run implements the command.
func (c *resumeRollout) Run(ctx context.Context, t terminal) error { return c.do(ctx, t, "resume") }

// abortRollout is `orkestro rollout abort`.
type abortRollout struct{ steering }

// Run implements the command.
func (c *abortRollout) Run(ctx context.Context, t terminal) error { return c.do(ctx, t, "abort") }

// listRollouts is `orkestro rollout ls`.
type listRollouts struct {
	apiFlags
	output
	Limit int `default:"20" help:"How many at most; 0: all."`
}

// Run implements the command.
func (c *listRollouts) Run(ctx context.Context, t terminal) error {
	rollouts, err := c.client().Rollouts(ctx, c.Limit)
	if err != nil {
		return fmt.Errorf("list rollouts: %w", err)
	}
	return c.print(t.out, rollouts, func() [][]string {
		rows := [][]string{{"ROLLOUT", "TO", "STATE", "REPLACED", "STARTED", "BY", "REASON"}}
		for _, r := range rollouts {
			rows = append(rows, []string{
				r.ID, r.To, r.State, fmt.Sprintf("%d of %d", r.Replaced, r.Total), age(r.StartedAt), r.StartedBy,
				orDash(r.Reason),
			})
		}
		return rows
	})
}

// printRollout prints one rollout, with the servers of its share.
func printRollout(w io.Writer, o output, r operator.Rollout) error {
	if o.JSON {
		return o.print(w, r, nil)
	}
	facts := [][]string{
		{"rollout", r.ID},
		{"to", r.To},
		{"state", r.State},
		{"reason", orDash(r.Reason)},
		{"replaced", fmt.Sprintf("%d of %d, %d%% at a time", r.Replaced, r.Total, r.Percent)},
		{"old servers", outcome(r.Failures.Old)},
		{"new servers", outcome(r.Failures.New)},
	}
	if s := r.Share; s != nil {
		facts = append(facts, []string{
			"share", fmt.Sprintf("%d, %s for %s, until %s", s.Number, s.Phase, age(s.Since),
				s.Deadline.Local().Format(time.DateTime)),
		})
	}
	if err := writeTable(w, facts); err != nil || r.Share == nil {
		return err
	}
	rows := [][]string{{"SERVER", "VERSION", "STATE", "SESSIONS LEFT", "REPLACED BY"}}
	for _, s := range r.Share.Servers {
		rows = append(rows, []string{s.ID, s.Version, s.State, strconv.Itoa(s.Remaining), orDash(s.ReplacedBy)})
	}
	_, _ = fmt.Fprintln(w)
	return writeTable(w, rows)
}

func outcome(o operator.RolloutOutcome) string {
	return fmt.Sprintf("%d connections made, %d failed, %d servers lost", o.Connected, o.Failed, o.ServersLost)
}
