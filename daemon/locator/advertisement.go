// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
)

// This file reads what Router Advertisements say of prefixes, and for how long the router is a
// default router (RFC 4861, section 4.6.2). It looks at nothing else, so that an option that it
// can't read does not matter. (The package github.com/mdlayher/ndp refuses the whole message then,
// such as one from an InfiniBand link, whose addresses are longer than Ethernet's.)

// prefixInformation is what an option says of a prefix.
type prefixInformation struct {
	prefix cga.SubnetPrefix
	valid  time.Duration
}

const (
	// RouterAdvertisement is the ICMPv6 type.
	RouterAdvertisement = 134
	// routerLifetime is the place of that field.
	routerLifetime = 6
	// advertisementLen is the length of an advertisement without options.
	advertisementLen = 16
	// optionUnit is what the lengths of options count.
	optionUnit                = 8
	optionSourceAddress       = 1
	optionPrefix              = 3
	optionPrefixLen           = 32
	subnetBits          uint8 = 64
)

// Advertisement is a Router Advertisement that was received on a link.
type Advertisement struct {
	Index  uint32
	Router netip.Addr
	// Message is the ICMPv6 message. Its checksum was verified.
	Message []byte
}

// Hear takes over a Router Advertisement. It ignores one that is malformed.
func (t *Table) Hear(now time.Duration, a Advertisement) Changed {
	t.init()
	if len(a.Message) < advertisementLen || a.Message[0] != RouterAdvertisement || a.Message[1] != 0 {
		return 0
	}
	list, ok := prefixesOf(a.Message[advertisementLen:])
	if !ok {
		return 0
	}
	changed := t.announce(now, a.Index, a.Router, list)
	lifetime := time.Duration(binary.BigEndian.Uint16(a.Message[routerLifetime:])) * time.Second
	if t.hearRouter(now, a.Index, a.Router, lifetime) || changed {
		return Locators
	}
	return 0
}

// prefixesOf reads options, and returns those about prefixes in which there may be addresses of
// ours.
func prefixesOf(b []byte) (list []prefixInformation, ok bool) {
	for len(b) > 0 {
		if len(b) < optionUnit {
			return nil, false
		}
		n := int(b[1]) * optionUnit
		if n == 0 || n > len(b) {
			return nil, false
		}
		if option := b[:n]; b[0] == optionPrefix && n == optionPrefixLen && option[2] == subnetBits {
			a := netip.AddrFrom16([16]byte(option[16:]))
			if a.IsGlobalUnicast() {
				valid := time.Duration(binary.BigEndian.Uint32(option[4:])) * time.Second
				list = append(list, prefixInformation{cga.PrefixOf(a), valid})
			}
		}
		b = b[n:]
	}
	return list, true
}

// The places of the fields of struct nduseroptmsg, its length, and the attribute with the router.
const (
	useroptOptionsLen = 2
	useroptIndex      = 4
	useroptType       = 8
	useroptLen        = 16
	useroptSource     = 1
)

// applyOption takes over an option of a Router Advertisement that the kernel has accepted. Since
// 6.6 the kernel tells of those about prefixes.
func (t *Table) applyOption(now time.Duration, m netlink.Message) Changed {
	b := m.Data
	if len(b) < useroptLen || b[0] != unix.AF_INET6 || b[useroptType] != RouterAdvertisement {
		return 0
	}
	n := int(binary.NativeEndian.Uint16(b[useroptOptionsLen:]))
	if n > len(b)-useroptLen {
		return 0
	}
	list, ok := prefixesOf(b[useroptLen : useroptLen+n])
	var from netip.Addr
	ok = ok && attributes(b[min(useroptLen+(n+3)&^3, len(b)):], func(kind uint16, v []byte) {
		if kind == useroptSource {
			from, _ = netip.AddrFromSlice(v)
		}
	})
	if ok && t.announce(now, binary.NativeEndian.Uint32(b[useroptIndex:]), from, list) {
		return Locators
	}
	return 0
}
