#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Go package rtnetlink cannot write an IPv6 route for ::ffff:0:0/96.
#
# Hosts and routers refuse the IPv4-mapped prefix by a blackhole route, so that no packet with such
# an address leaves. github.com/jsimonetti/rtnetlink v2.0.2 decides by the address alone how many
# octets an attribute has, and not by the family of the message: net.IP does not tell ::ffff:0:0 from
# 0.0.0.0. So RTA_DST has 4 octets in a message of AF_INET6, and Linux refuses the message.
#
# Seen with v2.0.2 (the kernel's answer to RouteService.Add was "invalid argument", on 6.18):
#	2001:db8::/32: RTA_DST of 16 octets
#	::ffff:0:0/96: RTA_DST of 4 octets
#
# Therefore shim6d writes destinations of routes by itself (daemon/internal/address/route.go).
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

require github.com/jsimonetti/rtnetlink/v2 v2.0.2
END
cat >main.go <<'END'
package main

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/jsimonetti/rtnetlink/v2"
)

func main() {
	const inet6, rtaDst, headerLen = 10, 1, 12
	for _, prefix := range []string{"2001:db8::/32", "::ffff:0:0/96"} {
		ip, n, err := net.ParseCIDR(prefix)
		if err != nil {
			panic(err)
		}
		bits, _ := n.Mask.Size()
		m := rtnetlink.RouteMessage{Family: inet6, DstLength: uint8(bits), Attributes: rtnetlink.RouteAttributes{Dst: ip}}
		b, err := m.MarshalBinary()
		if err != nil {
			panic(err)
		}
		b = b[headerLen:]
		if kind := binary.NativeEndian.Uint16(b[2:]); kind != rtaDst {
			panic(fmt.Sprint("the first attribute is ", kind))
		}
		fmt.Printf("%s: RTA_DST of %d octets\n", prefix, binary.NativeEndian.Uint16(b)-4)
	}
}
END
go run . 2>err >out || { cat err; exit 1; }
cat out
grep -qx '2001:db8::/32: RTA_DST of 16 octets' out && grep -qx '::ffff:0:0/96: RTA_DST of 4 octets' out
