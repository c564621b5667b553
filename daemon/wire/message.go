// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

const (
	// MaxMessageLen is the most octets of a control message if no other header comes between
	// the IPv6 header and it: the packet may have 1280 octets (RFC 5533, section 5.1).
	MaxMessageLen = 1280 - ipv6HeaderLen
	// MaxHeaderLen is the most octets that Hdr Ext Len can express.
	MaxHeaderLen = (255 + 1) * 8
)

// Message is a control message: *I1, *R1, *I2, *R2, *R1bis, *I2bis,
// *UpdateRequest, *UpdateAcknowledgement, *Keepalive, *Probe or *ErrorMessage.
type Message interface {
	// Type is the type of the message.
	Type() Type

	// decodeFixed reads the fields from octet 6 on, and returns the octet at which the options
	// begin. b is the whole message; it has at least the least length of its type.
	decodeFixed(b []byte) (int, *ProtocolError)
	// appendFixed appends the octets from 6 on up to the options. b ends with the first 6
	// octets. The whole message may have limit octets.
	appendFixed(b []byte, limit int) ([]byte, error)
	// parts returns pointers to the options and to the residue. The first is nil if the
	// message can have no options.
	parts() (*Options, **Residue)
}

// Decode reads the control message at the beginning of b. It ends where its Hdr Ext Len says;
// Decode ignores octets after it. The message keeps no reference to b.
//
// The error is a *ProtocolError. Decode makes the checks of RFC 5533, section 12.3, of checksum,
// length, type and options; CheckAddresses makes those of addresses. It does not check reserved
// bits and padding. It takes any Next Header, because the RFC names no action for a value other
// than 59. If several things are wrong with the options, one that is critical and not known is the
// error. Checks that need a context are left to the receiver, and so is a Locator Preferences
// option that is Malformed.
func Decode(b []byte) (Message, error) {
	if len(b) < 8 {
		return nil, fail(0, CodeDebugLength, 0, "a Shim6 header has 8 octets or more, and there are %d", len(b))
	}
	if IsPayload(b) {
		return nil, fail(0, CodeDebugKind, 2, "a payload extension header, not a control message")
	}
	t := Type(b[2])
	if b[3]&1 != 0 {
		return nil, fail(t, CodeDebugKind, 3, "the S bit is 1, as in HIP")
	}
	n := (int(b[1]) + 1) * 8
	if n > len(b) {
		return nil, fail(t, CodeDebugLength, 1, "Hdr Ext Len %d says %d octets, and there are %d", b[1], n, len(b))
	}
	b = b[:n]
	if c := checksum(b); c != 0 {
		return nil, fail(t, CodeDebugChecksum, checksumAt, "the checksum is wrong")
	}
	l := layoutOf(t)
	if l == nil {
		return nil, fail(t, CodeUnknownType, 2, "the type is not known")
	}
	if n < l.fixed {
		return nil, fail(t, CodeDebugLength, 1, "Hdr Ext Len is %d, and the least is %d", b[1], l.fixed/8-1)
	}
	m := l.new()
	at, err := m.decodeFixed(b)
	if err != nil {
		return nil, err
	}
	options, residue := m.parts()
	var kept []optionResidue
	if options != nil && at < n {
		if *options, kept, err = decodeOptions(t, b, at); err != nil {
			return nil, err
		}
	}
	*residue = residueOf(l, b, kept)
	return m, nil
}

// Append appends the octets of m to b, with the checksum and padding. If the message would have
// more than MaxMessageLen octets, the error has ErrTooLong in it; in an ErrorMessage, the packet in
// error is cut instead.
//
// Options are written in their order. It is an error if the RFC does not list an option for the
// message, if an option is there twice, or if a value does not fit its field: no receiver could
// decode the same message. If b has the capacity, nothing is allocated. With an error, Append
// returns b as it was.
func Append(b []byte, m Message) ([]byte, error) { return AppendMax(b, m, MaxMessageLen) }

// AppendMax is Append for a message of at most limit octets: less than MaxMessageLen if other
// headers come before the message, or more to write a message as it was received. A message can't
// have more than MaxHeaderLen octets.
func AppendMax(b []byte, m Message, limit int) ([]byte, error) {
	out, err := appendMessage(b, m, min(limit, MaxHeaderLen))
	if err != nil {
		return b, fmt.Errorf("%s: %w", m.Type(), err)
	}
	return out, nil
}

// appendMessage is AppendMax, except that an error does not name the message and comes without b.
func appendMessage(b []byte, m Message, limit int) ([]byte, error) {
	start := len(b)
	t := m.Type()
	b, err := m.appendFixed(append(b, NoNextHeader, 0, byte(t), 0, 0, 0), limit)
	if err != nil {
		return nil, err
	}
	options, residue := m.parts()
	if options != nil {
		if b, err = appendOptions(b, t, *options, *residue); err != nil {
			return nil, err
		}
	}
	out := b[start:]
	if len(out) > limit {
		return nil, fmt.Errorf("%w: %d octets, and %d are allowed", ErrTooLong, len(out), limit)
	}
	out[1] = byte(len(out)/8 - 1)
	(*residue).restore(layoutOf(t), out)
	sum := checksum(out)
	if sum == 0 && (*residue).ones() {
		sum = 0xffff
	}
	out[checksumAt], out[checksumAt+1] = byte(sum>>8), byte(sum)
	return b, nil
}

// CheckAddresses checks the addresses of the IPv6 packet in which a control message has arrived:
// neither may be multicast or unspecified (RFC 5533, section 12.3). The error is a *ProtocolError
// for which no Error message is due.
func CheckAddresses(source, destination netip.Addr) error {
	for _, a := range []struct {
		name    string
		address netip.Addr
	}{{"source", source}, {"destination", destination}} {
		switch {
		case !a.address.Is6():
			return fail(0, CodeDebugAddress, 0, "the %s address is not of IPv6", a.name)
		case a.address.IsMulticast(), a.address.IsUnspecified():
			return fail(0, CodeDebugAddress, 0, "the %s address %s is multicast or unspecified", a.name, a.address)
		}
	}
	return nil
}

// errAddress says that 16 octets can't express an address.
var errAddress = errors.New("not an IPv6 address without a zone")

// appendAddr appends the 16 octets of an IPv6 address.
func appendAddr(b []byte, a netip.Addr) ([]byte, error) {
	if !a.Is6() || a.Zone() != "" {
		return b, fmt.Errorf("%v: %w", a, errAddress)
	}
	o := a.As16()
	return append(b, o[:]...), nil
}

// addrAt reads the address at the beginning of b.
func addrAt(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }

// clone copies b; nil if b is empty.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}
