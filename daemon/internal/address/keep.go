// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/locator"
)

// Keeper keeps ULIDs when their links lose them: because the link is down or removed, or
// somebody has deleted the address. Sockets and local delivery go on with an address of the
// loopback, and the contexts have other locators. The ULID is kept until the link has the
// address again, its valid lifetime is over, or no context has it as its ULID any more.
//
// An address whose prefix has become invalid is not kept (RFC 5533, section 1.5). Neither is an
// address that was deprecated and then deleted from a link that is up: an administrator who
// withdraws a prefix wants it gone.
//
// An address of others that is deleted from a link with a carrier is only kept for restorePause:
// keepalived and Pacemaker move an address to another host in that way, and this host would go
// on to take it for its own. A program that renews a configuration restores the address sooner.
//
// After a restart the mark tells which addresses are kept. The zero Keeper is ready.
type Keeper struct {
	// leases are the addresses of links at the last Update.
	leases map[netip.Addr]lease
}

type lease struct {
	index      uint32
	deprecated bool
	// made: shim6d has made it, and will restore it. taken: another host has it.
	made, taken bool
	// validUntil is 0 for ever.
	validUntil time.Duration
}

// slack is how long before its end a lifetime counts as over: rtnetlink tells whole seconds, and
// the kernel removes an address at any time in the last of them.
const slack = 2 * time.Second

// restorePause is for how long an address is kept that somebody else has deleted.
const restorePause = 2 * time.Second

// Update says what to do. Call it after each message of addresses or links, and now and then
// while something is kept, since contexts end. used returns our ULIDs of all contexts; it is
// called only if it matters.
func (k *Keeper) Update(now time.Duration, t *locator.Table, used func() map[netip.Addr]bool) []Action {
	leases := map[netip.Addr]lease{}
	// here are the addresses that a link has and can use.
	here := map[netip.Addr]bool{}
	var kept []locator.Assigned
	for _, a := range t.Assigned() {
		switch {
		case !a.Address.IsGlobalUnicast():
		case a.Kept:
			kept = append(kept, a)
		default:
			here[a.Address] = here[a.Address] || usable(a)
			// If two interfaces have it, the longer lifetime counts.
			if l, ok := leases[a.Address]; !ok || l.validUntil != 0 && (a.ValidUntil == 0 || a.ValidUntil > l.validUntil) {
				leases[a.Address] = lease{
					index: a.Index, validUntil: a.ValidUntil, made: a.Protocol == locator.Protocol,
					deprecated: a.Flags&unix.IFA_F_DEPRECATED != 0, taken: a.Flags&unix.IFA_F_DADFAILED != 0,
				}
			}
		}
	}
	old := k.leases
	k.leases = leases
	// gone are the addresses that no link can use any more. They may be kept.
	gone := map[netip.Addr]lease{}
	for a, l := range leases {
		if !here[a] && !t.Enabled(l.index) {
			gone[a] = l
		}
	}
	for a, l := range old {
		if _, ok := leases[a]; !ok {
			gone[a] = l
		}
	}
	for _, a := range kept {
		delete(gone, a.Address)
		l, back := leases[a.Address]
		if back && !l.taken && !here[a.Address] && a.ValidUntil != 0 && a.ValidUntil <= now+restorePause {
			// Duplicate address detection goes on.
			l.made = true
			gone[a.Address] = l
		}
	}
	if len(gone) == 0 && len(kept) == 0 {
		return nil
	}
	var actions []Action
	ulids := used()
	for _, a := range kept {
		if here[a.Address] || !ulids[a.Address] {
			actions = append(actions, DeleteAddress{Index: a.Index, Address: a.Address, Bits: hostBits})
		}
	}
	for a, l := range gone {
		seconds := l.left(now)
		if !l.made && t.Up(l.index) {
			seconds = min(seconds, uint32(restorePause/time.Second))
		}
		if ulids[a] && seconds > 0 && !(l.deprecated && t.Enabled(l.index)) {
			actions = append(actions, SetAddress{
				Index: t.Loopback(), Address: a, Bits: hostBits,
				Flags: unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE,
				// Not preferred: no new session is to begin with it.
				Valid: seconds,
			})
		}
	}
	return actions
}

// Elsewhere is an Action of Update for a host on which the loopback has no IPv6 (the sysctl
// disable_ipv6, as some container engines set it). A link that works then has the address: the
// kernel delivers to an address of any link. It reports whether there is such a link.
func Elsewhere(a Action, t *locator.Table) (SetAddress, bool) {
	set, ok := a.(SetAddress)
	if !ok || set.Index != t.Loopback() {
		return set, false
	}
	set.Index = 0
	for _, x := range t.Assigned() {
		better := set.Index == 0 || x.Index < set.Index
		if !x.Loopback && !x.Kept && t.Up(x.Index) && better {
			set.Index = x.Index
		}
	}
	return set, set.Index != 0
}

// Keeps reports whether something is kept: then Update is to be called now and then.
func Keeps(t *locator.Table) bool {
	for _, a := range t.Assigned() {
		if a.Kept {
			return true
		}
	}
	return false
}

// KeptUntil is when the first ULID will be let go of those that are only kept for a moment, in case
// that somebody restores them; false if there is none.
func KeptUntil(t *locator.Table) (end time.Duration, ok bool) {
	for _, a := range t.Assigned() {
		if a.Kept && a.ValidUntil != 0 && (!ok || a.ValidUntil < end) {
			end, ok = a.ValidUntil, true
		}
	}
	return end, ok
}

// hostBits is the prefix length of one address.
const hostBits = 128

// usable reports whether packets for an address are delivered. On a link that is down the kernel
// may leave addresses (keep_addr_on_down), but removes the routes that deliver to them. Before
// duplicate address detection is over, there are no such routes yet.
func usable(a locator.Assigned) bool {
	tentative := a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_OPTIMISTIC == 0
	return a.Enabled && !tentative && a.Flags&unix.IFA_F_DADFAILED == 0
}

// left is for how many seconds an address is valid, 0 if its lifetime is nearly over.
func (l lease) left(now time.Duration) uint32 {
	switch left := l.validUntil - now; {
	case l.validUntil == 0:
		return Infinite
	case left <= slack:
		return 0
	default:
		return uint32(min(left/time.Second, Infinite-1))
	}
}
