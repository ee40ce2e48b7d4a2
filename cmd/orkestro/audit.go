package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/audit"
	"github.com/orkestro/orkestro/pkg/control"
)

// auditCommand is `orkestro audit`.
type auditCommand struct {
	Tail   tailAudit   `cmd:"" help:"Show what was done last, and by whom."`
	Verify verifyAudit `cmd:"" help:"Check that no entry was edited, removed or put in."`
}

// followPeriod is how often new entries are asked for. Chosen: soon for a person, nothing for the database.
const followPeriod = time.Second

// tailAudit is `orkestro audit tail`.
type tailAudit struct {
	apiFlags
	Follow bool          `help:"Go on with what is done from now on, until Ctrl-C."                      short:"f"`
	Object string        `help:"Only what was done to this object, such as session:ID or server:ID."`
	Since  time.Duration `help:"Only what was done so long ago or later, such as 2h."`
	Lines  int           `default:"20"                                                                   help:"At most so many, the last; 0: all." short:"n"` //nolint:lll // one flag, one line
	JSON   bool          `help:"Print one JSON document an entry."`
}

// Run implements the command.
func (c *tailAudit) Run(ctx context.Context, t terminal) error {
	filter := operator.AuditFilter{Object: c.Object}
	if c.Since > 0 {
		filter.Since = time.Now().Add(-c.Since)
	}
	client := c.client()
	head, err := client.LatestAudit(ctx, operator.AuditFilter{}, 1)
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	entries, err := client.LatestAudit(ctx, filter, c.Lines)
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	slices.Reverse(entries)
	var last int64
	for _, e := range slices.Concat(head, entries) {
		last = max(last, e.Seq)
	}
	for _, e := range entries {
		c.print(t.out, e)
	}
	if !c.Follow {
		return nil
	}
	return c.follow(ctx, t, client, operator.AuditFilter{Object: c.Object}, last)
}

// follow prints entries as they come. That the API cannot be reached for a while is said once.
func (c *tailAudit) follow(
	ctx context.Context, t terminal, client *operator.Client, filter operator.AuditFilter, last int64,
) error {
	ticker := time.NewTicker(followPeriod)
	defer ticker.Stop()
	failing := false
	for {
		err := client.EachAudit(ctx, filter, last, func(e control.AuditEntry) {
			last = e.Seq
			c.print(t.out, e)
		})
		if err != nil && ctx.Err() == nil && !failing {
			_, _ = fmt.Fprintln(t.err, "orkestro: read the audit, trying on:", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// print writes a line. A terminal that is gone ends the command by its signal.
func (c *tailAudit) print(w io.Writer, e control.AuditEntry) {
	if c.JSON {
		_ = json.NewEncoder(w).Encode(e)
		return
	}
	_, _ = fmt.Fprintf(w, "%s  %-20s  %-18s  %-28s  %-8s  %s\n",
		e.Time.Local().Format(time.DateTime), plain(e.Actor), plain(e.Action), plain(e.Object), plain(e.Result),
		plain(e.Reason))
}

// verifyAudit is `orkestro audit verify`.
type verifyAudit struct {
	apiFlags
	output
	Head []audit.Head `help:"SEQ:HASH that was printed before, and has to be in the chain. May be repeated." placeholder:"SEQ:HASH"` //nolint:lll // one flag, one line
}

// Help is printed by --help.
func (*verifyAudit) Help() string {
	return `Every entry holds the hash of the one before it. The head that is printed stands for all entries up to it:
keep it where nobody can reach it who can reach the database, and give it next time. Without it, the last entries may
have been cut off, or all of them written anew. The Wrapper that leads logs it every hour, too.

Exit status: 0 the chain holds, 1 it does not, 2 it cannot be read.`
}

// verification is what `orkestro audit verify` prints.
type verification struct {
	Entries  int64           `json:"entries"`
	Before   int64           `json:"before"` // entries of before there was a chain
	Head     string          `json:"head,omitempty"`
	Findings []audit.Finding `json:"findings"`
}

// Run implements the command.
func (c *verifyAudit) Run(ctx context.Context, t terminal) error {
	client, verifier, found := c.client(), audit.NewVerifier(c.Head...), verification{}
	err := client.EachAudit(ctx, operator.AuditFilter{}, 0, func(e control.AuditEntry) {
		found.Entries++
		verifier.Link(e)
	})
	if err == nil {
		err = client.EachLooseAudit(ctx, func(e control.AuditEntry) {
			found.Before++
			verifier.Outside(e)
		})
	}
	if err != nil {
		return &statusError{statusUsage, fmt.Errorf("read the audit: %w", err)}
	}
	found.Findings = verifier.Findings()
	if verifier.Head().Seq > 0 {
		found.Head = verifier.Head().String()
	}
	if err := c.show(t.out, found); err != nil {
		return err
	}
	if len(found.Findings) > 0 {
		return &statusError{statusFailed, errors.New("the audit was tampered with")}
	}
	return nil
}

func (c *verifyAudit) show(w io.Writer, found verification) error {
	if c.JSON {
		return c.print(w, found, nil)
	}
	if len(found.Findings) > 0 {
		rows := [][]string{{"FINDING", "SEQ", "ENTRY", "DETAIL"}}
		for _, f := range found.Findings {
			rows = append(rows, []string{f.Kind, strconv.FormatInt(f.Seq, 10), orDash(f.ID), f.Detail})
		}
		if err := writeTable(w, rows); err != nil {
			return err
		}
	}
	return writeTable(w, [][]string{
		{"entries", strconv.FormatInt(found.Entries, 10)},
		{"of before the chain", strconv.FormatInt(found.Before, 10)},
		{"findings", strconv.Itoa(len(found.Findings))},
		{"head", orDash(found.Head)},
	})
}
