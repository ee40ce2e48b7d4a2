// Package iceconfig is the setting of the STUN and TURN servers that clients are told to use. REST replicas put them
// into the answer to a join, Wrappers into user messages, so both embed [Config]. It knows neither.
package iceconfig

import (
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
)

// Config are the settings of ICE servers. Username and credential are for the TURN servers among the URLs.
//
//nolint:lll // one flag, one line
type Config struct {
	Server     []string `name:"ice-server" env:"ORKESTRO_ICE_SERVER" help:"STUN or TURN URLs that clients are told to use (RFC 7064, RFC 7065), repeatable or comma separated."`
	Username   string   `name:"ice-username" env:"ORKESTRO_ICE_USERNAME" help:"User name for the TURN servers."`
	Credential string   `name:"ice-credential" env:"ORKESTRO_ICE_CREDENTIAL" help:"Password for the TURN servers." json:"-"`
}

// Servers is what clients are told, never nil.
func (c Config) Servers() []control.ICEServer {
	if len(c.Server) == 0 {
		return []control.ICEServer{}
	}
	return []control.ICEServer{{URLs: c.Server, Username: c.Username, Credential: c.Credential}}
}

// Validate reports what is wrong with the settings, with [control.CodeInvalid].
func (c Config) Validate() error {
	for _, url := range c.Server {
		if err := checkURL(url); err != nil {
			return fmt.Errorf("--ice-server (ORKESTRO_ICE_SERVER): %w", err)
		}
	}
	return nil
}
