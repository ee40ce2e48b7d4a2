package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Kinds of a [Finding].
const (
	FindingEdited  = "edited"  // an entry does not have the content that its hash was made of
	FindingMissing = "missing" // entries between two others, or before the first, are gone
	FindingBroken  = "broken"  // an entry does not follow the one before it: one of them was replaced or put in
	FindingCut     = "cut"     // the chain ends before a head that was noted
	FindingRewrote = "rewrote" // the chain has another entry than a head that was noted
	FindingOutside = "outside" // an entry of after the chain's beginning is not in it
)

// maxFindings is how many a verifier keeps. Chosen: more than a person reads, and a chain that was
// written anew as a whole would have one an entry.
const maxFindings = 100

// Finding is one place where a chain does not hold.
type Finding struct {
	Kind   string `json:"kind"`
	Seq    int64  `json:"seq,omitempty"` // of the entry where it shows
	ID     string `json:"id,omitempty"`  // likewise
	Detail string `json:"detail"`
}

// Verifier checks a chain, entry by entry. One goroutine uses it.
type Verifier struct {
	noted    []Head
	head     Head
	began    time.Time // the time of the first entry of the chain
	findings []Finding
}

// NewVerifier expects the heads that were noted before to be in the chain.
func NewVerifier(noted ...Head) *Verifier {
	return &Verifier{noted: slices.Clone(noted)}
}

// Full reports whether there are so many findings that no further ones are kept.
func (v *Verifier) Full() bool { return len(v.findings) >= maxFindings }

// Link takes the next entry of the chain. They come by rising Seq, all of them.
func (v *Verifier) Link(e control.AuditEntry) {
	if v.head.Seq == 0 {
		v.began = e.Time
	}
	switch {
	case e.Seq != v.head.Seq+1:
		v.find(FindingMissing, e, "entries %d to %d are gone", v.head.Seq+1, e.Seq-1)
	case e.Previous != v.head.Hash:
		v.find(FindingBroken, e, "it does not follow the entry before it")
	}
	if Hash(e) != e.Hash {
		v.find(FindingEdited, e, "its content is not what its hash was made of")
	}
	for _, noted := range v.noted {
		if noted.Seq == e.Seq && noted.Hash != e.Hash {
			v.find(FindingRewrote, e, "the entry of that number had the hash %s", noted.Hash)
		}
	}
	v.head = HeadAt(e)
}

// Outside takes an entry that has no link, after all that have one. Those of before the chain began have none.
func (v *Verifier) Outside(e control.AuditEntry) {
	if v.head.Seq > 0 && !e.Time.Before(v.began) {
		v.find(FindingOutside, e, "it is not in the chain, which began before it")
	}
}

// Head is where the chain ends as far as it was taken.
func (v *Verifier) Head() Head { return v.head }

// Findings is where the chain that was taken does not hold.
func (v *Verifier) Findings() []Finding {
	findings := append([]Finding{}, v.findings...)
	for _, noted := range v.noted {
		if noted.Seq > v.head.Seq {
			findings = append(findings, Finding{
				Kind: FindingCut, Seq: noted.Seq,
				Detail: fmt.Sprintf("the chain ends at %d, and went on to %d at least", v.head.Seq, noted.Seq),
			})
		}
	}
	return findings
}

func (v *Verifier) find(kind string, e control.AuditEntry, format string, args ...any) {
	if v.Full() {
		return
	}
	v.findings = append(v.findings, Finding{Kind: kind, Seq: e.Seq, ID: e.ID, Detail: fmt.Sprintf(format, args...)})
}
