package operator

import (
	"context"
	"net/http"

	"github.com/orkestro/orkestro/pkg/membership"
)

const membershipPath = "/v1/admin/membership"

// Membership is which tokens of media servers count. Its manifest is that of generation 0 when there is none to be
// believed.
type Membership struct {
	Enabled bool           `json:"enabled"`
	Key     membership.Key `json:"key,omitempty"`
	membership.Manifest
}

// Membership reads which tokens count.
func (c *Client) Membership(ctx context.Context) (Membership, error) {
	var m Membership
	return m, c.get(ctx, membershipPath, &m)
}

// PutManifest stores the next manifest.
func (c *Client) PutManifest(ctx context.Context, document string) (Membership, error) {
	var m Membership
	return m, c.call(ctx, http.MethodPut, membershipPath, map[string]string{"manifest": document}, &m)
}
