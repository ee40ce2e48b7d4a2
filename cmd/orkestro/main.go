// Command orkestro runs a whole fleet in one process (dev), the embedded store alone (store), and the operator's
// commands, which talk to a running fleet through its HTTP API; doctor and dead look at its database and broker.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/orkestro/orkestro/pkg/buildinfo"
)

// commands is the command line.
type commands struct {
	Dev        devCommand        `cmd:"" help:"Run a whole fleet in this process, with nothing installed."`
	Store      storeCommand      `cmd:"" help:"Run the embedded store alone, for several processes on one machine."`
	Sessions   sessionsCommand   `cmd:"" help:"List, show and close sessions."`
	Servers    serversCommand    `cmd:"" help:"List media servers."`
	Replicas   replicasCommand   `cmd:"" help:"List REST and Wrapper replicas."`
	Rollout    rolloutCommand    `cmd:"" help:"Replace the media servers of other versions, a share at a time."`
	Membership membershipCommand `cmd:"" help:"Sign, verify and rotate what makes media servers members of the fleet."`
	Audit      auditCommand      `cmd:"" help:"Show and verify what was done to the fleet, and by whom."`
	Ready      readyCommand      `cmd:"" help:"Wait until a fleet is ready and print what it serves and where."`
	Health     healthCommand     `cmd:"" help:"Ask a process whether it is well; exit status 0 when it is."`
	Demo       demoCommand       `cmd:"" help:"Serve the demo page for a fleet."`
	Doctor     doctorCommand     `cmd:"" help:"Examine a live fleet: whether sessions, media servers and queues agree."`
	Dead       deadCommand       `cmd:"" help:"List, show, replay and drop messages that were given up."`
	Version    kong.VersionFlag  `help:"Print the build and exit."`
}

// Exit statuses.
const (
	statusFailed = 1
	statusUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run parses and runs one command line and gives the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	// The first Ctrl-C ends cleanly; from then on the signal has its usual effect, so the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	exit, exited := 0, false
	parser, err := newParser(stdout, stderr, func(status int) { exit, exited = status, true })
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "orkestro:", err)
		return statusFailed
	}
	command, err := parser.Parse(args)
	switch {
	case exited: // --help or --version has been printed
		return exit
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "orkestro:", err)
		_, _ = fmt.Fprintln(stderr, "Run 'orkestro --help' for how it is used.")
		return statusUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(terminal{out: stdout, err: stderr})
	exit = statusOf(err)
	if exit != 0 {
		_, _ = fmt.Fprintln(stderr, "orkestro:", err)
	}
	return exit
}

// statusOf is the exit status of a command that ended with err. Being interrupted is how most end; one that has an
// answer to give says by a [statusError] that it has not.
func statusOf(err error) int {
	var special *statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &special):
		return special.status
	case errors.Is(err, context.Canceled):
		return 0
	default:
		return statusFailed
	}
}

// statusError is a failure with an exit status of its own.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// newParser is the parser of [commands].
func newParser(stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(&commands{},
		kong.Name("orkestro"),
		kong.Description("A distributed control plane for WebRTC sessions. Start with: orkestro dev"),
		kong.Vars{"version": buildinfo.Version()},
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.UsageOnError(),
	)
}

// terminal is where a command prints.
type terminal struct {
	out io.Writer // what was asked for
	err io.Writer // everything else
}
