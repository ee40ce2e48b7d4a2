package memory

// consumer is what a queue knows of a subscription or mailbox. Its maps are guarded by the queue's lock, under which
// deliver and ended are called; neither may block.
type consumer struct {
	limit   int // entries held at once
	held    map[uint64]*entry
	deliver func(*entry)
	ended   func() // the queue was deleted
}

// releaseLocked forgets an entry, and reports false when it is not held any more.
func (c *consumer) releaseLocked(e *entry) bool {
	if _, ok := c.held[e.number]; !ok {
		return false
	}
	delete(c.held, e.number)
	return true
}
