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

// Locator is an address of this host, and what is to be thought of it.
type Locator struct {
	Address   netip.Addr
	Interface string
	// Available and Operational are as RFC 5534, sections 3.1 and 3.2, has
	// them. Why says why not, or why peers are told to prefer others; "" if
	// all is well.
	Available, Operational bool
	Why                    string
	// Preference is what peers are told.
	Preference wire.Preference
	// ValidUntil is 0 for ever.
	ValidUntil time.Duration
	PDS        *cga.PDS
	Key        *rsa.PrivateKey
	// Policy is that of the interface.
	Policy config.InterfacePolicy
	// Temporary: it changes for privacy (RFC 8981), and is told to nobody as a locator.
	Temporary bool
}

// What is added to the priority of addresses that are worse than others. Lower
// goes first.
const (
	optimisticPriority = 64
	deprecatedPriority = 128
)

// Assess says of every address of a Table, but for those that only matter on one
// link, what is to be thought of it, in the order of the addresses. One that two
// interfaces have is there once, as the better of the two.
func Assess(t *Table, c *config.Config, now time.Duration) []Locator {
	var list []Locator
	for key, a := range t.addresses {
		if !key.address.IsGlobalUnicast() || isSiteLocal(key.address) {
			continue
		}
		l := Locator{Address: key.address, Interface: t.links[key.index].name, ValidUntil: a.validUntil, Temporary: a.flags&unix.IFA_F_TEMPORARY != 0}
		l.Why = t.unavailable(c, key, a, now)
		if l.Available = l.Why == ""; l.Available {
			l.Why = t.broken(key, a)
			l.Operational = l.Why == ""
			if t.kept(key, a) {
				// Deprecated is what it is on the loopback, so that
				// nothing new begins there.
				a.flags &^= unix.IFA_F_DEPRECATED
			}
			l.prefer(c, a.flags)
			if l.Temporary && l.Why == "" {
				l.Why = "temporary, so that no peer is told of it"
			}
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b Locator) int {
		if d := a.Address.Compare(b.Address); d != 0 {
			return d
		}
		return b.rank() - a.rank()
	})
	list = slices.CompactFunc(list, func(a, b Locator) bool { return a.Address == b.Address })
	for i := range list {
		list[i].prove(c)
	}
	return list
}

// isSiteLocal is of the kind that RFC 3879 has deprecated and RFC 5534, section
// 3.1, does not want.
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
	l, ok := t.links[key.index]
	switch {
	case !ok:
		return "its interface is gone"
	case a.flags&unix.IFA_F_DADFAILED != 0:
		return "another host has the address (duplicate address detection)"
	case a.flags&unix.IFA_F_TENTATIVE != 0 && a.flags&unix.IFA_F_OPTIMISTIC == 0:
		return "tentative: duplicate address detection goes on"
	case a.validUntil != 0 && a.validUntil <= now:
		return "its valid lifetime has ended"
	case t.kept(key, a):
		// Of which interface it was is not known after a restart.
		why, _ := c.AllowedAddress(key.address)
		return why
	}
	why, _ := c.Allowed(l.name, key.address)
	return why
}

// broken says why an address is not operational, "" if it is.
func (t *Table) broken(key assignment, a address) string {
	if t.kept(key, a) {
		return "kept on " + t.links[key.index].name + " for contexts: its link has lost it"
	}
	index := key.index
	l := t.links[index]
	if l.loopback {
		// An address there is reached by whichever interface there is.
		return ""
	}
	if !l.up {
		return "the link is down"
	}
	if !t.needsRouter[index] {
		return ""
	}
	if len(t.routers[index]) == 0 {
		return "there is no default router any more"
	}
	for _, r := range t.routers[index] {
		if !r.IsValid() || !t.failed[assignment{index, r}] {
			return ""
		}
	}
	return "the default router does not answer (Neighbor Unreachability Detection)"
}

// prefer says what peers are told, apart from proof.
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
	l.PDS, l.Key, _ = c.Proof(l.Address)
}
