#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Go package ndp reads no Router Advertisement from a link whose addresses are not Ethernet's.
#
# A Router Advertisement may have a Source Link-Layer Address option, whose length depends on the
# link: on InfiniBand it is 24 octets (RFC 4391, section 9.3). ParseMessage of github.com/mdlayher/ndp
# takes only the 8 octets of Ethernet, and returns an error for the whole message. So the prefixes
# that the same message announces are not seen, which do not depend on that option.
#
# Seen with v1.1.0, for an advertisement with such an option and a prefix:
#	the option of Ethernet: 2 options
#	the option of InfiniBand: 0 options, and an error
#
# Therefore shim6d reads the prefixes of an advertisement by itself, and passes over other options
# (daemon/locator/advertisement.go).
#
# Needs Go and its proxy. Exits with 0 if the package still does this.
set -eu

dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
export GOPATH=$dir/go GOFLAGS=-mod=mod PATH=$PATH:/usr/local/go/bin
cat >go.mod <<'END'
module finding

go 1.24

require github.com/mdlayher/ndp v1.1.0
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"net/netip"

	"github.com/mdlayher/ndp"
)

// advertisement has a link-layer address of so many octets with the option's header, and a prefix.
func advertisement(octets int) []byte {
	b := append([]byte{134, 15: 0}, 1, byte(octets/8))
	b = append(b, make([]byte, octets-2)...)
	b = append(b, 3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x07, 0x08, 0, 0, 0, 0)
	p := netip.MustParseAddr("2001:db8:1::").As16()
	return append(b, p[:]...)
}

func main() {
	for _, link := range []struct {
		name   string
		octets int
	}{{"Ethernet", 8}, {"InfiniBand", 24}} {
		fmt.Printf("the option of %s: ", link.name)
		m, err := ndp.ParseMessage(advertisement(link.octets))
		if err != nil {
			fmt.Println("0 options, and an error")
			continue
		}
		fmt.Println(len(m.(*ndp.RouterAdvertisement).Options), "options")
	}
}
END
go run . 2>err >out || { cat err; exit 1; }
cat out
grep -qx 'the option of Ethernet: 2 options' out
grep -qx 'the option of InfiniBand: 0 options, and an error' out
