package engine

import (
	"github.com/256dpi/lungo/bsonkit"
	"github.com/tidwall/btree"
)

// snapshot makes the plan independent of later writes: trees are copied, which costs nothing until somebody writes.
func (p *plan) snapshot(c *collection) (natural *btree.BTreeG[*record]) {
	if p.natural {
		return c.natural.Copy()
	}
	for i := range p.scans {
		frozen := *p.scans[i].index
		if i > 0 {
			frozen.tree = p.scans[0].index.tree
		} else {
			frozen.tree = frozen.tree.Copy()
		}
		p.scans[i].index = &frozen
	}
	return nil
}

// each calls visit for every candidate once, until it returns false.
func (p *plan) each(natural *btree.BTreeG[*record], visit func(*record) bool) {
	for _, r := range p.records {
		if !visit(r) {
			return
		}
	}
	if p.natural {
		natural.Scan(visit)
		return
	}
	seen := map[uint64]bool{}
	for _, s := range p.scans {
		more := true
		s.run(func(r *record) bool {
			if s.index.multikey || len(p.scans) > 1 {
				if seen[r.seq] {
					return true
				}
				seen[r.seq] = true
			}
			more = visit(r)
			return more
		})
		if !more {
			return
		}
	}
}

func (s *scan) run(visit func(*record) bool) {
	start := append(s.prefix[:len(s.prefix):len(s.prefix)], s.start()...)
	n := len(s.prefix)
	s.index.tree.Ascend(entry{keys: start}, func(e entry) bool {
		if !equalKeys(e.keys, s.prefix) || !s.within(e.keys, n) {
			return false
		}
		return visit(e.record)
	})
}

// start is where the range begins: at its lower bound, or before the first value comparable with its upper one.
func (s *scan) start() []any {
	switch {
	case s.low != nil:
		return []any{s.low}
	case s.high != nil:
		class, _ := bsonkit.Inspect(s.high)
		return []any{classFloor(class)}
	default:
		return nil
	}
}

func (s *scan) within(keys []any, n int) bool {
	bound := s.low
	if bound == nil {
		bound = s.high
	}
	if bound == nil {
		return true
	}
	want, _ := bsonkit.Inspect(bound)
	if class, _ := bsonkit.Inspect(keys[n]); class != want {
		return false
	}
	return s.high == nil || bsonkit.Compare(keys[n], s.high) <= 0
}
