// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"errors"
	"fmt"
	"net/netip"
)

// ipv6HeaderLen is the octets of an IPv6 header.
const ipv6HeaderLen = 40

// Invoking is the packet that an Error message is about.
type Invoking struct {
	// Source and Destination are the packet's addresses: for the receiver of the Error message,
	// Source is a local locator and Destination a locator of the peer.
	Source, Destination netip.Addr
	// Header is the packet from the Shim6 header on. It may be cut short anywhere. It is part of
	// the PacketInError, not a copy.
	Header []byte
	// Pointer is the Error message's, but counted from the start of the Shim6 header: below 0 if
	// it points before that.
	Pointer int
}

// Invoking finds the Shim6 header in the packet in error. Hop-by-hop options, routing headers and
// destination options may come before it (RFC 5533, section 4.6). To find the context, take the tag
// by ReceiverContextTag (section 12.4); if the message has no such tag, compare its fields with the
// messages that were sent.
func (m *ErrorMessage) Invoking() (Invoking, error) {
	b := m.PacketInError
	if len(b) < ipv6HeaderLen || b[0]>>4 != 6 {
		return Invoking{}, errors.New("the packet in error does not begin with an IPv6 header")
	}
	at, next := ipv6HeaderLen, b[6]
	for next != Protocol {
		const hopByHop, routing, destination = 0, 43, 60
		if next != hopByHop && next != routing && next != destination {
			return Invoking{}, fmt.Errorf("the packet in error has protocol %d, not Shim6", next)
		}
		if len(b)-at < 2 {
			return Invoking{}, fmt.Errorf("the packet in error ends at octet %d, before its Shim6 header", len(b))
		}
		at, next = at+(int(b[at+1])+1)*8, b[at]
		if at > len(b) {
			return Invoking{}, fmt.Errorf("the packet in error ends at octet %d, before its Shim6 header", len(b))
		}
	}
	return Invoking{
		Source: addrAt(b[8:24]), Destination: addrAt(b[24:40]),
		Header: b[at:], Pointer: int(m.Pointer) - at,
	}, nil
}
