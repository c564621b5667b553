// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"crypto/rsa"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/wire"
)

// Locator is an address of this host, as it is assessed.
type Locator struct {
	Address   netip.Addr
	Interface string
	// Router is the one by which packets from the address should leave: the one that has
	// announced its prefix, if that is known. It is invalid if there is none.
	Router netip.Addr
	// Available and Operational are by RFC 5534, sections 3.1 and 3.2. Why says why not,
	// or why peers are told to prefer others; "" if all is well.
	Available, Operational bool
	Why                    string
	// Preference is told to peers.
	Preference wire.Preference
	// ValidUntil is by the clock of Assess; 0 is for ever.
	ValidUntil time.Duration
	PDS        *cga.PDS
	Key        *rsa.PrivateKey
	// Policy is the policy of the interface.
	Policy config.InterfacePolicy
	// Temporary: the address changes for privacy (RFC 8981). No peer is told of it, except in
	// sessions that began at an address that was made together with it.
	Temporary bool
}

// These are added to the priority of addresses that are worse than others. Lower priorities
// go first.
const (
	optimisticPriority = 64
	deprecatedPriority = 128
)

// Assess judges every address of a Table, except those that only matter on one link. The list
// is in the order of the addresses. An address that two interfaces have is there once, as the
// better of the two.
func Assess(t *Table, c *config.Config, now time.Duration) []Locator {
	var list []Locator
	for key, a := range t.addresses {
		if !key.address.IsGlobalUnicast() || isSiteLocal(key.address) {
			continue
		}
		l := Locator{Address: key.address, Interface: t.links[key.index].name, ValidUntil: a.validUntil, Temporary: a.flags&unix.IFA_F_TEMPORARY != 0}
		l.prove(c)
		if l.Why = t.unavailable(c, key, a, now); !t.links[key.index].loopback {
			l.Router = t.routerOf(key.index, cga.PrefixOf(key.address))
		}
		if l.Available = l.Why == ""; l.Available {
			l.Why = t.broken(key, a)
			l.Operational = l.Why == ""
			if t.kept(a) {
				// It is deprecated only to keep new connections away.
				a.flags &^= unix.IFA_F_DEPRECATED
			}
			l.prefer(c, l.aged(a.flags))
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b Locator) int {
		if d := a.Address.Compare(b.Address); d != 0 {
			return d
		}
		return b.rank() - a.rank()
	})
	return slices.CompactFunc(list, func(a, b Locator) bool { return a.Address == b.Address })
}

// aged says why a temporary address is not told to all peers. It returns the flags by which peers
// are told which of the locators of a session are the better ones: all of those that were made
// together become deprecated together, only to keep new connections away.
func (l *Locator) aged(flags uint32) uint32 {
	why := ""
	switch {
	case !l.Temporary:
		return flags
	case l.PDS == nil:
		why = "temporary, so that no peer is told of it"
	case flags&unix.IFA_F_DEPRECATED != 0:
		why = "temporary, only for sessions that began with it"
	default:
		why = "temporary, for new sessions"
	}
	if l.Why == "" {
		l.Why = why
	}
	if l.PDS != nil {
		flags &^= unix.IFA_F_DEPRECATED
	}
	return flags
}

// isSiteLocal reports whether an address is site-local: RFC 3879 has deprecated these, and RFC
// 5534, section 3.1, does not want them.
func isSiteLocal(a netip.Addr) bool { b := a.As16(); return b[0] == 0xfe && b[1]&0xc0 == 0xc0 }

func (l *Locator) rank() int {
	switch {
	case l.Operational:
		return 2
	case l.Available:
		return 1
	}
	return 0
}

// unavailable says why an address is not available, "" if it is.
func (t *Table) unavailable(c *config.Config, key assignment, a address, now time.Duration) string {
	_, ok := t.links[key.index]
	switch {
	case !ok:
		return "its interface is gone"
	case a.flags&unix.IFA_F_DADFAILED != 0:
		return "another host has the address (duplicate address detection)"
	case a.flags&unix.IFA_F_TENTATIVE != 0 && a.flags&unix.IFA_F_OPTIMISTIC == 0:
		return "tentative: duplicate address detection goes on"
	case a.validUntil != 0 && a.validUntil <= now:
		return "its valid lifetime has ended"
	case t.kept(a):
		// After a restart it is not known which interface has had it.
		why, _ := c.AllowedAddress(key.address)
		return why
	}
	why, _ := t.Allowed(c, key.index, key.address)
	return why
}

// broken says why an address is not operational, "" if it is.
func (t *Table) broken(key assignment, a address) string {
	if t.kept(a) {
		return "kept on " + t.links[key.index].name + " for contexts: its link has lost it"
	}
	index := key.index
	l := t.links[index]
	if l.loopback {
		// An address on the loopback is reached by any interface.
		return ""
	}
	if l.port {
		return "the link is a port of a bridge or the like, which has the addresses in its place"
	}
	if !l.up {
		return "the link is down"
	}
	if !t.needsRouter[index] {
		return ""
	}
	return t.Mute(index, cga.PrefixOf(key.address))
}

// prefer sets what peers are told, except the proof.
func (l *Locator) prefer(c *config.Config, flags uint32) {
	i := c.Interface(l.Interface)
	priority := int(i.Priority)
	l.Preference.Weight = i.Weight
	l.Policy = i.Policy
	note := func(why string) {
		if l.Why == "" {
			l.Why = why
		}
	}
	if !l.Operational {
		l.Preference.Flags |= wire.FlagBroken
	}
	if flags&unix.IFA_F_OPTIMISTIC != 0 {
		priority += optimisticPriority
		note("optimistic: duplicate address detection goes on")
	}
	if flags&unix.IFA_F_DEPRECATED != 0 {
		priority += deprecatedPriority
		l.Preference.Flags |= wire.FlagTransient
		note("deprecated: its preferred lifetime has ended")
	}
	l.Preference.Priority = uint8(min(priority, 255))
}

// prove finds the set that an address is in, if there is one.
func (l *Locator) prove(c *config.Config) {
	pds, set := c.Proof(l.Address)
	if set == nil {
		return
	}
	l.PDS, l.Key = pds, set.PrivateKey
	l.Temporary = l.Temporary || set.Temporary
}
