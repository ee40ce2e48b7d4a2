package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/membership"
)

// rotateKey is `orkestro membership rotate`.
//
//nolint:lll // one flag, one line
type rotateKey struct {
	URL    string `default:"http://127.0.0.1:8080" env:"ORKESTRO_URL" help:"Address of the fleet's HTTP API."`
	APIKey string `name:"api-key" default:"devkey" env:"ORKESTRO_KEY" help:"Secret of an API key."`

	Key      string        `help:"File of the private key that counts now." placeholder:"FILE" required:""`
	Overlap  time.Duration `default:"1h" help:"How long tokens of before go on counting: long enough to give every media server a new file."`
	Versions []string      `help:"Versions that media servers may have from then on, comma separated. Default: as before."`
	Out      string        `help:"File of the new private key, with the manifest beside it in FILE.manifest; they must not be there yet. Default: membership-GENERATION.key." placeholder:"FILE"`
}

// Run implements the command. The files are written before the manifest is stored: a key that counts is never lost.
func (c *rotateKey) Run(ctx context.Context, t terminal) error {
	old, err := readKey(c.Key)
	if err != nil {
		return err
	}
	if c.Overlap < 0 {
		return fmt.Errorf("--overlap: 0s or more is needed, not %s", c.Overlap)
	}
	client := operator.New(c.URL, c.APIKey)
	current, err := client.Membership(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read which tokens count: %w", err)
	case !current.Enabled:
		return errors.New("this fleet has no membership key configured")
	case current.Manifest.Key() != membership.KeyOf(old):
		return fmt.Errorf("--key: %s is not the key that counts now, which is %s", c.Key, current.Manifest.Key())
	}
	if c.Out == "" {
		c.Out = fmt.Sprintf("membership-%d.key", current.Generation+1)
	}
	fresh, err := newKeyFile(c.Out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	next := current.Next(membership.KeyOf(fresh), time.Now(), c.Overlap)
	if len(c.Versions) > 0 {
		next.Versions = c.Versions
	}
	document, err := next.Sign(old, fresh)
	if err != nil {
		return fmt.Errorf("sign the manifest: %w", err)
	}
	if err := writeNew(c.Out+".manifest", []byte(document+"\n")); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if _, err := client.PutManifest(ctx, document); err != nil {
		return fmt.Errorf("store the manifest (again by 'orkestro membership publish %s.manifest'): %w", c.Out, err)
	}
	return c.sayNext(t, next)
}

func (c *rotateKey) sayNext(t terminal, next membership.Manifest) error {
	_, err := fmt.Fprintf(t.out, `Generation %[1]d counts now; earlier tokens do for %[2]s more. Until then:
1. For each media server: orkestro membership sign --key %[3]s --generation %[1]d --server ID --release V
   and put the file in the place of its old one. It is noticed within half a minute, without a restart.
2. orkestro servers ls: every server should be a member with a new expiry.
3. Give REST replicas and Wrappers the new key, and restart them one after the other:
   ORKESTRO_MEMBERSHIP_KEY=%[4]s
4. Destroy the old private key.
`, next.Generation, c.Overlap, c.Out, next.Key())
	return err
}

// publishManifest is `orkestro membership publish`.
type publishManifest struct {
	apiFlags
	File string `arg:"" help:"File that 'orkestro membership rotate' wrote."`
}

// Run implements the command.
func (c *publishManifest) Run(ctx context.Context, t terminal) error {
	document, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	current, err := c.client().PutManifest(ctx, strings.TrimSpace(string(document)))
	if err != nil {
		return fmt.Errorf("store the manifest: %w", err)
	}
	_, err = fmt.Fprintf(t.out, "Generation %d counts now.\n", current.Generation)
	return err
}

// showMembership is `orkestro membership show`.
type showMembership struct {
	apiFlags
	output
}

// Run implements the command.
func (c *showMembership) Run(ctx context.Context, t terminal) error {
	m, err := c.client().Membership(ctx)
	if err != nil {
		return fmt.Errorf("read which tokens count: %w", err)
	}
	if !m.Enabled && !c.JSON {
		_, err := fmt.Fprintln(t.out, "This fleet asks for no membership: every media server is given sessions.")
		return err
	}
	return c.print(t.out, m, func() [][]string {
		rows := [][]string{{"GENERATION", "KEY", "UNTIL"}}
		for _, a := range m.Accepts {
			until := "-"
			if a.Until != nil {
				until = a.Until.Local().Format(time.DateTime)
			}
			rows = append(rows, []string{fmt.Sprint(a.Generation), string(a.Key), until})
		}
		return rows
	})
}
