// Package harness runs whole fleets for tests: the four programs as separate processes, a private RabbitMQ, the embedded
// store (or the MongoDB at ORKESTRO_TEST_MONGO_URL), and clients with real WebRTC connections that know the HTTP contract
// and nothing else.
package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// Options says how many of each service there are.
type Options struct {
	RestAPIs     int
	Wrappers     int
	MediaServers int
	LogLevel     string // "" means debug
	// Isolated gives each Wrapper and each media server a host of its own, a network namespace, so that it can be cut
	// off. Where that cannot be they run without, see [Fleet.Isolated].
	Isolated bool
	// Settings are further flags of a service, by its name.
	Settings map[string][]string
	// Programs are directories with other builds of the programs, by the name of the process that runs one, such as
	// "wrapper-1".
	Programs map[string]string
}

// mongoVariable names a MongoDB to be used instead of the embedded store.
const mongoVariable = "ORKESTRO_TEST_MONGO_URL"

// apiKey is the secret of the fleet's API key.
const apiKey = "harness-key"

// Fleet is a running fleet. Its processes may be killed and restarted by one goroutine at a time.
type Fleet struct {
	API          *API
	Broker       *rabbit.Node
	Store        *Process // nil when a MongoDB is used that was there before
	RestAPIs     []*Process
	Wrappers     []*Process
	MediaServers []*Process

	name     string
	programs string // directory of the programs
	data     string // directory for everything that is removed at the end
	logs     string // directory that is kept when a test has failed
	mongo    string // URL of the database
	amqp     string // URL of the broker
	logLevel string
	settings map[string][]string // further flags, by service
	others   map[string]string   // directories of other builds, by process

	network   *network   // of an isolated fleet, nil elsewhere
	together  error      // why there is no network
	forwarder *forwarder // from there to the broker
}

// Start builds the programs and starts a fleet with its logs in artifacts/<name>/<process id>. Close ends it. Errors:
// [rabbit.ErrNotInstalled].
func Start(ctx context.Context, name string, o Options) (*Fleet, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp("", "orkestro-"+name)
	if err != nil {
		return nil, err
	}
	f := &Fleet{name: name, data: data, programs: filepath.Join(data, "bin"), settings: o.Settings, together: errNotOrdered}
	f.others = o.Programs
	if f.logLevel = o.LogLevel; f.logLevel == "" {
		f.logLevel = "debug"
	}
	if err := f.start(ctx, root, o); err != nil {
		return nil, errors.Join(err, f.Close(true)) //nolint:contextcheck // cleaning up is not for ctx to end
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context, root string, o Options) error {
	var err error
	if f.logs, err = logDir(filepath.Join(root, "artifacts", f.name)); err != nil {
		return err
	}
	brokerDir := filepath.Join(f.data, "rabbit")
	for _, dir := range []string{f.programs, brokerDir} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	if f.Broker, err = rabbit.Open(ctx, brokerDir); err != nil {
		return err
	}
	f.amqp = f.Broker.URL()
	if o.Isolated {
		if err := f.isolate(ctx); err != nil {
			return err
		}
	}
	if err := build(ctx, root, f.programs, programs()...); err != nil {
		return err
	}
	if err := f.startStore(ctx); err != nil {
		return err
	}
	if f.MediaServers, err = f.startAll(ctx, "mediaserver", o.MediaServers); err != nil {
		return err
	}
	if f.Wrappers, err = f.startAll(ctx, "wrapper", o.Wrappers); err != nil {
		return err
	}
	if f.RestAPIs, err = f.startAll(ctx, "restapi", o.RestAPIs); err != nil {
		return err
	}
	var replicas []string
	for _, p := range f.RestAPIs {
		replicas = append(replicas, "http://"+p.Address)
	}
	f.API = NewAPI(apiKey, replicas...)
	if f.network != nil {
		f.API.address = f.network.gateway()
	}
	return nil
}

func (f *Fleet) startStore(ctx context.Context) error {
	if f.mongo = os.Getenv(mongoVariable); f.mongo != "" {
		return nil
	}
	p, err := f.process(ctx, "store", "orkestro", readyTCP)
	if err != nil {
		return err
	}
	if f.network != nil {
		_, port, _ := strings.Cut(p.Address, ":")
		p.Address = f.network.gateway() + ":" + port
	}
	p.args = []string{"store", "--listen=" + p.Address, "--data=" + filepath.Join(f.data, "store")}
	f.mongo = "mongodb://" + p.Address + "/?directConnection=true"
	f.Store = p
	return p.Start(ctx)
}

// startAll starts n processes of a service at once and waits until all are ready.
func (f *Fleet) startAll(ctx context.Context, service string, n int) ([]*Process, error) {
	var processes []*Process
	own, err := f.networkSettings(service)
	if err != nil {
		return nil, err
	}
	started := make(chan error, n)
	for i := range n {
		p, err := f.process(ctx, fmt.Sprintf("%s-%d", service, i+1), service, readyHTTP)
		if err != nil {
			return processes, err
		}
		if f.isolated(service) {
			if err := f.settle(ctx, p); err != nil {
				return processes, err
			}
		}
		p.args = append([]string{
			"--id=" + p.Name, "--listen=" + p.Address, "--amqp-url=" + f.amqp, "--mongo-url=" + f.mongo,
			"--mongo-database=" + f.database(), "--log-level=" + f.logLevel,
		}, slices.Concat(settings(service), own, f.settings[service])...)
		processes = append(processes, p)
	}
	for _, p := range processes {
		go func() { started <- p.Start(ctx) }()
	}
	var errs []error
	for range processes {
		errs = append(errs, <-started)
	}
	return processes, errors.Join(errs...)
}

// settings are those that only one service has.
func settings(service string) []string {
	switch service {
	case "restapi":
		return []string{
			"--api-keys=harness:" + apiKey, "--token-secret=a secret of the harness, shared by all replicas",
			"--user-rate=0", // scenarios send as fast as they can
		}
	default:
		return nil
	}
}

func (f *Fleet) process(
	ctx context.Context, name, program string, ready func(context.Context, *Process) error,
) (*Process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	programs := f.programs
	if other, found := f.others[name]; found {
		programs = other
	}
	return &Process{
		Name: name, Address: address, ready: ready,
		program: filepath.Join(programs, program), logFile: filepath.Join(f.logs, name+".log"),
	}, nil
}

// OpenStore opens the fleet's database, as a service does.
func (f *Fleet) OpenStore(ctx context.Context) (*store.Store, error) {
	return store.Open(ctx, f.mongo, f.database())
}

// database is a name of its own for each fleet.
func (f *Fleet) database() string { return strings.ReplaceAll(filepath.Base(f.data), ".", "-") }

// Close ends everything, in reverse order of the flow of data, and is an error when a process does not end well. The
// logs stay if keepLogs, and after an error.
func (f *Fleet) Close(keepLogs bool) error {
	var errs []error
	for _, processes := range [][]*Process{f.RestAPIs, f.Wrappers, f.MediaServers, {f.Store}} {
		for _, p := range processes {
			if p != nil {
				errs = append(errs, p.Stop())
			}
		}
	}
	if f.Broker != nil {
		errs = append(errs, f.Broker.Close())
	}
	errs = append(errs, f.disband(), os.RemoveAll(f.data))
	if !keepLogs && errors.Join(errs...) == nil {
		errs = append(errs, os.RemoveAll(f.logs))
	}
	return errors.Join(errs...)
}
