package doctor

import (
	"slices"
	"strings"
	"time"
)

// Report is what an examination found.
type Report struct {
	Time     time.Time     `json:"time"`
	Took     time.Duration `json:"-"`
	Looks    int           `json:"looks"` // 1: nothing seemed wrong
	Checks   []Check       `json:"checks"`
	Findings []Finding     `json:"findings"`
}

// Healthy reports whether nothing is wrong, as far as was examined.
func (r Report) Healthy() bool {
	return !slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Findings > 0 })
}

// Check is one comparison. Findings counts all, also those that the report does not name.
type Check struct {
	Name     string `json:"name"`
	Compares string `json:"compares"`
	Examined int    `json:"examined"`
	Findings int    `json:"findings"`
	Left     string `json:"left,omitempty"` // what was not examined, and why
}

// Finding is one thing that is wrong.
type Finding struct {
	Check   string  `json:"check"`
	Problem Problem `json:"problem"`
	Object  string  `json:"object"`  // "session:lobby", "server:media-1", "queue:orkestro.session.lobby"
	Detail  string  `json:"detail"`  // what was seen
	Meaning string  `json:"meaning"` // what that means for the users
	Advice  string  `json:"advice"`  // what to do

	// condition tells apart two conditions of the object that are the same problem: the epoch, the pipeline...
	condition string
}

// identity is what has to be the same in both looks.
func (f Finding) identity() [3]string {
	if f.Problem == ProblemClockSkew {
		return [3]string{string(ProblemStale), f.Object, f.condition} // a stale heartbeat that turned out to advance
	}
	return [3]string{string(f.Problem), f.Object, f.condition}
}

// judgement is what one look has shown.
type judgement struct {
	checks []*result
}

// result is what one check has shown in one look.
type result struct {
	Check
	found []Finding
}

// add notes a finding; condition as in [Finding].
func (r *result) add(problem Problem, object, condition, detail string) {
	told := explain(problem)
	r.found = append(r.found, Finding{
		Check: r.Name, Problem: problem, Object: object, Detail: detail, condition: condition,
		Meaning: told.meaning, Advice: told.advice,
	})
}

func (j *judgement) findings() []Finding {
	var all []Finding
	for _, check := range j.checks {
		all = append(all, check.found...)
	}
	return all
}

// keepOnly drops what the earlier look did not show.
func (j *judgement) keepOnly(earlier *judgement) {
	seen := map[[3]string]bool{}
	for _, f := range earlier.findings() {
		seen[f.identity()] = true
	}
	for _, check := range j.checks {
		check.found = slices.DeleteFunc(check.found, func(f Finding) bool { return !seen[f.identity()] })
	}
}

func (j *judgement) report(began time.Time, looks, maxFindings int) Report {
	report := Report{Time: began.UTC(), Took: time.Since(began), Looks: looks, Findings: []Finding{}}
	for _, check := range j.checks {
		check.Findings = len(check.found)
		slices.SortFunc(check.found, func(a, b Finding) int { return strings.Compare(a.Object, b.Object) })
		report.Checks = append(report.Checks, check.Check)
	}
	all := j.findings()
	report.Findings = append(report.Findings, all[:min(len(all), maxFindings)]...)
	return report
}
