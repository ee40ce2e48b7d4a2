package operator

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

const auditPath = "/v1/admin/audit"

// AuditFilter chooses entries of the audit; the zero value of a field means any.
type AuditFilter struct {
	Object string
	Since  time.Time
}

func (f AuditFilter) query(order string) url.Values {
	query := url.Values{"order": {order}}
	if f.Object != "" {
		query.Set("object", f.Object)
	}
	if !f.Since.IsZero() {
		query.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	return query
}

// LatestAudit is up to limit entries at the end of the chain, the last one first.
func (c *Client) LatestAudit(ctx context.Context, f AuditFilter, limit int) ([]control.AuditEntry, error) {
	return list[control.AuditEntry](ctx, c, auditPath, f.query("head"), limit)
}

// EachAudit calls use with each entry of the chain behind the number after, in its order.
func (c *Client) EachAudit(ctx context.Context, f AuditFilter, after int64, use func(control.AuditEntry)) error {
	query := f.query("chain")
	query.Set("after", strconv.FormatInt(after, 10))
	return c.eachAudit(ctx, query, use)
}

// EachLooseAudit calls use with each entry that is not in the chain.
func (c *Client) EachLooseAudit(ctx context.Context, use func(control.AuditEntry)) error {
	return c.eachAudit(ctx, AuditFilter{}.query("loose"), use)
}

// eachAudit keeps no more than a page: an audit only grows.
func (c *Client) eachAudit(ctx context.Context, query url.Values, use func(control.AuditEntry)) error {
	query.Set("limit", strconv.Itoa(pageSize))
	for {
		var p page[control.AuditEntry]
		if err := c.get(ctx, auditPath+"?"+query.Encode(), &p); err != nil {
			return err
		}
		for _, e := range p.Items {
			use(e)
		}
		if p.Next == "" {
			return nil
		}
		query.Set("cursor", p.Next)
	}
}
