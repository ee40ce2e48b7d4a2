package doctor

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Print writes the report for a person.
func (r Report) Print(w io.Writer) error {
	p := &printer{w: w}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	tabular := &printer{w: table}
	tabular.linef("CHECK\tEXAMINED\tFINDINGS\tCOMPARES")
	for _, c := range r.Checks {
		tabular.linef("%s\t%d\t%d\t%s", c.Name, c.Examined, c.Findings, c.Compares)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range r.Checks {
		if c.Left != "" {
			p.linef("\n%s: not examined: %s", c.Name, c.Left)
		}
	}
	for _, f := range r.Findings {
		p.linef("\n%s  %s\n  seen     %s\n  means    %s\n  to do    %s", f.Problem, f.Object, f.Detail, f.Meaning, f.Advice)
	}
	found := 0
	for _, c := range r.Checks {
		found += c.Findings
	}
	took := r.Took.Round(time.Millisecond)
	switch {
	case found == 0:
		p.linef("\nHealthy: nothing is wrong that was examined (%d looks, %s).", r.Looks, took)
	case found > len(r.Findings):
		p.linef("\n%d findings, the first %d are shown (%d looks, %s).", found, len(r.Findings), r.Looks, took)
	default:
		p.linef("\n%d findings, each there in both of two looks (%s).", found, took)
	}
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) linef(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
