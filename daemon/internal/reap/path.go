// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"container/list"
	"time"

	"shim6/daemon/internal/engine"
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
	class     *classPath
}

// classPath is what is known of the pairs between two networks, by the last Probe of any
// of them; by is the one that worked, and pairs counts those that are remembered.
type classPath struct {
	good, bad       time.Duration
	by              engine.Pair
	hasGood, hasBad bool
	pairs           int
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
	// classes are those of the pairs.
	classes map[class]*classPath
	// long: a pair has lost long packets, once.
	long bool
}

func newPaths(max int) paths {
	return paths{max: max, by: make(map[engine.Pair]*list.Element), order: list.New(), classes: make(map[class]*classPath)}
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
		t.forget(t.order.Back())
	}
	of := t.classes[classOf(p)]
	if of == nil {
		of = &classPath{}
		t.classes[classOf(p)] = of
	}
	of.pairs++
	v := &path{pair: p, class: of}
	t.by[p] = t.order.PushFront(v)
	return v
}

func (t *paths) forget(e *list.Element) {
	v := e.Value.(*path)
	delete(t.by, v.pair)
	t.order.Remove(e)
	if v.class.pairs--; v.class.pairs == 0 {
		delete(t.classes, classOf(v.pair))
	}
}

// worked is when any pair between two networks was last known to work, and which. It
// reports whether that is the last that is known of them.
func (t *paths) worked(of class) (time.Duration, engine.Pair, bool) {
	v := t.classes[of]
	if v == nil || !v.hasGood || v.hasBad && v.bad > v.good {
		return 0, engine.Pair{}, false
	}
	return v.good, v.by, true
}

// answered notes that a Probe of a pair, sent at a time in a packet of a length, was
// received.
func (t *paths) answered(p engine.Pair, sent, now time.Duration, length int) {
	v := t.make(p)
	v.good, v.hasGood, v.rtt = now, true, now-sent
	v.class.good, v.class.hasGood, v.class.by = now, true, p
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
	v := t.make(p)
	if !v.hasGood || v.good < sent {
		v.bad, v.hasBad = now, true
	}
	if c := v.class; !c.hasGood || c.good < sent {
		c.bad, c.hasBad = now, true
	}
}
