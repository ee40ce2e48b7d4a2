package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// Orders in which the audit is listed.
const (
	auditOldest = "oldest" // by time
	auditNewest = "newest"
	auditChain  = "chain" // by seq
	auditHead   = "head"  // by seq, the last one first
	auditLoose  = "loose" // entries of before the chain, by id
)

//nolint:lll // one field, one line
type auditInput struct {
	PageQuery
	Object string `query:"object" maxLength:"128" doc:"Only what was done to this object, such as session:ID."`
	Since  string `query:"since" doc:"Only from this time on (RFC 3339)."`
	Order  string `query:"order" enum:"oldest,newest,chain,head,loose" default:"oldest" doc:"By time, the oldest or the newest first; or as entries are chained, from the first on or from the head back; or those that are not in the chain, of before there was one."`
	After  int64  `query:"after" minimum:"0" doc:"With order=chain, only entries behind this seq."`
}

// filter is the page that is asked for.
func (in *auditInput) filter() (store.AuditFilter, error) {
	f := store.AuditFilter{Object: in.Object, AfterSeq: in.After, Limit: in.Limit + 1}
	after, err := in.after()
	if err != nil {
		return f, err
	}
	if in.Since != "" {
		if f.Since, err = time.Parse(time.RFC3339, in.Since); err != nil {
			return f, control.Errorf(control.CodeInvalid, "since: an RFC 3339 time is needed")
		}
	}
	if in.After > 0 && in.Order != auditChain {
		return f, control.Errorf(control.CodeInvalid, "after: it is for order=chain")
	}
	f.Newest = in.Order == auditNewest || in.Order == auditHead
	switch in.Order {
	case auditChain, auditHead:
		f.Chain = true
		if after != "" {
			f.AfterSeq, err = strconv.ParseInt(after, 10, 64)
		}
	case auditLoose:
		f.Loose, f.AfterID = true, after
	default:
		f.AfterTime, f.AfterID, err = auditPosition(after)
	}
	if err != nil {
		return f, control.Errorf(control.CodeInvalid, "cursor: it is not one that this list gave")
	}
	return f, nil
}

// auditPosition is what a cursor of a list by time stands for: time and id of an entry, none for the first page. The
// database keeps times in milliseconds.
func auditPosition(key string) (at time.Time, id string, err error) {
	if key == "" {
		return time.Time{}, "", nil
	}
	text, id, found := strings.Cut(key, "/")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (!found || id == "") {
		err = strconv.ErrSyntax
	}
	return time.UnixMilli(ms), id, err
}

// position is the cursor behind an entry.
func (in *auditInput) position(e AuditEntry) string {
	switch in.Order {
	case auditChain, auditHead:
		return strconv.FormatInt(e.Seq, 10)
	case auditLoose:
		return e.ID
	default:
		return strconv.FormatInt(time.Time(e.Time).UnixMilli(), 10) + "/" + e.ID
	}
}

// AuditEntry is who did what to which object, and how it ended.
type AuditEntry struct {
	ID       string       `json:"id"`
	Time     message.Time `json:"time"`
	Actor    string       `json:"actor"`
	Action   string       `json:"action"`
	Object   string       `json:"object"`
	Reason   string       `json:"reason,omitempty"`
	Result   string       `json:"result" doc:"ok, or the code of an error."`
	Seq      int64        `json:"seq,omitempty" doc:"Its number in the chain, missing on entries of before there was one."`
	Previous string       `json:"previous,omitempty" doc:"The hash of the entry before it in the chain."`
	Hash     string       `json:"hash,omitempty" doc:"SHA-256 of its content and of previous."`
}

func (a *admin) audit(ctx context.Context, in *auditInput) (*listOutput[AuditEntry], error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	found, err := a.Store.Audit.List(ctx, filter)
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", err)
	}
	list := make([]AuditEntry, len(found))
	for i, e := range found {
		list[i] = AuditEntry{
			ID: e.ID, Time: message.Time(e.Time), Actor: e.Actor, Action: e.Action, Object: e.Object,
			Reason: e.Reason, Result: e.Result, Seq: e.Seq, Previous: e.Previous, Hash: e.Hash,
		}
	}
	return pageOf(list, in.Limit, in.position), nil
}
