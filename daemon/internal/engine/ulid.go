// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"fmt"
	"net/netip"
)

var errLocalULID = errors.New("the local ULID is no address of this host: take one of those that `shim6tool locator` shows")

// siteLocal are the site-local addresses of old (RFC 3879), of which every site has
// the same (RFC 5534, section 3.1); compatible are IPv4-compatible ones, which RFC
// 4291 has given up, and the unspecified address and loopback.
var siteLocal, compatible = netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96")

// isULID reports whether an address may be a ULID or a locator, as far as its form
// tells. Prefixes for documentation may: laboratories use them.
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

// trusted reports whether the configuration wants no proof for an address.
func (e *Engine) trusted(a netip.Addr) bool {
	for _, p := range e.config.TrustedPrefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
