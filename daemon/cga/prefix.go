// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"fmt"
	"net/netip"
)

// SubnetPrefix is the left half of an IPv6 address, 64 bits. The right half is the interface
// identifier (RFC 3972 section 2).
type SubnetPrefix [8]byte

// PrefixOf returns the subnet prefix of an IPv6 address.
func PrefixOf(addr netip.Addr) SubnetPrefix {
	a := addr.As16()
	return SubnetPrefix(a[:8])
}

// Prefix returns p as a prefix of 64 bits.
func (p SubnetPrefix) Prefix() netip.Prefix {
	return netip.PrefixFrom(p.addr([8]byte{}), 64)
}

// String returns p in the form 2001:db8:1:2::/64.
func (p SubnetPrefix) String() string { return p.Prefix().String() }

// MarshalText is String as octets.
func (p SubnetPrefix) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes a prefix of 64 bits, or its address, in which all further bits are zero.
func (p *SubnetPrefix) UnmarshalText(text []byte) error {
	s := string(text)
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is not an IPv6 prefix", s)
		}
		prefix = netip.PrefixFrom(a, 64)
	}
	a := prefix.Addr()
	if !a.Is6() || a.Is4In6() {
		return fmt.Errorf("%q is not an IPv6 prefix", s)
	}
	if prefix.Bits() != 64 {
		return fmt.Errorf("%q has %d bits: a subnet prefix has 64 (RFC 3972 section 2)", s, prefix.Bits())
	}
	if prefix.Masked().Addr() != a {
		return fmt.Errorf("%q has bits set after the 64th", s)
	}
	*p = PrefixOf(a)
	return nil
}

// addr returns the address with prefix p and an interface identifier.
func (p SubnetPrefix) addr(id [8]byte) netip.Addr {
	var a [16]byte
	copy(a[:], p[:])
	copy(a[8:], id[:])
	return netip.AddrFrom16(a)
}
