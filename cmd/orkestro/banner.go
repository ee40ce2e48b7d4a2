package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/fleet"
)

// banner tells what a running fleet serves and where.
type banner struct {
	base  string // of the front door
	key   string
	data  string
	demo  bool
	fleet fleet.Addresses
}

func (b banner) print(w io.Writer) {
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %-15s %s\n", what, fmt.Sprintf(format, args...))
	}
	_, _ = fmt.Fprintf(w, "\nOrkestro is ready: %d REST replicas, %d Wrappers and %d media servers in this process.\n\n",
		len(b.fleet.RestAPIs), fleet.Wrappers, len(b.fleet.MediaServers))
	if b.demo {
		line("demo page", "%s/demo/?session=demo   (open it twice)", b.base)
	}
	line("operator's page", "%s/admin   (kill a media server there, and watch the call)", b.base)
	line("API docs", "%s/docs", b.base)
	line("API", "%s/v1   key: %s", b.base, b.key)
	line("store", "mongosh %q", b.fleet.Store)
	var urls []string
	for _, server := range b.fleet.MediaServers {
		urls = append(urls, server.URL())
	}
	line("media servers", "%s", strings.Join(urls, "   "))
	if b.data == "" {
		line("data", "in memory, gone at the end (--data DIR keeps it)")
	} else {
		line("data", "%s", b.data)
	}
	_, _ = fmt.Fprint(w, "\nCtrl-C ends it.\n")
}
