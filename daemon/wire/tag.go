// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"fmt"
)

// ContextTag is the 47-bit number that a host gives to a context (RFC 5533, section 4.1).
type ContextTag uint64

// MaxContextTag is the greatest ContextTag.
const MaxContextTag ContextTag = 1<<47 - 1

// tagLen is the octets of a tag with the bit before it. That bit is P in a payload extension
// header, and reserved elsewhere.
const tagLen = 6

// String is the tag in 12 hexadecimal digits.
func (t ContextTag) String() string { return fmt.Sprintf("%012x", uint64(t)) }

// tagAt reads the tag at the beginning of b, which has the bit before the tag, too.
func tagAt(b []byte) ContextTag {
	return ContextTag(uint64(binary.BigEndian.Uint16(b))<<32|uint64(binary.BigEndian.Uint32(b[2:]))) & MaxContextTag
}

// appendTag appends a tag and a zero bit before it.
func appendTag(b []byte, t ContextTag) ([]byte, error) {
	if t > MaxContextTag {
		return b, fmt.Errorf("a Context Tag has 47 bits, and %#x has more", uint64(t))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(t>>32))
	return binary.BigEndian.AppendUint32(b, uint32(t)), nil
}

// ReceiverContextTag reads the Receiver Context Tag of a Shim6 header: of a payload extension
// header, or of an Update Request, Update Acknowledgement, Keepalive or Probe, the messages that
// have one. The message may be cut short, as in an Error message or an ICMPv6 error; nothing else
// in it is checked. The result is false if there is no such tag.
func ReceiverContextTag(b []byte) (ContextTag, bool) {
	if IsPayload(b) {
		if len(b) < PayloadHeaderLen {
			return 0, false
		}
		return tagAt(b[2:]), true
	}
	if len(b) < 6+tagLen {
		return 0, false
	}
	switch Type(b[2]) {
	case TypeUpdateRequest, TypeUpdateAcknowledgement, TypeKeepalive, TypeProbe:
		return tagAt(b[6:]), true
	}
	return 0, false
}
