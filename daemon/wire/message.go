// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

const (
	// MaxMessageLen is the most octets of a control message in a packet that
	// has no header between the IPv6 header and it: the packet may have 1280
	// (RFC 5533, section 5.1).
	MaxMessageLen = 1280 - ipv6HeaderLen
	// MaxHeaderLen is the most octets that Hdr Ext Len can say.
	MaxHeaderLen = (255 + 1) * 8
)

// Message is a control message: *I1, *R1, *I2, *R2, *R1bis, *I2bis,
// *UpdateRequest, *UpdateAcknowledgement, *Keepalive, *Probe or *ErrorMessage.
type Message interface {
	// Type is the type of the message.
	Type() Type

	// decodeFixed reads the fields from octet 6 on of a message that has the
	// least length of its type, and returns where the options begin.
	decodeFixed(b []byte) (int, *ProtocolError)
	// appendFixed appends the octets from 6 on that come before the options
	// to b, which ends in the first 6. The whole may have limit octets.
	appendFixed(b []byte, limit int) ([]byte, error)
	// parts returns where the options are, nil if there can be none, and
	// where the residue is.
	parts() (*Options, **Residue)
}

// Decode reads the control message that begins b. What follows the message, as
// its Hdr Ext Len ends it, is not looked at. The message keeps no reference to
// b.
//
// An error is a *ProtocolError. Of the checks of RFC 5533, section 12.3, those
// of checksum, length, type and options are made here; for the addresses there
// is CheckAddresses. Reserved bits and padding are not checked, and any Next
// Header is taken, because the RFC names no other value but no action either.
// Options that are critical and not known come before whatever else is wrong
// with options. What takes a context to decide is left to the receiver, and with
// it a Locator Preferences option that is Malformed.
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

// Append appends the octets of m to b, with the checksum and padding. The
// message has MaxMessageLen octets at most: ErrTooLong is in the error if it
// would have more. Of an ErrorMessage the packet in error is cut instead.
//
// Options are written in their order. An option that the RFC does not list for
// the message, or that is there twice, is an error, and so is what does not fit
// its field: nobody could decode it to the same. Nothing is allocated if b has
// the capacity. It returns b as it was if there is an error.
func Append(b []byte, m Message) ([]byte, error) { return AppendMax(b, m, MaxMessageLen) }

// AppendMax is Append for a message that has limit octets at most: less than
// MaxMessageLen if other headers come before it, more to write out what was
// received. It cannot have more than MaxHeaderLen.
func AppendMax(b []byte, m Message, limit int) ([]byte, error) {
	out, err := appendMessage(b, m, min(limit, MaxHeaderLen))
	if err != nil {
		return b, fmt.Errorf("%s: %w", m.Type(), err)
	}
	return out, nil
}

// appendMessage is AppendMax without the trimmings.
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

// CheckAddresses checks the addresses of the IPv6 packet that a control message
// has come in: neither may be multicast or unspecified (RFC 5533, section
// 12.3). The error is a *ProtocolError to which no Error message is due.
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

// errAddress says that an address has no octets of its own on the wire.
var errAddress = errors.New("not an IPv6 address without a zone")

// appendAddr appends the 16 octets of an IPv6 address.
func appendAddr(b []byte, a netip.Addr) ([]byte, error) {
	if !a.Is6() || a.Zone() != "" {
		return b, fmt.Errorf("%v: %w", a, errAddress)
	}
	o := a.As16()
	return append(b, o[:]...), nil
}

// addrAt reads the address that begins b.
func addrAt(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }

// clone copies what is not empty; what is empty is nil.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}
