package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
	restapi "github.com/orkestro/orkestro/services/restapi/app"
	wrapper "github.com/orkestro/orkestro/services/wrapper/app"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

const configDoc = "../../docs/config.md"

const configHead = `# Settings

Every setting is a flag and an environment variable; the flag wins, then the variable, then the default. Durations are
written as ` + "`250ms`, `30s`, `5m`" + `. Lists are separated by commas.

This page is made from the programs: ` + "`go test ./cmd/orkestro -run TestConfigDoc -update`" + ` writes it, and a test fails when
it is out of date.
`

func TestConfigDoc_IsUpToDate(t *testing.T) {
	var doc bytes.Buffer
	doc.WriteString(configHead)
	writeProgram(t, &doc, "restapi", &restapi.Config{})
	writeProgram(t, &doc, "wrapper", &wrapper.Config{})
	writeProgram(t, &doc, "mediaserver", &mediaserver.Config{})
	writeProgram(t, &doc, "orkestro", &commands{})
	if *update {
		if err := os.WriteFile(configDoc, doc.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, doc.Bytes()) {
		t.Error("docs/config.md is out of date: run go test ./cmd/orkestro -run TestConfigDoc -update")
	}
}

// writeProgram writes a program's settings, and those of its commands.
func writeProgram(t *testing.T, doc *bytes.Buffer, name string, grammar any) {
	t.Helper()
	parser, err := kong.New(grammar, kong.Name(name), kong.Vars{"version": "", "hostname": ""})
	if err != nil {
		t.Fatalf("settings of %s: %v", name, err)
	}
	writeNode(t, doc, name, parser.Model.Node)
}

func writeNode(t *testing.T, doc *bytes.Buffer, title string, node *kong.Node) {
	t.Helper()
	var rows []string
	for _, f := range node.Flags {
		if f.Name == "help" || f.Hidden {
			continue
		}
		if f.Help == "" {
			t.Errorf("%s --%s has no help", title, f.Name)
		}
		rows = append(rows, fmt.Sprintf("| `--%s` | %s | %s | %s |",
			f.Name, code(strings.Join(f.Envs, " ")), code(f.Default), strings.ReplaceAll(f.Help, "|", `\|`)))
	}
	if len(rows) > 0 {
		fmt.Fprintf(doc, "\n## %s\n", title)
		if node.Help != "" {
			fmt.Fprintf(doc, "%s\n", node.Help)
		}
		fmt.Fprintf(doc, "\n| flag | variable | default | |\n| --- | --- | --- | --- |\n%s\n", strings.Join(rows, "\n"))
	}
	for _, child := range node.Children {
		writeNode(t, doc, title+" "+child.Name, child)
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
