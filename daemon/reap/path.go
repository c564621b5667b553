// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"container/list"
	"time"

	"shim6/daemon/engine"
)

// path is what is known of a locator pair, by all contexts that have it.
type path struct {
	pair engine.Pair
	// good is when a Probe by it was last reported as received, bad when one
	// was last given up; they mean something if hasGood and hasBad.
	good, bad       time.Duration
	hasGood, hasBad bool
	rtt             time.Duration
	// tooLong is the length of a packet that was lost though shorter ones
	// arrived, noticed last at tooLongAt; 0 if none was, or one has arrived
	// since.
	tooLong   int
	tooLongAt time.Duration
}

// works and fails are what is known last.
func (p *path) works() bool { return p != nil && p.hasGood && (!p.hasBad || p.good >= p.bad) }
func (p *path) fails() bool { return p != nil && p.hasBad && (!p.hasGood || p.bad > p.good) }

// paths are the locator pairs of which something is known, at most max: the one
// that nobody has asked for longest is forgotten.
type paths struct {
	max   int
	by    map[engine.Pair]*list.Element
	order *list.List
	// long: a pair has lost long packets, once.
	long bool
}

func newPaths(max int) paths {
	return paths{max: max, by: make(map[engine.Pair]*list.Element), order: list.New()}
}

// get is what is known of a pair, nil if nothing is.
func (t *paths) get(p engine.Pair) *path {
	if e := t.by[p]; e != nil {
		return e.Value.(*path)
	}
	return nil
}

func (t *paths) make(p engine.Pair) *path {
	if e := t.by[p]; e != nil {
		t.order.MoveToFront(e)
		return e.Value.(*path)
	}
	if len(t.by) >= t.max {
		e := t.order.Back()
		delete(t.by, e.Value.(*path).pair)
		t.order.Remove(e)
	}
	v := &path{pair: p}
	t.by[p] = t.order.PushFront(v)
	return v
}

// answered notes that a Probe of a pair, sent at a time in a packet of a length, was
// received.
func (t *paths) answered(p engine.Pair, sent, now time.Duration, length int) {
	v := t.make(p)
	v.good, v.hasGood, v.rtt = now, true, now-sent
	if length >= v.tooLong {
		v.tooLong = 0
	}
}

// loses notes that a pair loses packets of a length.
func (t *paths) loses(p engine.Pair, length int, now time.Duration) {
	v := t.make(p)
	v.tooLong, v.tooLongAt = length, now
	t.long = true
}

// unanswered notes that a Probe of a pair, sent at a time, has had no answer. One that
// was sent later may have had.
func (t *paths) unanswered(p engine.Pair, sent, now time.Duration) {
	if v := t.make(p); !v.hasGood || v.good < sent {
		v.bad, v.hasBad = now, true
	}
}
