// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"net/netip"
	"time"

	"shim6/daemon/engine"
	"shim6/daemon/wire"
)

// operator is an Explorer that also does what an operator says: use this locator
// pair. All else it leaves to the one behind it, which may well choose another one
// later.
type operator struct {
	engine.Explorer
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
		case !s.SetPair(u.pair):
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

// idleExplorer explores nothing: no context leaves its pair by itself.
type idleExplorer struct{}

func (idleExplorer) Established(*engine.Session)                                {}
func (idleExplorer) Reap(*engine.Session, engine.ReapKind)                      {}
func (idleExplorer) Probe(*engine.Session, netip.Addr, netip.Addr, *wire.Probe) {}
func (idleExplorer) Hint(*engine.Session, string)                               {}
func (idleExplorer) Gone(*engine.Session)                                       {}
func (idleExplorer) Tick(*engine.Engine)                                        {}
func (idleExplorer) Next() (time.Duration, bool)                                { return 0, false }
