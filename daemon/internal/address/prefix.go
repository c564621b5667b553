// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"cmp"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

// Prefix is a prefix in which the hosts of a link may make addresses (RFC 4862, section 5.5.3),
// as a router has announced it.
type Prefix struct {
	Index  uint32
	Prefix cga.SubnetPrefix
	// PreferredUntil and ValidUntil are by the clock of Apply; 0 is for ever.
	PreferredUntil, ValidUntil time.Duration
}

// Prefixes learns the prefixes of links. Where the kernel, NetworkManager or systemd-networkd
// has made an address, that address tells a prefix and its lifetimes, even if it was made before
// shim6d was started. Where none has (the sysctl autoconf is 0), the kernel tells what routers
// announce.
//
// A link has at most MaxPrefixes; those that came first stay.
//
// The zero Prefixes is ready.
type Prefixes struct {
	announced map[link]lifetimes
	// full are the links of which a prefix was passed over. The value is whether Full has
	// told so.
	full map[uint32]bool
}

// MaxPrefixes is the most prefixes of a link. The kernel makes as many addresses by default (the
// sysctl max_addresses). Anyone on the link can announce any number of prefixes, and each would
// get an address and rules.
const MaxPrefixes = 16

// link is a prefix on an interface.
type link struct {
	index  uint32
	prefix cga.SubnetPrefix
}

type lifetimes struct{ preferredUntil, validUntil time.Duration }

const (
	// ifPrefixAutoconf is IF_PREFIX_AUTOCONF of the kernel's net/if_inet6.h: hosts may make
	// addresses in the prefix.
	ifPrefixAutoconf = 0x02
	// protoRouter is IFAPROT_KERNEL_RA of linux/if_addr.h.
	protoRouter = 2
	// twoHours is the least that RFC 4862, section 5.5.3 (e), leaves of a lifetime.
	twoHours   = 2 * time.Hour
	subnetBits = 64
)

// Apply takes over a message about a prefix that a router has announced, and reports whether it
// was one. It ignores a message that makes no sense.
func (p *Prefixes) Apply(now time.Duration, m netlink.Message) bool {
	if m.Header.Type != unix.RTM_NEWPREFIX || len(m.Data) < unix.SizeofPrefixmsg {
		return false
	}
	l := link{index: binary.NativeEndian.Uint32(m.Data[4:])}
	if m.Data[0] != unix.AF_INET6 || m.Data[9] != subnetBits || m.Data[10]&ifPrefixAutoconf == 0 {
		return false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofPrefixmsg:])
	if err != nil {
		return false
	}
	var address netip.Addr
	var preferred, valid uint32
	found := false
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == unix.PREFIX_ADDRESS:
			address, _ = netip.AddrFromSlice(b)
		case ad.Type() == unix.PREFIX_CACHEINFO && len(b) == unix.SizeofPrefixCacheinfo:
			preferred, valid = binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
			found = true
		}
	}
	if ad.Err() != nil || !found || !address.Is6() || !address.IsGlobalUnicast() || preferred > valid {
		return false
	}
	l.prefix = cga.PrefixOf(address)
	if p.announced == nil {
		p.announced = map[link]lifetimes{}
	}
	old, had := p.announced[l]
	had = had && !old.ended(now)
	if !had && (valid == 0 || !p.room(now, l.index)) {
		return true
	}
	p.announced[l] = lifetimes{until(now, preferred), validity(now, old, had, valid)}
	return true
}

// ended reports whether a prefix is not valid any more.
func (l lifetimes) ended(now time.Duration) bool { return l.validUntil != 0 && l.validUntil <= now }

// room reports whether a further prefix of a link is accepted.
func (p *Prefixes) room(now time.Duration, index uint32) bool {
	n := 0
	for l, announced := range p.announced {
		switch {
		case l.index != index:
		case announced.ended(now):
			delete(p.announced, l)
		default:
			n++
		}
	}
	if n >= MaxPrefixes {
		p.passOver(index)
		return false
	}
	return true
}

func (p *Prefixes) passOver(index uint32) {
	if p.full == nil {
		p.full = map[uint32]bool{}
	}
	if !p.full[index] {
		p.full[index] = false
	}
}

// Full returns the links of which prefixes were passed over because there are too many, in
// their order: each once, until it is down.
func (p *Prefixes) Full() []uint32 {
	var list []uint32
	for index, told := range p.full {
		if !told {
			list = append(list, index)
			p.full[index] = true
		}
	}
	slices.Sort(list)
	return list
}

// validity is by RFC 4862, section 5.5.3 (e): nothing proves that a Router Advertisement comes
// from a router, so none can make a prefix invalid sooner than in two hours.
func validity(now time.Duration, old lifetimes, had bool, valid uint32) time.Duration {
	fresh := until(now, valid)
	switch {
	case !had || fresh == 0 || fresh-now > twoHours:
		return fresh
	case old.validUntil == 0:
		return now + twoHours
	case fresh >= old.validUntil:
		return fresh
	case old.validUntil-now <= twoHours:
		return old.validUntil
	}
	return now + twoHours
}

// until is when a lifetime ends, 0 for never.
func until(now time.Duration, seconds uint32) time.Duration {
	if seconds == Infinite {
		return 0
	}
	// 0 would be for ever.
	return max(1, now+time.Duration(seconds)*time.Second)
}

// Known are the prefixes of links that are up, in their order. If two links have a prefix it is
// there for each of them.
func (p *Prefixes) Known(now time.Duration, t *locator.Table) []Prefix {
	known := map[link]lifetimes{}
	ours := map[link]bool{}
	for _, a := range t.Assigned() {
		l := link{a.Index, cga.PrefixOf(a.Address)}
		ours[l] = ours[l] || a.Protocol == locator.Protocol
		if !autoconfigured(a) {
			continue
		}
		// The longest lifetime of several addresses counts: temporary ones end sooner.
		old, had := known[l]
		if fresh := (lifetimes{a.PreferredUntil, a.ValidUntil}); !had || old.validUntil != 0 && (fresh.validUntil == 0 || fresh.validUntil > old.validUntil) {
			known[l] = fresh
		}
	}
	for l, announced := range p.announced {
		// Announcements of a link's routers are forgotten when the link goes down.
		if !t.Enabled(l.index) || announced.ended(now) {
			delete(p.announced, l)
			continue
		}
		// The lifetimes of an address count before those that were announced: its maker
		// has applied the rule of two hours.
		if _, had := known[l]; !had {
			known[l] = announced
		}
	}
	maps.DeleteFunc(p.full, func(index uint32, _ bool) bool { return !t.Enabled(index) })
	list := make([]Prefix, 0, len(known))
	for l, v := range known {
		list = append(list, Prefix{l.index, l.prefix, v.preferredUntil, v.validUntil})
	}
	slices.SortFunc(list, func(a, b Prefix) int {
		return cmp.Or(slices.Compare(a.Prefix[:], b.Prefix[:]), cmp.Compare(a.Index, b.Index))
	})
	return p.bound(list, ours)
}

// bound leaves out prefixes of links that have too many. Addresses that others have made may
// tell more prefixes than were announced. Prefixes in which we have an address come first.
func (p *Prefixes) bound(list []Prefix, ours map[link]bool) []Prefix {
	count := map[uint32]int{}
	fit := map[link]bool{}
	for _, first := range []bool{true, false} {
		for _, x := range list {
			switch l := (link{x.Index, x.Prefix}); {
			case ours[l] != first:
			case count[x.Index] == MaxPrefixes:
				p.passOver(x.Index)
			default:
				count[x.Index]++
				fit[l] = true
			}
		}
	}
	return slices.DeleteFunc(list, func(x Prefix) bool { return !fit[link{x.Index, x.Prefix}] })
}

// autoconfigured reports whether an address of others was made for a prefix that a router has
// announced: by the kernel, which marks it, or by a program, which gives it a lifetime. If that is
// without an end, systemd-networkd still has the kernel make temporary addresses beside it.
func autoconfigured(a locator.Assigned) bool {
	const not = unix.IFA_F_DADFAILED | unix.IFA_F_TEMPORARY
	return a.Enabled && !a.Loopback && a.Protocol != locator.Protocol && a.Bits == subnetBits &&
		a.Address.IsGlobalUnicast() && a.Flags&not == 0 && (a.Protocol == protoRouter || a.ValidUntil != 0 || a.Flags&unix.IFA_F_MANAGETEMPADDR != 0)
}
