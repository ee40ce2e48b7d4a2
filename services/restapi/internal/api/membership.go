package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// membershipFresh is how long manifests that were read count. Wrappers look as often.
const membershipFresh = 2 * time.Second

// members is what a REST replica knows of who may serve in the fleet.
type members struct {
	key   membership.Key // "": the fleet asks for no membership
	store *store.Membership

	mu       sync.Mutex
	verifier *membership.Verifier
	readAt   time.Time
}

func newMembers(key membership.Key, s *store.Membership) *members {
	return &members{key: key, store: s, verifier: membership.NewVerifier(key)}
}

// follow reads the manifests unless that was done just now. None that can be believed is no error: nobody is admitted.
func (m *members) follow(ctx context.Context, now time.Time) error {
	m.mu.Lock()
	fresh := now.Sub(m.readAt) < membershipFresh
	m.mu.Unlock()
	if fresh || m.key == "" {
		return nil
	}
	documents, err := m.store.Documents(ctx)
	if err != nil {
		return err
	}
	_ = m.verifier.Follow(documents)
	m.mu.Lock()
	m.readAt = now
	m.mu.Unlock()
	return nil
}

// ServerMembership is whether a media server is a member of the fleet.
type ServerMembership struct {
	State     string        `json:"state" enum:"admitted,refused"`
	Reason    string        `json:"reason,omitempty" doc:"Why it is refused."`
	ExpiresAt *message.Time `json:"expiresAt,omitempty" doc:"When its token expires, if it presents one that can be read."`
}

// of is the membership of a server, nil when the fleet asks for none.
func (m *members) of(ctx context.Context, s control.MediaServer, now time.Time) (*ServerMembership, error) {
	if m.key == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if err := m.follow(ctx, now); err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	verdict := m.verifier.Admit(s, now)
	described := &ServerMembership{State: "admitted", Reason: verdict.Refused}
	if verdict.Refused != "" {
		described.State = "refused"
	}
	if !verdict.Expires.IsZero() {
		described.ExpiresAt = new(message.Time(verdict.Expires))
	}
	return described, nil
}

// Membership is which tokens of media servers count.
//
//nolint:lll // one field, one line
type Membership struct {
	Enabled    bool               `json:"enabled" doc:"Whether the fleet asks for membership. Without a key it does not, and the rest is missing."`
	Key        string             `json:"key,omitempty" doc:"The public key that is configured."`
	Generation int64              `json:"generation,omitempty" doc:"Of the manifest that counts; missing if there is none that the key leads to."`
	Accepts    []AcceptGeneration `json:"accepts,omitempty"`
	Versions   []string           `json:"versions,omitempty" doc:"Of media servers; missing: all."`
	IssuedAt   *message.Time      `json:"issuedAt,omitempty"`
}

// AcceptGeneration is a generation of tokens that counts.
type AcceptGeneration struct {
	Generation int64         `json:"generation"`
	Key        string        `json:"key" doc:"The public key that signs its tokens."`
	Until      *message.Time `json:"until,omitempty" doc:"When it counts no more."`
}

type membershipOutput struct{ Body Membership }

// memberships are the operations on who may serve in the fleet.
type memberships struct{ *core }

func (m *memberships) get(ctx context.Context, _ *struct{}) (*membershipOutput, error) {
	if err := m.members.follow(ctx, m.Now()); err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	return &membershipOutput{Body: m.members.describe()}, nil
}

func (m *members) describe() Membership {
	described := Membership{Enabled: m.key != "", Key: string(m.key)}
	manifest, known := m.verifier.Manifest()
	if !known {
		return described
	}
	described.Generation, described.Versions = manifest.Generation, manifest.Versions
	if !manifest.IssuedAt.IsZero() {
		described.IssuedAt = new(message.Time(manifest.IssuedAt))
	}
	for _, a := range manifest.Accepts {
		accept := AcceptGeneration{Generation: a.Generation, Key: string(a.Key)}
		if a.Until != nil {
			accept.Until = new(message.Time(*a.Until))
		}
		described.Accepts = append(described.Accepts, accept)
	}
	return described
}

// NewManifest is what PUT /v1/admin/membership takes.
type NewManifest struct {
	Manifest string `json:"manifest" minLength:"1" maxLength:"16384" doc:"As 'orkestro membership rotate' writes it."`
}

func (m *memberships) put(ctx context.Context, in *struct{ Body NewManifest }) (*membershipOutput, error) {
	manifest, err := membership.ParseManifest(in.Body.Manifest)
	if err == nil {
		err = m.append(ctx, manifest, in.Body.Manifest)
	} else {
		err = control.Errorf(control.CodeInvalid, "manifest: %w", err)
	}
	reason := fmt.Sprintf("generation %d, key %s", manifest.Generation, manifest.Key())
	if err = m.audited(ctx, "membership.manifest", "membership:manifest", reason, err); err != nil {
		return nil, err
	}
	return &membershipOutput{Body: m.members.describe()}, nil
}

// append stores the manifest that follows those that are there; the same one again is no error.
func (m *memberships) append(ctx context.Context, manifest membership.Manifest, document string) error {
	if m.members.key == "" {
		return control.Errorf(control.CodeConflict, "this fleet has no membership key configured")
	}
	documents, err := m.Store.Membership.Documents(ctx)
	if err != nil {
		return err
	}
	if n := len(documents); n > 0 && documents[n-1] == document {
		return m.members.verifier.Follow(documents)
	}
	before, err := lastGeneration(documents)
	if err != nil {
		return err
	}
	if manifest.Generation != before+1 {
		return control.Errorf(control.CodeConflict, "manifest: generation %d is needed, not %d", before+1,
			manifest.Generation)
	}
	documents = append(documents, document)
	current, err := membership.Follow(m.members.key, documents)
	if err != nil || current.Generation != manifest.Generation {
		return control.Errorf(control.CodeForbidden, "manifest: it is not signed by the key of the manifest before")
	}
	err = m.Store.Membership.Append(ctx, control.MembershipManifest{
		Generation: manifest.Generation, Document: document, At: m.Now().UTC(), By: callOf(ctx).principal.Actor(),
	})
	if errors.Is(err, store.ErrGuard) {
		return control.Errorf(control.CodeConflict, "manifest: another one of generation %d came first",
			manifest.Generation)
	}
	if err != nil {
		return err
	}
	return m.members.verifier.Follow(documents)
}

// lastGeneration is that of the last manifest that is stored. The first one that can be is of generation 2: a fleet
// begins with that of its key alone.
func lastGeneration(documents []string) (int64, error) {
	if len(documents) == 0 {
		return 1, nil
	}
	last, err := membership.ParseManifest(documents[len(documents)-1])
	if err != nil {
		return 0, control.Errorf(control.CodeConflict, "the last manifest that is stored cannot be read: %w", err)
	}
	return last.Generation, nil
}

// membershipRoutes are those of operators who say which media servers may serve.
func (c *core) membershipRoutes(api huma.API) {
	m := &memberships{c}
	add(api, "GET /v1/admin/membership", byKey, "Which tokens of media servers count", 200, m.get)
	add(api, "PUT /v1/admin/membership", byKey, "Store the next manifest", 200, m.put)
}
