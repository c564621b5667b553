// SPDX-License-Identifier: BSD-3-Clause

package wire

const (
	// PayloadHeaderLen is the octets of a payload extension header.
	PayloadHeaderLen = 8
	// UDPHeaderLen is the octets of the UDP header that may be before it.
	UDPHeaderLen = 8
)

// PayloadHeader is a Shim6 payload extension header (RFC 5533, section 5.2).
type PayloadHeader struct {
	// NextHeader is the protocol of the header that follows.
	NextHeader uint8
	// ReceiverContextTag is the tag that the receiver has allocated.
	ReceiverContextTag ContextTag
}

// IsPayload reports whether the Shim6 header at the beginning of b is a payload extension header:
// the P bit is 1. A header of less than 3 octets is none.
func IsPayload(b []byte) bool { return len(b) > 2 && b[2]&0x80 != 0 }

// DecodePayloadHeader reads the payload extension header at the beginning of b and ignores the
// octets after it. The error is a *ProtocolError for which no Error message is due.
func DecodePayloadHeader(b []byte) (PayloadHeader, error) {
	switch {
	case len(b) < PayloadHeaderLen:
		return PayloadHeader{}, fail(0, CodeDebugLength, 0,
			"a payload extension header has %d octets, and there are %d", PayloadHeaderLen, len(b))
	case !IsPayload(b):
		return PayloadHeader{}, fail(Type(b[2]), CodeDebugKind, 2, "a control message, not a payload extension header")
	case b[1] != 0:
		return PayloadHeader{}, fail(0, CodeDebugLength, 1,
			"a payload extension header has a Hdr Ext Len of 0, not %d", b[1])
	}
	return PayloadHeader{NextHeader: b[0], ReceiverContextTag: tagAt(b[2:])}, nil
}

// Append appends the 8 octets of the header to b. If the tag has more than 47 bits, it returns b as
// it was, and an error.
func (h PayloadHeader) Append(b []byte) ([]byte, error) {
	out, err := appendTag(append(b, h.NextHeader, 0), h.ReceiverContextTag)
	if err != nil {
		return b, err
	}
	out[len(b)+2] |= 0x80
	return out, nil
}
