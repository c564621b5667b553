// SPDX-License-Identifier: BSD-3-Clause

package netlink

import "net/netip"

// SendControl sends a control message from source, an address of this host, and returns when
// the packet has left the stack or was refused. The message begins with its Next Header field
// and has its checksum. length is how many octets the IPv6 packet is to have: the kernel fills
// it up behind the message, which receivers ignore (RFC 8200, section 4.7), but not beyond the
// MTU of the path as far as that is known. With 0 the packet ends with the message. how is how
// the message is carried; older kernels know EncapsulationNative alone.
func (c *Client) SendControl(source, destination netip.Addr, how Encapsulation, message []byte, length int) error {
	return c.change(cmdControlSend, controlAttributes, func(e *encoder) {
		e.addr(attrControlSource, source)
		e.addr(attrControlDestination, destination)
		e.Bytes(attrControlMessage, message)
		if how != EncapsulationNative {
			e.Uint32(attrControlEncapsulation, uint32(how))
		}
		if length > 0 {
			e.Uint32(attrControlLength, uint32(length))
		}
	})
}
