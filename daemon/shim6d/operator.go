// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"time"

	"shim6/daemon/engine"
	"shim6/daemon/reap"
)

// operator is REAP that also does what an operator says: use this locator pair. That
// is kept until it fails.
type operator struct {
	*reap.Explorer
	pending []use
}

// use is a command that waits for a Tick.
type use struct {
	ulids engine.ULIDs
	pair  engine.Pair
	done  func(error)
}

var (
	errNoContext = errors.New("there is no such context: 'shim6tool context' shows those that there are")
	errPair      = errors.New("the pair can't be used: the context must be established, both must be its locators, and the peer's must be verified and have answered a Probe")
)

// Use has a context use a pair, at the next Tick, which is then due at once.
func (o *operator) Use(u engine.ULIDs, p engine.Pair, done func(error)) {
	o.pending = append(o.pending, use{u, p, done})
}

// Tick does what was said or, if nothing was, what else there is to do; that is then
// still due.
func (o *operator) Tick(e *engine.Engine) {
	pending := o.pending
	o.pending = nil
	if len(pending) == 0 {
		o.Explorer.Tick(e)
	}
	for _, u := range pending {
		s, ok := e.Session(u.ulids)
		switch {
		case !ok:
			u.done(errNoContext)
		case !o.Explorer.Use(s, u.pair):
			u.done(errPair)
		default:
			u.done(nil)
		}
	}
}

// Next is now, if there is something to do.
func (o *operator) Next() (time.Duration, bool) {
	if len(o.pending) > 0 {
		return 0, true
	}
	return o.Explorer.Next()
}
