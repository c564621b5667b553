// SPDX-License-Identifier: BSD-3-Clause

package wire_test

import (
	"errors"
	"fmt"
	"net/netip"

	"shim6/daemon/wire"
)

// This is how to handle a received message: answer an error if the RFC wants it, and handle the
// rest by type.
func Example() {
	source, destination := netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:b::1")
	receive := func(b []byte) {
		m, err := wire.Decode(b)
		var wrong *wire.ProtocolError
		if errors.As(err, &wrong) {
			answer, due := wire.NewErrorMessage(wrong, source, destination, b)
			if !due {
				fmt.Println("dropped:", err)
				return
			}
			reply, _ := wire.Append(nil, answer)
			fmt.Printf("answered by %d octets: %v\n", len(reply), err)
			return
		}
		switch m := m.(type) {
		case *wire.I1:
			fmt.Printf("I1 with tag %s, FII %d\n", m.InitiatorContextTag, m.Options.FII())
		case *wire.Keepalive:
			fmt.Printf("Keepalive for tag %s\n", m.ReceiverContextTag)
		}
	}

	i1, _ := wire.Append(nil, &wire.I1{
		InitiatorContextTag: 0x1234,
		Options:             wire.Options{&wire.ForkedInstanceIdentifier{FII: 7}},
	})
	receive(i1)
	receive(i1[:8])
	critical, _ := wire.Append(nil, &wire.Keepalive{
		Options: wire.Options{&wire.UnknownOption{OptionType: 9, Critical: true}},
	})
	receive(critical)
	// Output:
	// I1 with tag 000000001234, FII 7
	// dropped: Shim6 I1: Hdr Ext Len 2 says 24 octets, and there are 8 (octet 1)
	// answered by 72 octets: Shim6 Keepalive: unassigned option type 9 is critical and not known here (octet 16)
}
