package compose_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// haproxy is where Debian has it, which is not on everybody's path.
const haproxy = "/usr/sbin/haproxy"

// stopTime is longer than any of the services here takes to end, with no calls to wait for.
const stopTime = 30 * time.Second

// machine runs services of the project as processes, in place of an engine: with the commands, environments, order and
// health checks of compose.yaml, and addresses of this machine where it has names of services.
type machine struct {
	project   *types.Project
	programs  string            // folder
	addresses map[string]string // service:port of compose.yaml -> host:port of this machine
	replaced  map[string]string // URLs of compose.yaml -> those of this machine
	running   map[string]*exec.Cmd
}

func startMachine(t *testing.T) *machine {
	t.Helper()
	broker := rabbit.Start(t)
	database, err := embeddedmongo.Start(embeddedmongo.Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	project := load(t)
	fleet := project.Services["operator"].Environment
	return &machine{
		project: project, programs: image(t), addresses: map[string]string{}, running: map[string]*exec.Cmd{},
		replaced: map[string]string{
			*fleet["ORKESTRO_AMQP_URL"]: broker.URL(), *fleet["ORKESTRO_MONGO_URL"]: database.URL(),
		},
	}
}

// address is where the port of a service is on this machine.
func (m *machine) address(t *testing.T, service, port string) string {
	t.Helper()
	key := service + ":" + port
	if m.addresses[key] == "" {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		m.addresses[key] = listener.Addr().String()
		_ = listener.Close()
	}
	return m.addresses[key]
}

var (
	named   = regexp.MustCompile(`\b([a-z]+(?:-\d)?):(\d{2,5})\b`)
	onlyOwn = regexp.MustCompile(`^:(\d{2,5})$`)
	atHome  = regexp.MustCompile(`127\.0\.0\.1:(\d{2,5})\b`)
)

// translate puts addresses of this machine in the place of those that a service has.
func (m *machine) translate(t *testing.T, service, value string) string {
	t.Helper()
	if url, ok := m.replaced[value]; ok {
		return url
	}
	if own := onlyOwn.FindStringSubmatch(value); own != nil {
		return m.address(t, service, own[1])
	}
	return named.ReplaceAllStringFunc(value, func(found string) string {
		name, port, _ := strings.Cut(found, ":")
		if _, ok := m.project.Services[name]; !ok {
			return found
		}
		return m.address(t, name, port)
	})
}

func (m *machine) environment(t *testing.T, s types.ServiceConfig) []string {
	t.Helper()
	environment := []string{"PATH=" + m.programs + ":" + os.Getenv("PATH")}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		environment = append(environment, name+"="+m.translate(t, s.Name, *s.Environment[name]))
	}
	return environment
}

// start starts a service and waits until it is healthy.
func (m *machine) start(t *testing.T, service string) {
	t.Helper()
	s := m.project.Services[service]
	line := slices.Concat([]string(s.Entrypoint), []string(s.Command))
	if service == "balancer" { // as the image's own command
		line = []string{haproxy, "-W", "-db", "-f", filepath.Join(folder, "haproxy.cfg")}
	}
	program := line[0]
	if ours(s) {
		program = filepath.Join(m.programs, program)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, line[1:]...)
	cmd.Env = m.environment(t, s)
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	m.running[service] = cmd
	t.Cleanup(func() {
		m.stop(t, service, syscall.SIGINT) // which nothing drains at
		if t.Failed() {
			t.Logf("%s:\n%s", service, log)
		}
	})
	testkit.Eventually(t, func() error { return m.health(t, s) })
}

// health runs the health check of a service.
func (m *machine) health(t *testing.T, s types.ServiceConfig) error {
	t.Helper()
	check := slices.Clone(s.HealthCheck.Test[1:])
	for i, arg := range check {
		check[i] = atHome.ReplaceAllStringFunc(arg, func(found string) string {
			return m.address(t, s.Name, strings.TrimPrefix(found, "127.0.0.1:"))
		})
	}
	if !ours(s) { // what the image has for it may not be here
		check = []string{"orkestro", "health", check[len(check)-1]}
	}
	check[0] = filepath.Join(m.programs, check[0])
	output, err := exec.CommandContext(t.Context(), check[0], check[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s is not healthy: %w %s", s.Name, err, output)
	}
	return nil
}

// terminate ends a service as an engine does.
func (m *machine) terminate(t *testing.T, service string) {
	t.Helper()
	m.stop(t, service, syscall.SIGTERM)
}

// stop ends a service, if it runs.
func (m *machine) stop(t *testing.T, service string, signal syscall.Signal) {
	t.Helper()
	cmd := m.running[service]
	if cmd == nil {
		return
	}
	m.running[service] = nil
	_ = cmd.Process.Signal(signal)
	killer := time.AfterFunc(stopTime, func() {
		t.Errorf("%s did not end within %s", service, stopTime)
		_ = cmd.Process.Kill()
	})
	err := cmd.Wait()
	killer.Stop()
	if err != nil && ours(m.project.Services[service]) {
		t.Errorf("%s ended with %v", service, err)
	}
}

// operate runs a command of the operator, as docker compose run --rm operator does.
func (m *machine) operate(t *testing.T, args ...string) string {
	t.Helper()
	s := m.project.Services["operator"]
	cmd := exec.CommandContext(t.Context(), filepath.Join(m.programs, s.Entrypoint[0]), args...)
	cmd.Env = m.environment(t, s)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("orkestro %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}
