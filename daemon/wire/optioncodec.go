// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// optionHeaderLen is the octets of an option before its contents.
const optionHeaderLen = 4

// paddingLen is how many octets of padding follow contents of n octets, so that the whole
// option is a multiple of 8 (RFC 5533, section 5.15).
func paddingLen(n int) int { return 7 - (n+3)%8 }

// totalLen is the octets of an option whose contents have n.
func totalLen(n int) int { return optionHeaderLen + n + paddingLen(n) }

// decodeOptions reads the options from octet at to the end of b, which is a message of type t.
// It does not keep b.
func decodeOptions(t Type, b []byte, at int) (Options, []optionResidue, *ProtocolError) {
	count, err := countOptions(t, b, at)
	if err != nil {
		return nil, nil, err
	}
	shift := at
	b = bytes.Clone(b[at:])
	options := make(Options, 0, count)
	var kept []optionResidue
	var room [16]*optionSpec
	seen := room[:0]
	for p := 0; p < len(b); {
		number := binary.BigEndian.Uint16(b[p:])
		n := int(binary.BigEndian.Uint16(b[p+2:]))
		kind, critical := OptionType(number>>1), number&1 != 0
		c := b[p+optionHeaderLen:][:n:n]
		var o Option
		if s := knownOptions.listed(t, kind); s == nil {
			o = &UnknownOption{OptionType: kind, Contents: orNil(c)}
		} else {
			if slices.Contains(seen, s) {
				return nil, nil, fail(t, CodeDebugDuplicate, p+shift, "%s is there twice", kind)
			}
			seen = append(seen, s)
			if o, err = s.read(t, c, p+shift); err != nil {
				return nil, nil, err
			}
		}
		if r, ok := optionResidueOf(len(options), o, critical, c, b[p+optionHeaderLen+n:p+totalLen(n)]); ok {
			kept = append(kept, r)
		}
		options = append(options, o)
		p += totalLen(n)
	}
	return options, kept, nil
}

// countOptions counts the options from octet at to the end of b, which is a message of type t.
// It is an error if an option is critical and not known, or ends after the message.
func countOptions(t Type, b []byte, at int) (count int, err *ProtocolError) {
	for p := at; p < len(b); count++ {
		// At least 8 octets are left: all lengths are multiples of that.
		number := binary.BigEndian.Uint16(b[p:])
		total := totalLen(int(binary.BigEndian.Uint16(b[p+2:])))
		kind := OptionType(number >> 1)
		if number&1 != 0 && !t.Lists(kind) {
			return 0, fail(t, CodeCriticalOption, p, "%s is critical and not known here", kind)
		}
		if total > len(b)-p {
			return 0, fail(t, CodeDebugLength, p+2, "%s has %d octets and ends after the message", kind, total)
		}
		p += total
	}
	return count, nil
}

// read checks the Length of contents and decodes them; see decode for the parameters.
func (s *optionSpec) read(t Type, c []byte, p int) (Option, *ProtocolError) {
	if len(c) < s.least || len(c) > s.most {
		if s.least == s.most {
			return nil, fail(t, CodeDebugLength, p+2, "%s has a Length of %d, not %d", s.name, len(c), s.least)
		}
		return nil, fail(t, CodeDebugLength, p+2, "%s has a Length of %d, and the least is %d", s.name, len(c), s.least)
	}
	return s.decode(t, c, p)
}

// orNil is b, nil if it is empty.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// appendOptions appends the options of a message of type t, each with its residue.
func appendOptions(b []byte, t Type, options Options, residue *Residue) ([]byte, error) {
	var room [16]*optionSpec
	seen := room[:0]
	for i, o := range options {
		kind := o.Type()
		start, n := len(b), o.contentsLen()
		critical := byte(0)
		s := knownOptions.listed(t, kind)
		if u, ok := o.(*UnknownOption); ok {
			if s != nil {
				return b, fmt.Errorf("%s is known here and has a type of its own", kind)
			}
			if u.Critical {
				critical = 1
			}
		} else if s == nil {
			return b, fmt.Errorf("%s is no option of this message", kind)
		} else if slices.Contains(seen, s) {
			return b, fmt.Errorf("%s is there twice", kind)
		} else {
			seen = append(seen, s)
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
