// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
)

// This file is about the default routers of a link, and which of them has announced which prefix.
// Packets with a source in a prefix should leave by the router that has announced it: the others
// may belong to other providers, who drop them (RFC 8028).

// router is a default router, as a route tells. The address is invalid if the route has none.
type router struct {
	address netip.Addr
	metric  uint32
	// preference is RTA_PREF: what the router says of itself (RFC 4191, section 2.1).
	preference uint8
	// advertised: the route follows from a Router Advertisement.
	advertised bool
}

// The values of a router's preference that differ from medium.
const (
	preferenceHigh = 1
	preferenceLow  = 3
)

// worth has the router first that the kernel would prefer, as long as both answer.
func (r router) worth(o router) int {
	return cmp.Or(cmp.Compare(r.metric, o.metric), cmp.Compare(rank(r.preference), rank(o.preference)))
}

// sorted are the routers of each interface, the best first, each once.
func sorted(routers map[uint32][]router) map[uint32][]router {
	for index, list := range routers {
		slices.SortFunc(list, func(a, b router) int { return cmp.Or(a.worth(b), a.address.Compare(b.address)) })
		var once []router
		for _, r := range list {
			if !slices.ContainsFunc(once, r.same) {
				once = append(once, r)
			}
		}
		routers[index] = once
	}
	return routers
}

func (r router) same(o router) bool { return r.address == o.address }

// has reports whether an address is that of one of the routers.
func has(list []router, a netip.Addr) bool { return slices.ContainsFunc(list, router{address: a}.same) }

func rank(preference uint8) int {
	switch preference {
	case preferenceHigh:
		return 0
	case preferenceLow:
		return 2
	}
	return 1
}

// announcement says that a router has announced a prefix.
type announcement struct {
	router netip.Addr
	prefix cga.SubnetPrefix
	// until is when the prefix is not valid any more.
	until time.Duration
	// served: the router has been a default router since it was heard. Otherwise it only has
	// the prefix, and packets with a source in it leave by other routers.
	served bool
}

const (
	// maxAnnouncements is how many are kept of a link: anyone there can send any number.
	maxAnnouncements = 64
	// minAnnounced is for how long an announcement counts at least. A prefix that is withdrawn
	// leaves its addresses two hours (RFC 4862, section 5.5.3 (e)), and these still need their
	// router.
	minAnnounced = 2 * time.Hour
)

// announce takes over that a router has announced prefixes, and reports whether that changes
// anything. Routers that were heard first stay first.
func (t *Table) announce(now time.Duration, index uint32, from netip.Addr, prefixes []prefixInformation) (changed bool) {
	if l, ok := t.links[index]; !ok || !l.enabled || l.loopback || !from.IsLinkLocalUnicast() {
		return false
	}
	list := t.announced[index]
	ended := func(a announcement) bool { return a.until <= now }
	changed = slices.ContainsFunc(list, ended)
	list = slices.DeleteFunc(list, ended)
	served := has(t.routers[index], from)
	for _, p := range prefixes {
		until := now + max(p.valid, minAnnounced)
		at := slices.IndexFunc(list, func(a announcement) bool { return a.router == from && a.prefix == p.prefix })
		if at >= 0 {
			changed = changed || served && !list[at].served
			list[at].until, list[at].served = until, list[at].served || served
			continue
		}
		if p.valid == 0 {
			continue
		}
		if len(list) >= maxAnnouncements {
			useless := slices.IndexFunc(list, func(a announcement) bool { return !a.served || !has(t.routers[index], a.router) })
			if useless < 0 {
				continue
			}
			list = slices.Delete(list, useless, useless+1)
		}
		list, changed = append(list, announcement{from, p.prefix, until, served}), changed || served
	}
	t.announced[index] = list
	return changed
}

// maxHeard is how many routers of a link are known without a route: anyone there can be any number.
const maxHeard = 8

// hearRouter takes over for how long a router has said to be a default router, 0 for no longer, and
// reports whether that changes the routers of the link.
func (t *Table) hearRouter(now time.Duration, index uint32, from netip.Addr, lifetime time.Duration) bool {
	if l, ok := t.links[index]; !ok || !l.enabled || l.loopback || !from.IsLinkLocalUnicast() {
		return false
	}
	t.now = max(t.now, now)
	heard := t.heard[index]
	if heard == nil {
		heard = map[netip.Addr]time.Duration{}
		t.heard[index] = heard
	}
	for r, until := range heard {
		if until <= now {
			delete(heard, r)
		}
	}
	if _, known := heard[from]; !known && len(heard) >= maxHeard {
		for r := range heard {
			if !t.needed(index, r) {
				delete(heard, r)
				break
			}
		}
		if len(heard) >= maxHeard {
			return false
		}
	}
	heard[from] = now + lifetime
	if lifetime == 0 {
		delete(heard, from)
	}
	return t.setRouters()
}

// needed reports whether a router has announced a prefix in which an address of the link is.
func (t *Table) needed(index uint32, router netip.Addr) bool {
	for at := range t.addresses {
		if p := cga.PrefixOf(at.address); at.index == index && slices.ContainsFunc(t.announced[index], func(a announcement) bool {
			return a.router == router && a.prefix == p
		}) {
			return true
		}
	}
	return false
}

// addHeard adds routers that have no route though others of their link have one because of their
// advertisements. dhcpcd takes one default router of a link, but packets with a source in another
// router's prefix still have to leave by that (RFC 8028, section 3). So such a router comes behind
// all others. Where no route follows from an advertisement, an administrator wants none of them.
func (t *Table) addHeard(routers, mainRouters map[uint32][]router) {
	for index, heard := range t.heard {
		if !slices.ContainsFunc(mainRouters[index], func(r router) bool { return r.advertised }) {
			continue
		}
		for address, until := range heard {
			if until <= t.now || has(routers[index], address) || !t.needed(index, address) {
				continue
			}
			r := router{address: address, metric: math.MaxUint32, preference: preferenceLow}
			routers[index] = append(routers[index], r)
			mainRouters[index] = append(mainRouters[index], r)
		}
	}
}

// serve notes which routers that have announced prefixes are default routers.
func (t *Table) serve() {
	for index, list := range t.announced {
		for i := range list {
			list[i].served = list[i].served || has(t.routers[index], list[i].router)
		}
	}
}

// announcers are the routers that have announced a prefix of a link and are or were default
// routers there.
func (t *Table) announcers(index uint32, p cga.SubnetPrefix) []netip.Addr {
	var list []netip.Addr
	for _, a := range t.announced[index] {
		if a.prefix == p && a.served {
			list = append(list, a.router)
		}
	}
	return list
}

// Announced reports whether it is known who has announced a prefix of a link.
func (t *Table) Announced(index uint32, p cga.SubnetPrefix) bool {
	return len(t.announcers(index, p)) > 0
}

// Routers are the default routers of an interface in the main table, which has the routers that
// announce themselves: the best first, each once. An invalid address is a default route without a
// router.
func (t *Table) Routers(index uint32) []netip.Addr {
	return addresses(t.mainRouters[index])
}

// RoutersOf are the Routers of an interface, with those first that have announced the prefix. Of
// several that have, and that are as good, the one that was heard first comes first.
func (t *Table) RoutersOf(index uint32, p cga.SubnetPrefix) []netip.Addr {
	own, list := t.announcers(index, p), slices.Clone(t.mainRouters[index])
	place := func(r router) int {
		if at := slices.Index(own, r.address); at >= 0 {
			return at
		}
		return len(own)
	}
	slices.SortStableFunc(list, func(a, b router) int {
		x, y := place(a), place(b)
		if (x == len(own)) != (y == len(own)) {
			return x - y
		}
		return cmp.Or(a.worth(b), x-y)
	})
	return addresses(list)
}

func addresses(routers []router) []netip.Addr {
	list := make([]netip.Addr, 0, len(routers))
	for _, r := range routers {
		list = append(list, r.address)
	}
	return list
}

// DefaultLink is the link by which the main table's default routes send what is not bound to a
// link, 0 if there is none. Of equal routes the kernel takes the first whose router answers.
func (t *Table) DefaultLink() uint32 {
	for _, d := range t.Defaults() {
		if d.Usable && !t.failed[assignment{d.Index, d.Router}] {
			return d.Index
		}
	}
	return 0
}

// Mute says why no packet from an address of this prefix gets beyond the link, "" if the
// routers are all right. If the prefix has routers of its own the others do not matter.
func (t *Table) Mute(index uint32, p cga.SubnetPrefix) string {
	which, routers, gone := "the default router", addresses(t.routers[index]), true
	if own := t.announcers(index, p); len(own) > 0 {
		which = fmt.Sprintf("its router %v", own[0])
		routers = slices.DeleteFunc(routers, func(r netip.Addr) bool { return !slices.Contains(own, r) })
		if len(routers) == 0 {
			return which + " is no default router any more"
		}
	}
	for _, r := range routers {
		if !r.IsValid() || !t.failed[assignment{index, r}] {
			return ""
		}
		gone = false
	}
	if gone {
		return "there is no default router any more"
	}
	return which + " does not answer (Neighbor Unreachability Detection)"
}

// routerOf is the router by which packets from an address of this prefix should leave, invalid if
// there is none, or if nothing says which of several it is: an administrator may have set up a route
// for the prefix in a table of his own.
func (t *Table) routerOf(index uint32, p cga.SubnetPrefix) netip.Addr {
	own := t.announcers(index, p)
	if len(own) == 0 && len(t.routers[index]) > 1 {
		return netip.Addr{}
	}
	if len(own) > 0 && !slices.ContainsFunc(own, func(a netip.Addr) bool { return has(t.mainRouters[index], a) }) {
		return own[0]
	}
	if list := t.RoutersOf(index, p); len(list) > 0 {
		return list[0]
	}
	return netip.Addr{}
}

// Solicitable are the links on which routers may be, and can be asked: those that have had a
// router, or have addresses with a lifetime.
func (t *Table) Solicitable() map[uint32]bool {
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
	source, list := map[uint32]bool{}, map[uint32]bool{}
	for at, a := range t.addresses {
		if at.address.IsLinkLocalUnicast() && a.flags&unusable == 0 {
			source[at.index] = true
		}
	}
	for index := range source {
		l := t.links[index]
		if l.up && !l.loopback && t.needsRouter[index] {
			list[index] = true
		}
	}
	for at, a := range t.addresses {
		if l := t.links[at.index]; source[at.index] && l.up && !l.loopback && at.address.IsGlobalUnicast() && a.validUntil != 0 {
			list[at.index] = true
		}
	}
	return list
}
