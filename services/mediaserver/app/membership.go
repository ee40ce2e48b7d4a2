package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	nouns "github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// renewPeriod is how long a new membership file goes unnoticed. Chosen: far below the life of a token.
	renewPeriod = 30 * time.Second
	// renewTimeout bounds showing it.
	renewTimeout = 5 * time.Second
	// expiryNotice is how long before its end an operator should renew a token.
	expiryNotice = 48 * time.Hour
)

// readCredential reads a file of `orkestro membership sign`.
func readCredential(path string) (membership.Credential, error) {
	file, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return membership.Credential{}, err
	}
	return membership.ParseCredential(file)
}

// present gives the record of a server what makes it a member.
func (c *Config) present(server *nouns.MediaServer) error {
	if c.MembershipFile == "" {
		return nil
	}
	credential, err := readCredential(c.MembershipFile)
	if err != nil {
		return fmt.Errorf("--membership-file (ORKESTRO_MEMBERSHIP_FILE): %w", err)
	}
	server.Membership = credential.Present(*server)
	return nil
}

// renewMembership shows the fleet a membership file that is replaced while the server runs, until ctx ends.
func (f *fleet) renewMembership(ctx context.Context, servers *store.MediaServers) {
	if f.cfg.MembershipFile == "" {
		return
	}
	ticker := time.NewTicker(renewPeriod)
	defer ticker.Stop()
	var last string // what was wrong in the last round
	for {
		problem := f.showMembership(ctx, servers, time.Now())
		if problem != "" && problem != last && ctx.Err() == nil {
			f.log.Warn("membership", slog.String("reason", problem))
		}
		last = problem
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// showMembership is one round; it returns what an operator should mend.
func (f *fleet) showMembership(ctx context.Context, servers *store.MediaServers, now time.Time) string {
	credential, err := readCredential(f.cfg.MembershipFile)
	if err != nil {
		return "the file cannot be read: " + err.Error()
	}
	token := credential.Token
	if problem := unfit(token, f.server); problem != "" { // what is shown now may be good
		return problem
	}
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	err = servers.SetMembership(ctx, f.server.ID, f.server.Instance, *credential.Present(f.server))
	switch {
	case err == nil:
		f.log.Info("membership renewed", slog.Time("expires", token.Expires))
	case !errors.Is(err, store.ErrGuard): // nor is it there already
		f.log.Debug("membership cannot be shown", slog.Any(logging.KeyError, err))
	case now.Add(expiryNotice).After(token.Expires):
		return fmt.Sprintf("the token expires at %s", token.Expires.Format(time.RFC3339))
	}
	return ""
}

// unfit is why a token cannot be that of a server, "" if it can.
func unfit(token membership.Token, server nouns.MediaServer) string {
	switch {
	case token.Version != server.Version:
		return fmt.Sprintf("the token is for version %s, this is %s", token.Version, server.Version)
	case !token.Names(server.ID):
		return fmt.Sprintf("the token is for server %s, this is %s", token.Server, server.ID)
	default:
		return ""
	}
}

// registry enters what it registers into the audit.
type registry struct {
	*store.MediaServers
	audit *store.Audit
	file  string // of the server's membership, "": none
}

// Register implements [announce.Registry]. It is one entry for each life of a process.
func (r registry) Register(ctx context.Context, server nouns.MediaServer) error {
	if r.file != "" { // it may have been replaced since the process began
		if credential, err := readCredential(r.file); err == nil && unfit(credential.Token, server) == "" {
			server.Membership = credential.Present(server)
		}
	}
	if err := r.MediaServers.Register(ctx, server); err != nil {
		return err
	}
	return r.audit.Append(ctx, nouns.AuditEntry{
		ID: nouns.DeriveID(string(server.Instance), "server.register"), Time: server.StartedAt,
		Actor: "server:" + string(server.ID), Action: "server.register", Object: "server:" + string(server.ID),
		Reason: fmt.Sprintf("version %s at %s, instance %s", server.Version, server.URL, server.Instance), Result: "ok",
	})
}
