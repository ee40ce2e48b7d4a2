package main

import (
	"fmt"
	"io"
	"strings"
)

// banner tells what a running fleet serves and where. What is empty is left out.
type banner struct {
	base         string // of the front door
	key          string
	demo         bool
	restAPIs     int
	wrappers     int
	mediaServers []string // URLs of their control protocol
	dev          *devBanner
}

// devBanner is what only `orkestro dev` has.
type devBanner struct {
	store string // URL
	data  string // directory, "" for memory
}

func (b banner) print(w io.Writer) {
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %-15s %s\n", what, fmt.Sprintf(format, args...))
	}
	where, kill := "", ""
	if b.dev != nil {
		where, kill = " in this process", "   (kill a media server there, and watch the call)"
	}
	_, _ = fmt.Fprintf(w, "\nOrkestro is ready: %d REST replicas, %d Wrappers and %d media servers%s.\n\n",
		b.restAPIs, b.wrappers, len(b.mediaServers), where)
	if b.demo {
		line("demo page", "%s/demo/?session=demo   (open it twice)", b.base)
	}
	line("operator's page", "%s/admin%s", b.base, kill)
	line("API docs", "%s/docs", b.base)
	line("API", "%s/v1   key: %s", b.base, b.key)
	if b.dev != nil {
		line("store", "mongosh %q", b.dev.store)
	}
	line("media servers", "%s", strings.Join(b.mediaServers, "   "))
	if b.dev == nil {
		_, _ = fmt.Fprintln(w)
		return
	}
	if b.dev.data == "" {
		line("data", "in memory, gone at the end (--data DIR keeps it)")
	} else {
		line("data", "%s", b.dev.data)
	}
	_, _ = fmt.Fprint(w, "\nCtrl-C ends it.\n")
}
