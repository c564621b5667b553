#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Go package rtnetlink cannot ask for a route by the source of a packet.
#
# On a multihomed host the answer to "which way do packets from A go to B?" depends on A, by policy
# rules. A question to Linux names A in the attribute RTA_SRC. RouteAttributes of
# github.com/jsimonetti/rtnetlink v2.0.2 has a field Src beside SrcLength of the message, but it is
# written as RTA_PREFSRC, and no field is RTA_SRC. Linux ignores RTA_PREFSRC in a question, so the
# answer is that for any source, and no error says so.
#
# Seen with v2.0.2, for a question with Dst and Src:
#	attributes: 1 7
# where 1 is RTA_DST, 2 would be RTA_SRC, and 7 is RTA_PREFSRC.
#
# Therefore shim6tool adds the attribute by itself (tools/shim6tool/host.go).
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
	const inet6, headerLen = 10, 12
	m := rtnetlink.RouteMessage{Family: inet6, DstLength: 128, SrcLength: 128, Attributes: rtnetlink.RouteAttributes{
		Dst: net.ParseIP("2001:db8:1::1"), Src: net.ParseIP("2001:db8:2::2"),
	}}
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err)
	}
	fmt.Print("attributes:")
	for b = b[headerLen:]; len(b) >= 4; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			break
		}
		// Only addresses have 16 octets.
		if n == 4+16 {
			fmt.Print(" ", binary.NativeEndian.Uint16(b[2:]))
		}
		b = b[n:]
	}
	fmt.Println()
}
END
go run . 2>err >out || { cat err; exit 1; }
cat out
grep -qx 'attributes: 1 7' out
