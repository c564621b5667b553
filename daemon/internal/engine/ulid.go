// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"fmt"
	"net/netip"
)

var errLocalULID = errors.New("the local ULID is no address of this host: take one of those that `shim6tool locator` shows")

// siteLocal are the deprecated site-local addresses (RFC 3879). Every site has the same ones
// (RFC 5534, section 3.1). compatible are the IPv4-compatible addresses, which RFC 4291 has
// deprecated, and the unspecified address and loopback.
var siteLocal, compatible = netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96")

// isULID reports whether the form of an address allows it to be a ULID or a locator. Prefixes
// for documentation are allowed, since laboratories use them.
func isULID(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && a.Zone() == "" && !compatible.Contains(a) &&
		!a.IsMulticast() && !a.IsLinkLocalUnicast() && !siteLocal.Contains(a)
}

func checkULIDs(u ULIDs) error {
	for _, a := range []netip.Addr{u.Local, u.Peer} {
		if !isULID(a) {
			return fmt.Errorf("%v can't be a ULID: it must be a unicast IPv6 address, not link-local, site-local, loopback or made of an IPv4 address", a)
		}
	}
	if u.Local == u.Peer {
		return fmt.Errorf("both ULIDs are %v: they must differ", u.Local)
	}
	return nil
}

// trusted reports whether an address needs no proof, by the configuration.
func (e *Engine) trusted(a netip.Addr) bool {
	for _, p := range e.config.TrustedPrefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
