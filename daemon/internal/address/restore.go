// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"slices"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/locator"
)

// Restorer sees what others remove of ours, and bounds how often that is set up again. It is set
// up at once at first. If another program goes on to remove it, it is set up again only every
// RestorePause: two programs that undo each other's work would keep the host busy.
//
// The zero Restorer is ready.
type Restorer struct {
	// rules are those with our mark, as they were read and as was told since. The kernel may
	// have the same rule twice.
	rules []Rule
	// removed are a Rule, a Route or an AddressAt that another program has removed since the
	// last Bound.
	removed map[any]bool
	// full is when as much as restoreBurst may be set up again at once.
	full time.Duration
}

// AddressAt is an address on an interface.
type AddressAt struct {
	Index   uint32
	Address netip.Addr
}

const (
	// RestorePause is between restorations, after restoreBurst of them.
	RestorePause = 10 * time.Second
	restoreBurst = 6
)

// Restoration is what Bound says of a Plan.
type Restoration struct {
	// First is one of the Actions that set up again what another program has removed, nil
	// if there are none.
	First Action
	// Later is when the Plan is to be made again, because such Actions were left out; 0 if
	// none were.
	Later time.Duration
}

// Rules takes over the rules that have our mark, as they were read.
func (r *Restorer) Rules(rules []Rule) { r.rules = slices.Clone(rules) }

// Did takes over an Action that was done.
func (r *Restorer) Did(a Action) {
	switch a := a.(type) {
	case AddRule:
		r.rules = append(r.rules, Rule(a))
	case DeleteRule:
		r.forget(Rule(a))
	}
}

func (r *Restorer) forget(rule Rule) bool {
	i := slices.Index(r.rules, rule)
	if i < 0 {
		return false
	}
	r.rules = slices.Delete(r.rules, i, i+1)
	return true
}

// Apply takes over a message about a rule, a route or an address. route says that the message
// has changed the Routes. Apply reports whether another program has removed a rule of ours.
func (r *Restorer) Apply(m netlink.Message, t *locator.Table, route bool) bool {
	switch m.Header.Type {
	case unix.RTM_DELRULE:
		rule, ok := parseRule(m)
		if !ok || !r.forget(rule) {
			return false
		}
		r.note(rule)
		return true
	case unix.RTM_DELROUTE:
		if x, ok := parseRoute(m); ok && route {
			r.note(x)
		}
	case unix.RTM_DELADDR:
		var a rtnetlink.AddressMessage
		if a.UnmarshalBinary(m.Data) != nil || a.Attributes == nil {
			return false
		}
		if ip, ok := netip.AddrFromSlice(a.Attributes.Address); ok && t.Made(a.Index, ip) {
			r.note(AddressAt{a.Index, ip})
		}
	}
	return false
}

func (r *Restorer) note(what any) {
	if r.removed == nil {
		r.removed = map[any]bool{}
	}
	r.removed[what] = true
}

// Bound leaves out of a Plan what may not be set up again yet.
func (r *Restorer) Bound(now time.Duration, p *Plan) Restoration {
	if len(r.removed) == 0 {
		return Restoration{}
	}
	var done Restoration
	again := map[any]bool{}
	for _, a := range p.Actions {
		if what := setsUp(a); what != nil && r.removed[what] {
			again[what] = true
			if done.First == nil {
				done.First = a
			}
		}
	}
	// The rest is not wanted any more, such as routes of a link that is down.
	r.removed = again
	if done.First == nil {
		return done
	}
	const room = RestorePause * (restoreBurst - 1)
	if r.full-now > room {
		p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return again[setsUp(a)] })
		done.Later = r.full - room
		return done
	}
	r.full = max(r.full, now) + RestorePause
	r.removed = nil
	return done
}

// setsUp is what an Action sets up: a Rule, a Route, an AddressAt, or nil.
func setsUp(a Action) any {
	switch a := a.(type) {
	case AddRule:
		return Rule(a)
	case AddRoute:
		return Route(a)
	case SetAddress:
		return AddressAt{a.Index, a.Address}
	}
	return nil
}
