// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ErrorMessage is an Error message (RFC 5533, section 5.14). It has no options, and no Error
// message ever answers it.
type ErrorMessage struct {
	Code ErrorCode
	// Pointer is where in the invoking packet the error is, in octets from the start of its IPv6
	// header. The RFC does not say from where to count. But the receiver needs the addresses of
	// the packet in error (section 12.4), so the copy begins with the IPv6 header, and the count
	// as well.
	Pointer uint16
	// PacketInError is the invoking packet from its IPv6 header on, as much of it as there was
	// room for: a multiple of 8 octets, at least 8. Append cuts it to that.
	PacketInError []byte
	Residue       *Residue
}

// errorHead is the octets of an Error message before the packet in error.
const errorHead = 8

// Type returns TypeError.
func (m *ErrorMessage) Type() Type                   { return TypeError }
func (m *ErrorMessage) parts() (*Options, **Residue) { return nil, &m.Residue }

func (m *ErrorMessage) decodeFixed(b []byte) (int, *ProtocolError) {
	m.Code = ErrorCode(b[3] >> 1)
	m.Pointer = binary.BigEndian.Uint16(b[6:])
	m.PacketInError = clone(b[errorHead:])
	return len(b), nil
}

func (m *ErrorMessage) appendFixed(b []byte, limit int) ([]byte, error) {
	if m.Code > 127 {
		return b, fmt.Errorf("an Error Code has 7 bits, and %d has more", m.Code)
	}
	// Hdr Ext Len counts units of 8 octets, and the RFC has no rule for padding.
	n := min(len(m.PacketInError), limit-errorHead) &^ 7
	if n < 8 {
		return b, fmt.Errorf("%d octets of a packet in error are too few", len(m.PacketInError))
	}
	b[len(b)-3] = byte(m.Code << 1)
	b = binary.BigEndian.AppendUint16(b, m.Pointer)
	return append(b, m.PacketInError[:n]...), nil
}

// NewErrorMessage returns the Error message that is due for a control message with an error. It
// returns false if none is due (see ProtocolError.Answer), or if one of the addresses can't send or
// receive an answer (see CheckAddresses). The message was received from source at destination; it
// begins with its Shim6 header and is as long as the header says. The answer goes from destination
// to source.
//
// The packet in error is an IPv6 header with these addresses, and the message. The fields of the
// IPv6 header that are not known here (Traffic Class, Flow Label, Hop Limit) are 0.
func NewErrorMessage(cause *ProtocolError, source, destination netip.Addr, message []byte) (*ErrorMessage, bool) {
	if !cause.Answer() {
		return nil, false
	}
	return NewDebugErrorMessage(cause, source, destination, message)
}

// NewDebugErrorMessage is NewErrorMessage for debugging an implementation: it also answers messages
// that are to be discarded silently, with a code of 120 to 127 (RFC 5533, section 5.14). Even so it
// does not answer Error messages.
func NewDebugErrorMessage(cause *ProtocolError, source, destination netip.Addr, message []byte) (*ErrorMessage, bool) {
	// The cause may not know the type: CheckAddresses makes one without the message.
	if cause.Type == TypeError || len(message) > 2 && Type(message[2]) == TypeError {
		return nil, false
	}
	if CheckAddresses(source, destination) != nil {
		return nil, false
	}
	packet := make([]byte, 0, ipv6HeaderLen+len(message))
	packet = append(packet, 6<<4, 0, 0, 0)
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(message)))
	packet = append(packet, Protocol, 0)
	packet, err := appendAddr(packet, source)
	if err != nil {
		return nil, false
	}
	if packet, err = appendAddr(packet, destination); err != nil {
		return nil, false
	}
	return &ErrorMessage{
		Code:          cause.Code,
		Pointer:       uint16(ipv6HeaderLen + cause.Pointer),
		PacketInError: append(packet, message...),
	}, true
}
