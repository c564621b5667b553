// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Collisions are addresses that another host has, as duplicate address detection has found.
// The kernel removes such an address if it has a lifetime. It says why only in the message of
// the removal; a later dump does not tell. The zero Collisions is ready.
type Collisions struct{ taken map[netip.Addr]bool }

// Apply takes over a message of the removal of an address, and ignores others.
func (c *Collisions) Apply(m netlink.Message) {
	if m.Header.Type != unix.RTM_DELADDR {
		return
	}
	var a rtnetlink.AddressMessage
	if err := a.UnmarshalBinary(m.Data); err != nil || a.Attributes == nil {
		return
	}
	if (uint32(a.Flags)|a.Attributes.Flags)&unix.IFA_F_DADFAILED == 0 {
		return
	}
	if ip, ok := netip.AddrFromSlice(a.Attributes.Address); ok {
		if c.taken == nil {
			c.taken = map[netip.Addr]bool{}
		}
		c.taken[ip] = true
	}
}

// Taken reports whether another host has an address.
func (c *Collisions) Taken(a netip.Addr) bool { return c.taken[a] }
