package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/membership"
)

// membershipCommand is `orkestro membership`.
type membershipCommand struct {
	Keygen  generateKey     `cmd:"" help:"Make the key of a fleet."`
	Sign    signToken       `cmd:"" help:"Make the membership file of a media server."`
	Verify  verifyToken     `cmd:"" help:"Check the membership file of a media server."`
	Rotate  rotateKey       `cmd:"" help:"Replace the key: tokens of before count for a while and then no more."`
	Publish publishManifest `cmd:"" help:"Store a manifest that 'rotate' wrote and could not store."`
	Show    showMembership  `cmd:"" help:"Show which tokens count."`
}

// Help is printed by --help.
func (*membershipCommand) Help() string {
	return `A fleet whose REST replicas and Wrappers are given a public key (--membership-key, ORKESTRO_MEMBERSHIP_KEY)
gives sessions only to media servers that present a token which the key leads to (--membership-file,
ORKESTRO_MEMBERSHIP_FILE). keygen, sign and verify need no fleet: keep the private key off it.`
}

// ownerOnly is the mode of files with private keys.
const ownerOnly = 0o600

// writeNew writes a file that must not be there yet.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

func readKey(path string) (ed25519.PrivateKey, error) {
	file, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	key, err := membership.DecodeKey(file)
	if err != nil {
		return nil, fmt.Errorf("--key: %s: %w", path, err)
	}
	return key, nil
}

// newKeyFile makes a key pair and writes the private half.
func newKeyFile(path string) (ed25519.PrivateKey, error) {
	private, err := membership.NewKey()
	if err != nil {
		return nil, err
	}
	file, err := membership.EncodeKey(private)
	if err != nil {
		return nil, err
	}
	return private, writeNew(path, file)
}

// generateKey is `orkestro membership keygen`.
type generateKey struct {
	Out string `default:"membership.key" help:"File of the private key; it must not be there yet." placeholder:"FILE"`
}

// Run implements the command.
func (c *generateKey) Run(t terminal) error {
	private, err := newKeyFile(c.Out)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	_, _ = fmt.Fprintln(t.err, "The private key is in "+c.Out+". This is the public key, for ORKESTRO_MEMBERSHIP_KEY:")
	_, err = fmt.Fprintln(t.out, membership.KeyOf(private))
	return err
}

// signToken is `orkestro membership sign`.
//
//nolint:lll // one flag, one line
type signToken struct {
	Key        string        `help:"File of the fleet's private key." placeholder:"FILE" required:""`
	Server     string        `help:"Id of the media server; 'media-*' for every id that begins with media-." required:""`
	Release    string        `help:"Version of the media server, as its --version and 'orkestro servers ls --json' show it." required:""`
	Valid      time.Duration `default:"720h" help:"Life of the token, from now on."`
	Generation int64         `default:"1" help:"Generation, as 'orkestro membership rotate' counts them."`
	Out        string        `help:"File that the media server is given; it must not be there yet. Default: SERVER.membership." placeholder:"FILE"`
}

// Run implements the command.
func (c *signToken) Run(t terminal) error {
	key, err := readKey(c.Key)
	if err != nil {
		return err
	}
	now := time.Now()
	credential, err := membership.Issue(key, membership.Token{
		Server: c.Server, Version: c.Release, Generation: c.Generation, NotBefore: now, Expires: now.Add(c.Valid),
	})
	if err != nil {
		return fmt.Errorf("sign a token: %w", err)
	}
	file, err := credential.Encode()
	if err != nil {
		return fmt.Errorf("sign a token: %w", err)
	}
	if c.Out == "" {
		c.Out = c.Server + ".membership"
	}
	if err := writeNew(c.Out, file); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = fmt.Fprintf(t.out, "%s is for %s of version %s until %s. It holds a private key.\n",
		c.Out, c.Server, c.Release, credential.Token.Expires.Format(time.RFC3339))
	return err
}

// verifyToken is `orkestro membership verify`.
type verifyToken struct {
	Key   string `help:"Public key that should have signed it, in base64."      required:""`
	Token string `help:"Membership file of a media server, or the token in it." placeholder:"FILE" required:""`
}

// Run implements the command.
func (c *verifyToken) Run(t terminal) error {
	key, err := membership.ParseKey(c.Key)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	file, err := os.ReadFile(c.Token)
	if err != nil {
		return fmt.Errorf("--token: %w", err)
	}
	document, err := membership.TokenIn(file)
	if err != nil {
		return fmt.Errorf("--token: %s: %w", c.Token, err)
	}
	token, err := membership.VerifyToken(document, key)
	if err != nil {
		return fmt.Errorf("--token: %s: %w", c.Token, err)
	}
	if err := writeTable(t.out, [][]string{
		{"server", token.Server},
		{"version", token.Version},
		{"generation", strconv.FormatInt(token.Generation, 10)},
		{"not before", token.NotBefore.Format(time.RFC3339)},
		{"expires", token.Expires.Format(time.RFC3339)},
	}); err != nil {
		return err
	}
	switch now := time.Now(); {
	case now.Before(token.NotBefore):
		return errors.New("the token is not valid yet")
	case !now.Before(token.Expires):
		return errors.New("the token has expired")
	}
	return nil
}
