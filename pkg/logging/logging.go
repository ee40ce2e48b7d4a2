// Package logging makes the structured logger that every service is given; nothing logs through a global.
package logging

import (
	"fmt"
	"io"
	"log/slog"
)

// Config are the settings of the log.
//
//nolint:lll // one flag, one line
type Config struct {
	Format string `name:"log-format" default:"json" enum:"json,text" env:"ORKESTRO_LOG_FORMAT" help:"Format of the log: json or text."`
	Level  string `name:"log-level" default:"info" enum:"debug,info,warn,error" env:"ORKESTRO_LOG_LEVEL" help:"Least level that is logged: debug, info, warn or error."`
}

// The keys under which the same thing is logged everywhere.
const (
	KeyComponent = "component"
	KeySession   = "session_id"
	KeyUser      = "user_id"
	KeyServer    = "server_id"
	KeyInstance  = "instance_id"
	KeyReplica   = "replica_id"
	KeyPipeline  = "pipeline_id"
	KeyEndpoint  = "endpoint_id"
	KeyStream    = "stream_id"
	KeyEpoch     = "epoch"
	KeyRequest   = "request_id"
	KeyType      = "type"
	KeyQueue     = "queue"
	KeyDuration  = "duration_ms"
	KeyError     = "error"
	KeyRollout   = "rollout_id"
	// KeyVersion is the release of the process, in every line: two run beside each other in an upgrade.
	KeyVersion = "version"
	// KeyDependency is what a process needs: "broker", "database".
	KeyDependency = "dependency"
)

// New is a logger that writes one line a record to w.
func New(w io.Writer, c Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q: json or text is needed", c.Format)
	}
}
