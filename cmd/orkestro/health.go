package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthTimeout is longer than the 2 s that /readyz takes at most.
const healthTimeout = 4 * time.Second

// maxReason is how much of a refusal is printed, in bytes.
const maxReason = 1024

// healthCommand is `orkestro health`: the health check of images that have no other program.
type healthCommand struct {
	URL string `arg:"" help:"Such as http://127.0.0.1:8080/readyz." name:"url"`
}

// Run implements the command.
func (c *healthCommand) Run(ctx context.Context, _ terminal) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, maxReason)) // the status says enough without it
		return fmt.Errorf("%s: %s: %s", c.URL, response.Status, strings.TrimSpace(string(reason)))
	}
	return nil
}
