package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// output chooses how a command prints what it found.
type output struct {
	JSON bool `help:"Print JSON instead of a table."`
}

// print writes v as JSON, or the table that rows makes of it: the first row is the heading.
func (o output) print(w io.Writer, v any, rows func() [][]string) error {
	if o.JSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	return writeTable(w, rows())
}

// writeTable aligns rows in columns.
func writeTable(w io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = plain(cell)
		}
		if _, err := fmt.Fprintln(table, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return table.Flush()
}

// plain is a text that somebody else wrote as a part of one line: what would move the cursor, begin another line or
// turn the direction of writing is replaced.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// age is how long ago t was, short enough for a table.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", max(0, d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	default:
		return fmt.Sprintf("%.0fd", d.Hours()/24)
	}
}

// orDash is s, or a dash where there is nothing, so that columns stay visible.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
