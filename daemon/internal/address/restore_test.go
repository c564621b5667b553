// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
)

// restored is a host with one rule, route and address of ours that others remove.
type restored struct {
	*managed
	Restorer
}

func newRestored(t *testing.T) *restored {
	r := &restored{managed: newManaged(t)}
	r.config.Addresses.Source = config.SourceSystem
	r.address(up1, a1, 0, Infinite, Infinite-1)
	r.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	r.settles()
	r.Rules(r.managed.rules)
	return r
}

// hears takes over a message as the daemon does.
func (r *restored) hears(m netlink.Message) bool {
	changed := r.routes.Apply(m)
	news := r.Restorer.Apply(m, &r.table, changed) || changed
	r.apply(m)
	return news
}

// flush removes the rules, routes and addresses with our mark.
func (r *restored) flush() {
	r.t.Helper()
	x := addressIn(r.t, r.identity, p1).Addr
	for _, rule := range r.managed.rules {
		if !r.hears(DeleteRule(rule).Message()) {
			r.t.Fatal("that a rule was removed is no news")
		}
	}
	r.managed.rules = nil
	for route := range r.routes {
		if !r.hears(DeleteRoute(route).Message()) {
			r.t.Fatal("that a route was removed is no news")
		}
	}
	r.hears(DeleteAddress{Index: up1, Address: x, Bits: 64}.Message())
}

// restores does a Plan, and returns how many actions it had.
func (r *restored) restores() (int, Restoration) {
	p := r.plan()
	done := r.Bound(r.now, &p)
	for _, a := range p.Actions {
		switch a := a.(type) {
		case AddRule:
			r.managed.rules = append(r.managed.rules, Rule(a))
		case AddRoute:
			r.routes[Route(a)] = struct{}{}
		case SetAddress:
			r.apply(a.Message())
		}
		r.Did(a)
	}
	return len(p.Actions), done
}

// Rules, routes and addresses that others remove are set up again at once, but not for ever as
// often.
func TestRestore(t *testing.T) {
	r := newRestored(t)
	r.now = time.Minute
	for range restoreBurst {
		r.flush()
		if n, done := r.restores(); n != 3 || done.First == nil || done.Later != 0 {
			t.Fatalf("%d actions, %+v", n, done)
		}
	}
	r.flush()
	n, done := r.restores()
	if n != 0 || done.First == nil || done.Later != r.now+RestorePause {
		t.Fatalf("%d actions, %+v", n, done)
	}
	r.now = done.Later
	if n, done = r.restores(); n != 3 || done.Later != 0 {
		t.Fatalf("%d actions, %+v", n, done)
	}
	r.flush()
	if n, done = r.restores(); n != 0 || done.Later != r.now+RestorePause {
		t.Fatalf("%d actions, %+v", n, done)
	}
	// A fight that is over is forgotten.
	r.now += restoreBurst * RestorePause
	r.restores()
	r.now += restoreBurst * RestorePause
	for range restoreBurst {
		r.flush()
		if n, done := r.restores(); n != 3 || done.Later != 0 {
			t.Fatalf("%d actions, %+v", n, done)
		}
	}
}

// Other work goes on meanwhile, and what goes with its link is nobody's doing.
func TestRestoreNothingElse(t *testing.T) {
	r := newRestored(t)
	for range 2 * restoreBurst {
		r.flush()
		r.restores()
	}
	r.flush()
	r.address(up2, a2, 0, 1800, 3600)
	if n, done := r.restores(); n != 1 || done.Later == 0 {
		t.Errorf("%d actions, %+v", n, done)
	}
	r = newRestored(t)
	for range 2 * restoreBurst {
		r.flush()
		r.lost(up1, a1)
		r.router(up1, unix.RT_TABLE_MAIN)
		if n, done := r.restores(); n != 0 || done.First != nil {
			t.Fatalf("%d actions, %+v", n, done)
		}
		r.address(up1, a1, 0, Infinite, Infinite-1)
		r.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
		if n, done := r.restores(); n != 3 || done.First != nil {
			t.Fatalf("%d actions, %+v", n, done)
		}
	}
	// Our own doing is none of others, and rules of others are not ours.
	rule := r.managed.rules[0]
	r.Did(DeleteRule(rule))
	if r.hears(DeleteRule(rule).Message()) {
		t.Error("our own doing is news")
	}
	rule.Table = 77
	if r.hears(DeleteRule(rule).Message()) {
		t.Error("a rule that was never there is news")
	}
}
