package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/orkestro/orkestro/pkg/buildinfo"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/tracing"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// Config are the settings of a media server.
//
//nolint:lll // one flag, one line
type Config struct {
	ID     control.MediaServerID `env:"ORKESTRO_ID" placeholder:"NAME" help:"Name of this server; keep it over restarts. Default: the host's name and a random part."`
	Listen string                `default:"127.0.0.1:8888" env:"ORKESTRO_LISTEN" help:"Address of the control protocol (path /kurento), /healthz, /readyz and /metrics."`

	// What a server that is part of a fleet needs.
	AMQPURL       string `name:"amqp-url" env:"ORKESTRO_AMQP_URL" help:"RabbitMQ of the fleet; none: a server of its own." json:"-"`
	MongoURL      string `name:"mongo-url" env:"ORKESTRO_MONGO_URL" help:"MongoDB of the fleet; none: a server of its own." json:"-"`
	MongoDatabase string `default:"orkestro" env:"ORKESTRO_MONGO_DATABASE" help:"Name of the database."`
	URL           string `env:"ORKESTRO_MEDIA_URL" help:"Where Wrappers reach the control protocol. Default: ws://LISTEN/kurento."`
	Region        string `env:"ORKESTRO_REGION" help:"Region of this server."`
	Capacity      int    `env:"ORKESTRO_CAPACITY" help:"Sessions of the fleet that may have a pipeline here; 0: no limit."`

	MembershipFile string `env:"ORKESTRO_MEMBERSHIP_FILE" placeholder:"FILE" help:"Token and key of this server, as 'orkestro membership sign' writes them, for fleets that ask for it. A file that is replaced is noticed."`

	Media mediaConfig `embed:"" prefix:"media-"`

	DrainTimeout time.Duration `default:"1h" env:"ORKESTRO_DRAIN_TIMEOUT" help:"After the first SIGTERM: how long the sessions here have to end before those left are relocated, 0s to 168h; alone: before those left are ended. The process ends once it is empty; a second SIGTERM, or SIGINT, ends it at once. What stops it must wait for longer than that (terminationGracePeriodSeconds, stop_grace_period)."`

	SessionPeriod  time.Duration `default:"240s" env:"ORKESTRO_SESSION_PERIOD" help:"How long a client's session of the control protocol lives without connection and request; what only it references goes with it. 0: until released. Pipelines of the fleet always live until released."`
	AllowedOrigins []string      `env:"ORKESTRO_ALLOWED_ORIGINS" help:"Hosts whose web pages may use the control protocol (patterns); default: only the host itself. Programs need no permission."`

	Log     logging.Config   `embed:""`
	Trace   tracing.Config   `embed:""`
	Build   buildinfo.Config `embed:""`
	Version kong.VersionFlag `help:"Print the build and exit."`
}

// mediaConfig are the settings of the media side.
//
//nolint:lll // one flag, one line
type mediaConfig struct {
	UDP          string        `default:":0" env:"ORKESTRO_MEDIA_UDP" help:"Address of all media over UDP; port 0: any free one."`
	TCP          string        `env:"ORKESTRO_MEDIA_TCP" help:"Address of media over TCP, for clients without UDP; none: no TCP."`
	PublicIPs    []string      `name:"public-ips" env:"ORKESTRO_MEDIA_PUBLIC_IPS" help:"Public addresses to tell clients instead of the interfaces' own."`
	Interfaces   []string      `env:"ORKESTRO_MEDIA_INTERFACES" help:"Network interfaces to use; default: all."`
	Loopback     bool          `env:"ORKESTRO_MEDIA_LOOPBACK" help:"Offer loopback addresses too; always so while LISTEN is one."`
	ICELite      bool          `name:"ice-lite" env:"ORKESTRO_MEDIA_ICE_LITE" help:"ICE-lite, for a server with a public address."`
	RTPPorts     string        `name:"rtp-ports" env:"ORKESTRO_MEDIA_RTP_PORTS" placeholder:"LOW-HIGH" help:"UDP ports of RtpEndpoints, two a stream; default: any free ones."`
	Files        string        `env:"ORKESTRO_MEDIA_FILES" placeholder:"FOLDER" help:"Folder that RecorderEndpoints write to and PlayerEndpoints read from, for every client of the control protocol; none: no files."`
	Disconnected time.Duration `default:"5s" env:"ORKESTRO_MEDIA_DISCONNECTED" help:"Silence after which a connection counts as disconnected."`
	Failed       time.Duration `default:"25s" env:"ORKESTRO_MEDIA_FAILED" help:"Time after which a disconnected connection has failed."`
}

// maxDrainTimeout is a week, as the API has it.
const maxDrainTimeout = 7 * 24 * time.Hour

// inFleet reports whether the server is part of a fleet.
func (c *Config) inFleet() bool { return c.MongoURL != "" }

// check completes the settings and says what is wrong with them.
func (c *Config) check(deps Deps) error {
	if hasBroker := deps.Broker != nil || c.AMQPURL != ""; hasBroker != c.inFleet() {
		return errors.New("--amqp-url and --mongo-url (ORKESTRO_AMQP_URL, ORKESTRO_MONGO_URL): a fleet needs both")
	}
	if err := c.checkValues(); err != nil {
		return err
	}
	if c.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name of the host: %w", err)
		}
		c.ID = control.MediaServerID(host + "-" + strings.ToLower(rand.Text()[:6]))
	}
	return control.CheckName("id", string(c.ID))
}

// checkValues says which setting has a value that cannot be.
func (c *Config) checkValues() error {
	if c.MongoURL != "" {
		if err := store.CheckURL(c.MongoURL); err != nil {
			return fmt.Errorf("--mongo-url (ORKESTRO_MONGO_URL): %w", err)
		}
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "ws://") && !strings.HasPrefix(c.URL, "wss://") {
		return fmt.Errorf("--url (ORKESTRO_MEDIA_URL): ws:// or wss:// is needed, not %q", c.URL)
	}
	if c.Capacity < 0 {
		return fmt.Errorf("--capacity (ORKESTRO_CAPACITY): 0 or more is needed, not %d", c.Capacity)
	}
	if c.DrainTimeout < 0 || c.DrainTimeout > maxDrainTimeout {
		return fmt.Errorf("--drain-timeout (ORKESTRO_DRAIN_TIMEOUT): 0s to 168h is needed, not %s", c.DrainTimeout)
	}
	if _, err := rtpsocket.ParsePorts(c.Media.RTPPorts); err != nil {
		return fmt.Errorf("--media-rtp-ports (ORKESTRO_MEDIA_RTP_PORTS): %w", err)
	}
	if err := c.Trace.Validate(); err != nil {
		return err
	}
	for _, address := range c.Media.PublicIPs {
		if net.ParseIP(address) == nil {
			return fmt.Errorf("--media-public-ips (ORKESTRO_MEDIA_PUBLIC_IPS): %q is no IP address", address)
		}
	}
	return nil
}

// network is the configuration of the media side.
func (c *Config) network() rtc.NetworkConfig {
	return rtc.NetworkConfig{
		UDPAddress: c.Media.UDP, TCPAddress: c.Media.TCP, PublicIPs: c.Media.PublicIPs, Interfaces: c.Media.Interfaces,
		Loopback: c.Media.Loopback || isLoopback(c.Listen), Lite: c.Media.ICELite,
		RTPPorts: c.Media.RTPPorts, Disconnected: c.Media.Disconnected, Failed: c.Media.Failed,
	}
}

// isLoopback reports whether only this machine can reach an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
