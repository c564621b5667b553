#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One policy rule that looks at the DSCP hides all rules from the Go package rtnetlink.
#
# Linux 6.14 gave policy rules the attribute FRA_DSCP, and later ones FRA_DSCP_MASK, FRA_FLOWLABEL
# and more. Netlink's convention is that a program ignores attributes that it does not know.
# github.com/jsimonetti/rtnetlink v2.0.2 returns an error for the message instead, and
# RuleService.List returns that error and no rule at all. So a daemon that works on a host stops
# to see its own rules as soon as anybody there adds a rule by DSCP.
#
# The octets are the answer of Linux 6.18 to a dump, after "ip -6 rule add dscp 10 lookup 100".
# Seen with v2.0.2:
#	rule by priority and table: <nil>
#	rule by dscp: rtnetlink RuleMessage contains an unknown Attribute
# On that kernel RuleService.List returned 0 rules of 4, with the same error.
#
# Therefore shim6d reads the attributes of rules by itself (daemon/internal/address/route.go).
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
	"encoding/hex"
	"fmt"

	"github.com/jsimonetti/rtnetlink/v2"
)

func main() {
	// On a machine with the lower octet first, as x86 is.
	const plain = "0a000000640000010000000008000f0064000000050015000000000008000600" + "64000000"
	for _, c := range []struct{ name, octets string }{
		{"rule by priority and table", plain},
		{"rule by dscp", plain + "050019000a000000" + "05001e003f000000"},
	} {
		b, err := hex.DecodeString(c.octets)
		if err != nil {
			panic(err)
		}
		var m rtnetlink.RuleMessage
		fmt.Printf("%s: %v\n", c.name, m.UnmarshalBinary(b))
	}
}
END
go run . 2>err >out || { cat err; exit 1; }
cat out
grep -qx 'rule by priority and table: <nil>' out && grep -q '^rule by dscp: .*unknown Attribute' out
