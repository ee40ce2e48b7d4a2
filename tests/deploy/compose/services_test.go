package compose_test

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*$`)

func TestImages_ArePinned(t *testing.T) {
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		if !ours(s) && !pinned.MatchString(s.Image) {
			t.Errorf("%s may be another one tomorrow", s.Image)
		}
	})
	for _, line := range strings.Split(read(t, "Dockerfile"), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "FROM" && fields[1] != "scratch" && !pinned.MatchString(fields[1]) {
			t.Errorf("Dockerfile: %s may be another one tomorrow", fields[1])
		}
	}
}

// capabilities are those that programs of images are marked with as effective: the kernel starts such a program only where it
// can get them.
var capabilities = map[string][]string{
	"coturn": {"NET_BIND_SERVICE"}, // github.com/coturn/coturn docker/coturn: setcap CAP_NET_BIND_SERVICE=+ep
}

func TestServices_MayDoLittle(t *testing.T) {
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "root" || user == "0" {
			t.Errorf("it runs as %q", s.User)
		}
		if len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || !slices.Equal(s.CapAdd, capabilities[s.Name]) {
			t.Errorf("capabilities: dropped %v, added %v", s.CapDrop, s.CapAdd)
		}
		if len(s.SecurityOpt) != 1 || s.SecurityOpt[0] != "no-new-privileges:true" || s.Privileged {
			t.Errorf("it may become more: %v", s.SecurityOpt)
		}
		// What RabbitMQ and coturn write besides their volumes is not documented.
		if free := s.Name == "rabbitmq" || s.Name == "coturn"; !s.ReadOnly && !free {
			t.Error("its files can be written")
		}
		if restart := s.Restart; restart != "unless-stopped" && s.Name != "operator" {
			t.Errorf("restart: %q", restart)
		}
	})
}

// checkPrograms are what health checks may call, and where it says that the image has it.
var checkPrograms = map[string][]string{
	"orkestro":        {"orkestro"},             // deploy/compose/Dockerfile
	"mongo":           {"mongosh"},              // hub.docker.com/_/mongo: "mongosh" for 5.0 and later
	"rabbitmq":        {"rabbitmq-diagnostics"}, // hub.docker.com/_/rabbitmq: "Health/Liveness/Readiness Checking"
	"haproxy":         {"wget"},                 // the alpine variant: BusyBox
	"prom/prometheus": {"wget"},                 // github.com/prometheus/prometheus Dockerfile: FROM quay.io/prometheus/busybox
	"grafana/grafana": {"wget", "curl"},         // github.com/grafana/grafana Dockerfile: FROM alpine, apk add curl
	"coturn/coturn":   {"turnutils_stunclient"}, // github.com/coturn/coturn docker/coturn: all of `make install`
}

func TestHealthChecks_AreThere(t *testing.T) {
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		if s.Name == "operator" { // it runs a command and ends
			return
		}
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" {
			t.Fatal("no health check without a shell")
		}
		image, _, _ := strings.Cut(s.Image, ":")
		known := false
		for _, program := range checkPrograms[image] {
			known = known || program == s.HealthCheck.Test[1]
		}
		if !known {
			t.Errorf("is there a program %s in %s?", s.HealthCheck.Test[1], s.Image)
		}
		if s.HealthCheck.StartPeriod == nil || s.HealthCheck.Interval == nil || s.HealthCheck.Timeout == nil {
			t.Error("when is it to be healthy?")
		}
	})
}

func TestOrder_WaitsForHealth(t *testing.T) {
	project := load(t)
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		for name, needed := range s.DependsOn {
			if needed.Condition != types.ServiceConditionHealthy {
				t.Errorf("it begins before %s is well", name)
			}
			if other := project.Services[name]; len(other.Profiles) > 0 {
				t.Errorf("%s is not always there", name)
			}
		}
		if _, fleet := s.Environment["ORKESTRO_AMQP_URL"]; fleet && s.Name != "operator" && len(s.DependsOn) < 2 {
			t.Error("it begins before broker or database")
		}
	})
}

func TestMounts_AreThere(t *testing.T) {
	project := load(t)
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		for _, mount := range s.Volumes {
			switch mount.Type {
			case types.VolumeTypeVolume:
				if _, ok := project.Volumes[mount.Source]; !ok {
					t.Errorf("there is no volume %s", mount.Source)
				}
			case types.VolumeTypeBind:
				if _, err := os.Stat(mount.Source); err != nil || !mount.ReadOnly {
					t.Errorf("%s: read only %t, %v", mount.Source, mount.ReadOnly, err)
				}
			default:
				t.Errorf("%s is mounted as %s", mount.Source, mount.Type)
			}
		}
	})
}

func TestPorts(t *testing.T) {
	taken := map[string]string{}
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		for _, port := range s.Ports {
			if !net.ParseIP(port.HostIP).IsLoopback() {
				t.Errorf("%s is open to all before anybody wants it", port.Published)
			}
			key := port.Protocol + port.Published
			if other, twice := taken[key]; twice {
				t.Errorf("%s is published by %s already", key, other)
			}
			taken[key] = s.Name
		}
		for _, name := range []string{"ORKESTRO_MEDIA_UDP", "ORKESTRO_MEDIA_TCP"} {
			listen := s.Environment[name]
			if listen == nil {
				continue
			}
			port := strings.TrimPrefix(*listen, ":")
			if found := publishedAs(s, strings.ToLower(strings.TrimPrefix(name, "ORKESTRO_MEDIA_")), port); found != port {
				t.Errorf("clients are told port %s, which is %q outside", port, found)
			}
		}
	})
}

func publishedAs(s types.ServiceConfig, protocol, inside string) string {
	for _, port := range s.Ports {
		if port.Protocol == protocol && inside == strings.TrimSpace(itoa(port.Target)) {
			return port.Published
		}
	}
	return ""
}

// TestStop: what is told to end has the time that it takes by itself.
func TestStop_WaitsForDrains(t *testing.T) {
	const moves = 30 * time.Second // of what is left at the end of the drain, and the end of the process
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		needed := 10*time.Second + duration(t, s, "ORKESTRO_STOP_DELAY")
		if drain := duration(t, s, "ORKESTRO_DRAIN_TIMEOUT"); drain > 0 {
			needed = drain + moves
		}
		if s.Name != "operator" && (s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < needed) {
			t.Errorf("killed after %v, while it takes %s", s.StopGracePeriod, needed)
		}
	})
}

// duration is that of a setting, 0 if the service does not have it.
func duration(t *testing.T, s types.ServiceConfig, name string) time.Duration {
	t.Helper()
	value := s.Environment[name]
	if value == nil {
		return 0
	}
	parsed, err := time.ParseDuration(*value)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return parsed
}

var checked = regexp.MustCompile(`default-server check inter (\S+) fall (\d+)`)

// TestStop_IsSeenByTheProxy: replicas take requests until the proxy has seen that they are to get no more.
func TestStop_IsSeenByTheProxy(t *testing.T) {
	found := checked.FindStringSubmatch(read(t, "haproxy.cfg"))
	if found == nil {
		t.Fatal("the proxy does not look at its servers")
	}
	interval, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	fall, err := strconv.Atoi(found[2])
	if err != nil {
		t.Fatal(err)
	}
	seen := time.Duration(fall+1) * interval
	project := load(t)
	for _, name := range []string{"restapi-1", "restapi-2"} {
		if delay := duration(t, project.Services[name], "ORKESTRO_STOP_DELAY"); delay < seen {
			t.Errorf("%s takes requests for %s, the proxy may send some for %s", name, delay, seen)
		}
	}
}

func TestNetworks_KeepWhatIsOpenApart(t *testing.T) {
	project := load(t)
	if !project.Networks["inner"].Internal {
		t.Error("whatever is in the network of the database can be reached")
	}
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		_, inner := s.Networks["inner"]
		switch s.Name {
		case "mongo":
			if len(s.Networks) != 1 || !inner {
				t.Errorf("the database, which asks nobody for a password, is in %v", s.Networks)
			}
		case "coturn":
			if _, turn := s.Networks["turn"]; len(s.Networks) != 1 || !turn {
				t.Errorf("TURN relays into %v", s.Networks)
			}
		default:
			if !inner {
				t.Errorf("it is in %v alone", s.Networks)
			}
		}
		if _, turn := s.Networks["turn"]; turn && s.Name != "coturn" {
			t.Error("TURN relays to it")
		}
	})
}
