// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// OptionType is the 15-bit type of an option; on the wire it is followed by the
// C bit (RFC 5533, section 5.15).
type OptionType uint16

// The types of RFC 5533, table 3.
const (
	OptionResponderValidator        OptionType = 1
	OptionLocatorList               OptionType = 2
	OptionLocatorPreferences        OptionType = 3
	OptionCGAParameterDataStructure OptionType = 4
	OptionCGASignature              OptionType = 5
	OptionULIDPair                  OptionType = 6
	OptionForkedInstanceIdentifier  OptionType = 7
	OptionKeepaliveTimeout          OptionType = 10
)

// maxOptionType is the greatest number of 15 bits.
const maxOptionType OptionType = 1<<15 - 1

// optionHeaderLen is the octets of an option before its contents.
const optionHeaderLen = 4

// optionNames has the RFC's names.
var optionNames = [...]string{
	OptionResponderValidator:        "Responder Validator",
	OptionLocatorList:               "Locator List",
	OptionLocatorPreferences:        "Locator Preferences",
	OptionCGAParameterDataStructure: "CGA Parameter Data Structure",
	OptionCGASignature:              "CGA Signature",
	OptionULIDPair:                  "ULID Pair",
	OptionForkedInstanceIdentifier:  "Forked Instance Identifier",
	OptionKeepaliveTimeout:          "Keepalive Timeout",
}

// String is the RFC's name of the option, or the number and what the registry
// (RFC 5533, section 17) says of it.
func (t OptionType) String() string {
	if int(t) < len(optionNames) && optionNames[t] != "" {
		return optionNames[t]
	}
	class := "unassigned"
	switch {
	case t == 0:
		class = "reserved"
	case t > maxOptionType:
		class = "impossible"
	case t >= 16384:
		class = "experimental"
	}
	return fmt.Sprintf("%s option type %d", class, uint16(t))
}

// optionSet is a set of options that are known.
type optionSet uint16

func set(types ...OptionType) optionSet {
	var s optionSet
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s optionSet) has(t OptionType) bool { return t < 16 && s&(1<<t) != 0 }

// locatorOptions are those of messages that tell of locators; the Keepalive
// Timeout may go with them (RFC 5534, section 5.3).
const locatorOptions optionSet = 1<<OptionLocatorList | 1<<OptionLocatorPreferences |
	1<<OptionCGAParameterDataStructure | 1<<OptionCGASignature | 1<<OptionKeepaliveTimeout

// Option is an option of a message: *ResponderValidator, *LocatorList,
// *LocatorPreferences, *CGAParameterDataStructure, *CGASignature, *ULIDPair,
// *ForkedInstanceIdentifier, *KeepaliveTimeout or *UnknownOption.
type Option interface {
	// Type is the type of the option.
	Type() OptionType

	// contentsLen is the Length: octets of the contents without the padding
	// at the end.
	contentsLen() int
	// appendContents appends the contents without the padding at the end.
	appendContents(b []byte) ([]byte, error)
	// reserved is the range within the contents that means nothing.
	reserved() (from, to int)
}

// UnknownOption is an option that this package does not know, or that the RFC
// does not list for the message that it is in.
type UnknownOption struct {
	// OptionType is the type, at most 32767.
	OptionType OptionType
	// Critical is the C bit. Decode never returns an option with C=1 that it
	// does not know: that is an error.
	Critical bool
	// Contents are the contents without the padding.
	Contents []byte
}

// Type returns o.OptionType.
func (o *UnknownOption) Type() OptionType     { return o.OptionType }
func (o *UnknownOption) contentsLen() int     { return len(o.Contents) }
func (o *UnknownOption) reserved() (int, int) { return 0, 0 }

func (o *UnknownOption) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Contents...), nil
}

// paddingLen is how many octets follow contents of n octets, so that the whole
// option is a multiple of 8 (RFC 5533, section 5.15).
func paddingLen(n int) int { return 7 - (n+3)%8 }

// totalLen is the octets of an option whose contents have n.
func totalLen(n int) int { return optionHeaderLen + n + paddingLen(n) }

// decodeOptions reads the options from octet at to the end of b, which is a
// message of type t. It does not keep b.
func decodeOptions(t Type, b []byte, at int) (Options, []optionResidue, *ProtocolError) {
	count := 0
	for p := at; p < len(b); count++ {
		// At least 8 octets are left: all lengths are multiples of that.
		number := binary.BigEndian.Uint16(b[p:])
		total := totalLen(int(binary.BigEndian.Uint16(b[p+2:])))
		kind := OptionType(number >> 1)
		if number&1 != 0 && !t.Lists(kind) {
			return nil, nil, fail(t, CodeCriticalOption, p, "%s is critical and not known here", kind)
		}
		if total > len(b)-p {
			return nil, nil, fail(t, CodeDebugLength, p+2, "%s has %d octets and ends after the message", kind, total)
		}
		p += total
	}
	shift := at
	b = bytes.Clone(b[at:])
	options := make(Options, 0, count)
	var kept []optionResidue
	var seen optionSet
	for p := 0; p < len(b); {
		number := binary.BigEndian.Uint16(b[p:])
		n := int(binary.BigEndian.Uint16(b[p+2:]))
		kind, critical := OptionType(number>>1), number&1 != 0
		c := b[p+optionHeaderLen:][:n:n]
		var o Option
		if t.Lists(kind) {
			if seen.has(kind) {
				return nil, nil, fail(t, CodeDebugDuplicate, p+shift, "%s is there twice", kind)
			}
			seen |= set(kind)
			var err *ProtocolError
			if o, err = decodeOption(t, kind, c, p+shift); err != nil {
				return nil, nil, err
			}
		} else {
			o = &UnknownOption{OptionType: kind, Contents: orNil(c)}
		}
		if r, ok := optionResidueOf(len(options), o, critical, c, b[p+optionHeaderLen+n:p+totalLen(n)]); ok {
			kept = append(kept, r)
		}
		options = append(options, o)
		p += totalLen(n)
	}
	return options, kept, nil
}

// decodeOption reads the contents c of an option that is known and begins at
// octet p of a message of type t. It keeps c.
func decodeOption(t Type, kind OptionType, c []byte, p int) (Option, *ProtocolError) {
	if want, ok := fixedContents[kind]; ok && len(c) != want {
		return nil, fail(t, CodeDebugLength, p+2, "%s has a Length of %d, not %d", kind, len(c), want)
	}
	switch kind {
	case OptionResponderValidator:
		return &ResponderValidator{Validator: orNil(c)}, nil
	case OptionCGAParameterDataStructure:
		return &CGAParameterDataStructure{PDS: orNil(c)}, nil
	case OptionCGASignature:
		return &CGASignature{Signature: orNil(c)}, nil
	case OptionLocatorList:
		return decodeLocatorList(t, c, p)
	case OptionLocatorPreferences:
		return decodeLocatorPreferences(t, c, p)
	case OptionULIDPair:
		return &ULIDPair{Sender: addrAt(c[4:20]), Receiver: addrAt(c[20:36])}, nil
	case OptionForkedInstanceIdentifier:
		return &ForkedInstanceIdentifier{FII: binary.BigEndian.Uint32(c)}, nil
	case OptionKeepaliveTimeout:
		return &KeepaliveTimeout{Seconds: binary.BigEndian.Uint16(c[2:])}, nil
	}
	panic("a listed option without a decoder")
}

// fixedContents has the Length of options that have always the same.
var fixedContents = map[OptionType]int{
	OptionULIDPair:                 ulidPairLen,
	OptionForkedInstanceIdentifier: fiiLen,
	OptionKeepaliveTimeout:         keepaliveTimeoutLen,
}

// orNil is b, nil if it is empty.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// appendOptions appends the options of a message of type t.
func appendOptions(b []byte, t Type, options Options, residue *Residue) ([]byte, error) {
	var seen optionSet
	for i, o := range options {
		kind := o.Type()
		start, n := len(b), o.contentsLen()
		critical := byte(0)
		if u, ok := o.(*UnknownOption); ok {
			if t.Lists(kind) {
				return b, fmt.Errorf("%s is known here and has a type of its own", kind)
			}
			if u.Critical {
				critical = 1
			}
		} else if !t.Lists(kind) {
			return b, fmt.Errorf("%s is no option of this message", kind)
		} else if seen.has(kind) {
			return b, fmt.Errorf("%s is there twice", kind)
		} else {
			seen |= set(kind)
		}
		if kind > maxOptionType || n > math.MaxUint16 {
			return b, fmt.Errorf("%s: %w: %d octets of contents", kind, ErrTooLong, n)
		}
		b = append(b, byte(kind>>7), byte(kind<<1)|critical, byte(n>>8), byte(n))
		var err error
		if b, err = o.appendContents(b); err != nil {
			return b, fmt.Errorf("%s: %w", kind, err)
		}
		var zeros [7]byte
		b = append(b, zeros[:paddingLen(n)]...)
		residue.of(i, o).restore(b[start:], n)
	}
	return b, nil
}
