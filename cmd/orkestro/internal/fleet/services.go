package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"

	"github.com/alecthomas/kong"

	"github.com/orkestro/orkestro/pkg/broker"
	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
	restapi "github.com/orkestro/orkestro/services/restapi/app"
	wrapper "github.com/orkestro/orkestro/services/wrapper/app"
)

// services makes the members of the layers. They get their settings as separate processes do: flags, then environment,
// then defaults.
type services struct {
	cfg    Config
	store  string
	broker broker.Broker
	log    *slog.Logger
	media  []*MediaServer
}

// newMediaServers gives the media servers, which their members then run.
func (s services) newMediaServers() []*MediaServer {
	servers := make([]*MediaServer, MediaServers)
	for i := range servers {
		id, listen := name("media", i), anyPort
		if i == 0 {
			listen = s.cfg.MediaListen
		}
		serve := func(ctx context.Context, listen string, listening func(string)) error {
			var cfg mediaserver.Config
			if err := s.settings(&cfg, id, listen); err != nil {
				return err
			}
			return mediaserver.Run(ctx, cfg, mediaserver.Deps{Broker: s.broker, Listening: listening}, s.log)
		}
		servers[i] = &MediaServer{id: id, serve: serve, wake: make(chan struct{}, 1), address: listen}
	}
	return servers
}

func (s services) mediaServers() ([]member, error) {
	members := make([]member, len(s.media))
	for i, server := range s.media {
		members[i] = member{name: server.id, run: server.run}
	}
	return members, nil
}

func (s services) wrappers() ([]member, error) {
	members := make([]member, Wrappers)
	for i := range members {
		id := name("wrapper", i)
		var cfg wrapper.Config
		if err := s.settings(&cfg, id, anyPort); err != nil {
			return nil, err
		}
		members[i] = member{name: id, run: func(ctx context.Context, listening func(string)) error {
			return wrapper.Run(ctx, cfg, wrapper.Deps{Broker: s.broker, Listening: listening}, s.log)
		}}
	}
	return members, nil
}

func (s services) restAPIs() ([]member, error) {
	members := make([]member, RestAPIs)
	for i := range members {
		id := name("restapi", i)
		var cfg restapi.Config
		err := s.settings(&cfg, id, anyPort,
			"--api-keys=dev:"+s.cfg.APIKey, "--token-secret="+tokenSecret(s.cfg.APIKey), "--cors-origins=*")
		if err != nil {
			return nil, err
		}
		members[i] = member{name: id, run: func(ctx context.Context, listening func(string)) error {
			return restapi.Run(ctx, cfg, restapi.Deps{Broker: s.broker, Listening: listening}, s.log)
		}}
	}
	return members, nil
}

// settings fills the Config of a service from the flags that all have, and more of its own.
func (s services) settings(cfg any, id, listen string, more ...string) error {
	parser, err := kong.New(cfg, kong.Name(id), kong.Vars{"version": ""})
	if err != nil {
		return fmt.Errorf("settings of %s: %w", id, err)
	}
	flags := append([]string{
		"--id=" + id, "--listen=" + listen, "--mongo-url=" + s.store, "--mongo-database=" + database,
	}, more...)
	if _, err := parser.Parse(flags); err != nil {
		return fmt.Errorf("settings of %s: %w", id, err)
	}
	return nil
}

func name(service string, i int) string { return fmt.Sprintf("%s-%d", service, i+1) }

// tokenSecret follows from the API key, so that tokens outlive the process as sessions do (--data). Who has the key
// could make tokens anyway.
func tokenSecret(key string) string {
	sum := sha256.Sum256([]byte("orkestro dev tokens " + key))
	return hex.EncodeToString(sum[:])
}

// freeOr is address if it can be listened on, otherwise a free port of the same host.
func freeOr(ctx context.Context, address string) string {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		_ = listener.Close()
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address // the media server says what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}
