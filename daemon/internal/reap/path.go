// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"container/list"
	"time"

	"shim6/daemon/internal/engine"
)

// path is what is known of a locator pair. All contexts share it.
type path struct {
	pair engine.Pair
	// good is when a Probe by the pair was last reported as received, and bad when one was last
	// given up. They have a meaning only if hasGood and hasBad.
	good, bad       time.Duration
	hasGood, hasBad bool
	// rtt is how long the last answer took.
	rtt time.Duration
	// tooLong is the length in octets of a packet that was lost though shorter ones arrived,
	// noticed last at tooLongAt. It is 0 if none was, or if one as long has arrived since.
	tooLong   int
	tooLongAt time.Duration
	networks  *networkPath
}

// networkPath is what is known of the pairs between two networks, from the last Probe by any
// of them.
type networkPath struct {
	// good and bad are as in path, and by is the pair of good.
	good, bad       time.Duration
	by              engine.Pair
	hasGood, hasBad bool
	// pairs counts the pairs remembered.
	pairs int
}

// works and fails report what was learned last.
func (p *path) works() bool { return p != nil && p.hasGood && (!p.hasBad || p.good >= p.bad) }
func (p *path) fails() bool { return p != nil && p.hasBad && (!p.hasGood || p.bad > p.good) }

// paths are the locator pairs of which something is known, at most max. The pair that was probed
// least recently is forgotten first.
type paths struct {
	max int
	by  map[engine.Pair]*list.Element
	// order has the pairs, the one probed last at the front.
	order    *list.List
	networks map[networks]*networkPath
	// long: some pair has lost long packets since the start. It only saves look-ups.
	long bool
}

func newPaths(max int) paths {
	return paths{max: max, by: make(map[engine.Pair]*list.Element), order: list.New(), networks: make(map[networks]*networkPath)}
}

// get is what is known of a pair, nil if nothing is.
func (t *paths) get(p engine.Pair) *path {
	if e := t.by[p]; e != nil {
		return e.Value.(*path)
	}
	return nil
}

// make is get, but remembers a pair that is new.
func (t *paths) make(p engine.Pair) *path {
	if e := t.by[p]; e != nil {
		t.order.MoveToFront(e)
		return e.Value.(*path)
	}
	if len(t.by) >= t.max {
		t.forget(t.order.Back())
	}
	of := t.networks[networksOf(p)]
	if of == nil {
		of = &networkPath{}
		t.networks[networksOf(p)] = of
	}
	of.pairs++
	v := &path{pair: p, networks: of}
	t.by[p] = t.order.PushFront(v)
	return v
}

func (t *paths) forget(e *list.Element) {
	v := e.Value.(*path)
	delete(t.by, v.pair)
	t.order.Remove(e)
	if v.networks.pairs--; v.networks.pairs == 0 {
		delete(t.networks, networksOf(v.pair))
	}
}

// worked is when a pair between two networks was last known to work, and which pair. False means
// that none is, or that one has failed since.
func (t *paths) worked(of networks) (time.Duration, engine.Pair, bool) {
	v := t.networks[of]
	if v == nil || !v.hasGood || v.hasBad && v.bad > v.good {
		return 0, engine.Pair{}, false
	}
	return v.good, v.by, true
}

// answered notes that a Probe by a pair, sent at a time in a packet of a length, was received.
func (t *paths) answered(p engine.Pair, sent, now time.Duration, length int) {
	v := t.make(p)
	v.good, v.hasGood, v.rtt = now, true, now-sent
	v.networks.good, v.networks.hasGood, v.networks.by = now, true, p
	if length >= v.tooLong {
		v.tooLong = 0
	}
}

// loses notes that a pair loses packets of a length in octets.
func (t *paths) loses(p engine.Pair, length int, now time.Duration) {
	v := t.make(p)
	v.tooLong, v.tooLongAt = length, now
	t.long = true
}

// unanswered notes that a Probe by a pair, sent at a time, has had no answer. A Probe sent later
// may have had one; then nothing is noted.
func (t *paths) unanswered(p engine.Pair, sent, now time.Duration) {
	v := t.make(p)
	if !v.hasGood || v.good < sent {
		v.bad, v.hasBad = now, true
	}
	if c := v.networks; !c.hasGood || c.good < sent {
		c.bad, c.hasBad = now, true
	}
}
