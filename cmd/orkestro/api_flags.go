package main

import "github.com/orkestro/orkestro/cmd/orkestro/internal/operator"

// apiFlags say which fleet an operator's command talks to.
type apiFlags struct {
	URL string `default:"http://127.0.0.1:8080" env:"ORKESTRO_URL" help:"Address of the fleet's HTTP API."`               //nolint:lll // one flag, one line
	Key string `default:"devkey" env:"ORKESTRO_KEY" help:"Secret of an API key. The default is the one of orkestro dev."` //nolint:lll // one flag, one line
}

func (f apiFlags) client() *operator.Client { return operator.New(f.URL, f.Key) }
