package membership

import (
	"slices"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Reasons why a media server is no member.
const (
	RefusedMissing    = "membership missing"                     // it presents nothing
	RefusedForged     = "membership forged"                      // unreadable, or not signed by the key of its generation
	RefusedServer     = "membership of another server"           // its token names another id
	RefusedVersion    = "membership of another version"          // its token names another version, or the manifest does
	RefusedGeneration = "membership of a left-over generation"   // the manifest does not accept it (any more)
	RefusedNotYet     = "membership not valid yet"               // before notBefore, or of a generation to come
	RefusedExpired    = "membership expired"                     // after expires
	RefusedReplayed   = "membership replayed"                    // the process does not have the key that the token names
	RefusedAll        = "membership cannot be told: no manifest" // none that the configured key leads to
)

// maxVerdicts is how many verdicts are remembered. Chosen: more than a fleet has servers.
const maxVerdicts = 4096

// Verdict is what is thought of a media server. The zero value is that of a fleet that asks for no membership.
type Verdict struct {
	Refused string    // a reason; "": it is a member
	Expires time.Time // of its token, zero if there is none to be read
}

// Verifier tells members from others. Safe for concurrent use.
type Verifier struct {
	key Key

	mu       sync.Mutex
	current  *Manifest // nil: none that can be believed
	verdicts map[record]claim
}

// record is all of a server that signatures are about.
type record struct {
	id                         control.MediaServerID
	instance                   control.InstanceID
	url, version, token, proof string
	startedAt                  int64
}

// claim is what the signatures of a record say, whatever the time is.
type claim struct {
	refused            string
	notBefore, expires time.Time
	until              *time.Time // end of the generation
}

// NewVerifier trusts key. It admits nobody before [Verifier.Follow] has told it which manifests there are.
func NewVerifier(key Key) *Verifier {
	return &Verifier{key: key, verdicts: map[record]claim{}}
}

// Follow takes all manifests that are stored, oldest first. A chain that ends before the one that is followed already
// changes nothing: a generation that was over stays over. Errors: [ErrForged] when none can be believed.
func (v *Verifier) Follow(documents []string) error {
	m, err := Follow(v.key, documents)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil || v.current != nil && m.Generation <= v.current.Generation {
		return err
	}
	v.current = &m
	clear(v.verdicts)
	return nil
}

// Manifest is the one that is followed, false if there is none.
func (v *Verifier) Manifest() (Manifest, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current == nil {
		return Manifest{}, false
	}
	return *v.current, true
}

// Admit is the verdict on a server at a moment.
func (v *Verifier) Admit(s control.MediaServer, now time.Time) Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current == nil {
		return Verdict{Refused: RefusedAll}
	}
	if s.Membership == nil || s.Membership.Token == "" {
		return Verdict{Refused: RefusedMissing}
	}
	r := record{
		id: s.ID, instance: s.Instance, url: s.URL, version: s.Version, startedAt: s.StartedAt.UnixMilli(),
		token: s.Membership.Token, proof: s.Membership.Proof,
	}
	c, known := v.verdicts[r]
	if !known {
		if len(v.verdicts) >= maxVerdicts {
			clear(v.verdicts)
		}
		c = v.current.examine(s)
		v.verdicts[r] = c
	}
	return c.at(now)
}

// examine is what the signatures of a record say.
func (m Manifest) examine(s control.MediaServer) claim {
	token, sealed, err := parseToken(s.Membership.Token)
	if err != nil {
		return claim{refused: RefusedForged}
	}
	c := claim{notBefore: token.NotBefore, expires: token.Expires}
	accepted, counts := m.accepts(token.Generation)
	c.until = accepted.Until
	switch {
	case token.Generation > m.Generation:
		c.refused = RefusedNotYet
	case !counts:
		c.refused = RefusedGeneration
	case !sealed.by(purposeToken, accepted.Key):
		c.refused, c.expires = RefusedForged, time.Time{}
	case !proves(token.Key, s):
		c.refused = RefusedReplayed
	case !token.Names(s.ID):
		c.refused = RefusedServer
	case token.Version != s.Version, len(m.Versions) > 0 && !slices.Contains(m.Versions, s.Version):
		c.refused = RefusedVersion
	}
	return c
}

// at is the verdict at a moment.
func (c claim) at(now time.Time) Verdict {
	verdict := Verdict{Refused: c.refused, Expires: c.expires}
	switch {
	case c.refused != "":
	case c.until != nil && !now.Before(*c.until):
		verdict.Refused = RefusedGeneration
	case now.Before(c.notBefore):
		verdict.Refused = RefusedNotYet
	case !now.Before(c.expires):
		verdict.Refused = RefusedExpired
	}
	return verdict
}
