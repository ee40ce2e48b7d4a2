package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// sessionsCommand is `orkestro sessions`.
type sessionsCommand struct {
	List  listSessions  `aliases:"list" cmd:"" help:"List sessions."                     name:"ls"`
	Show  showSession   `               cmd:"" help:"Show a session and its users."      name:"show"`
	Close closeSessions `aliases:"close" cmd:"" help:"Close sessions, for everybody in them." name:"rm"`
}

// listSessions is `orkestro sessions ls`.
type listSessions struct {
	apiFlags
	output
	State  string `enum:",active,closing,closed" default:"" help:"Only sessions in this state: active, closing or closed. Without it closed ones are left out."` //nolint:lll // one flag, one line
	Server string `help:"Only sessions on this media server." placeholder:"ID"`
	Limit  int    `default:"0" help:"At most so many; 0 means all."`
}

// Run implements the command.
func (c *listSessions) Run(ctx context.Context, t terminal) error {
	filter := operator.SessionFilter{State: c.State, Server: c.Server, Limit: c.Limit}
	sessions, err := c.client().Sessions(ctx, filter)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	return c.print(t.out, sessions, func() [][]string {
		rows := [][]string{{"SESSION", "STATE", "USERS", "EPOCH", "SERVER", "AGE"}}
		for _, s := range sessions {
			rows = append(rows, []string{
				s.ID, s.State, strconv.Itoa(s.Users), strconv.FormatInt(s.Epoch, 10), orDash(s.Server()), age(s.CreatedAt),
			})
		}
		return rows
	})
}

// showSession is `orkestro sessions show`.
type showSession struct {
	apiFlags
	output
	ID string `arg:"" help:"Id of the session."`
}

// sessionDetails is what `sessions show --json` prints.
type sessionDetails struct {
	Session operator.Session `json:"session"`
	Users   []operator.User  `json:"users"`
}

// Run implements the command.
func (c *showSession) Run(ctx context.Context, t terminal) error {
	client := c.client()
	session, err := client.Session(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("show session %s: %w", c.ID, err)
	}
	users, err := client.Users(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("list the users of session %s: %w", c.ID, err)
	}
	if c.JSON {
		return c.print(t.out, sessionDetails{Session: session, Users: users}, nil)
	}
	return printSession(t.out, session, users)
}

func printSession(w io.Writer, s operator.Session, users []operator.User) error {
	facts := [][]string{
		{"session", s.ID},
		{"state", s.State},
		{"created", s.CreatedAt.Format(time.RFC3339)},
		{"epoch", strconv.FormatInt(s.Epoch, 10)},
		{"server", orDash(s.Server())},
		{"region", orDash(s.Region)},
		{"metadata", string(s.Metadata)},
	}
	if s.Pipeline != nil {
		facts = append(facts, []string{"pipeline", s.Pipeline.ID})
	}
	if err := writeTable(w, facts); err != nil {
		return err
	}
	rows := [][]string{{"USER", "NAME", "STATE", "JOINED", "STREAMS"}}
	for _, u := range users {
		streams := make([]string, 0, len(u.Streams))
		for _, stream := range u.Streams {
			text := strings.Join(stream.Kinds, "+")
			if stream.State != "active" {
				text += " (" + stream.State + ")"
			}
			streams = append(streams, text)
		}
		rows = append(rows, []string{u.ID, orDash(u.Name), u.State, age(u.JoinedAt), orDash(strings.Join(streams, ", "))})
	}
	_, _ = fmt.Fprintln(w)
	return writeTable(w, rows)
}

// closeSessions is `orkestro sessions rm`.
type closeSessions struct {
	apiFlags
	IDs []string `arg:"" help:"Ids of the sessions." name:"id"`
}

// Run implements the command. It stops at the first session that cannot be closed.
func (c *closeSessions) Run(ctx context.Context, t terminal) error {
	client := c.client()
	for _, id := range c.IDs {
		if err := client.CloseSession(ctx, id); err != nil {
			return fmt.Errorf("close session %s: %w", id, err)
		}
		_, _ = fmt.Fprintln(t.out, id)
	}
	return nil
}
