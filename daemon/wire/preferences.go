// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PreferenceFlags say how good a locator is. Bits without a name mean nothing; a sender leaves them
// 0.
type PreferenceFlags uint8

// The flags of RFC 5533, section 5.15.3. There is none for "reachable".
const (
	// FlagBroken: the locator is known not to work.
	FlagBroken PreferenceFlags = 0x01
	// FlagTransient: the locator is less stable than others.
	FlagTransient PreferenceFlags = 0x02
)

// Preference is the element of one locator.
type Preference struct {
	Flags PreferenceFlags
	// Priority (lower is better) and Weight have the meaning of DNS SRV records (RFC 2782).
	// They are 0 if the elements have no room for them.
	Priority uint8
	Weight   uint8
	// Rest are the octets after the Weight, if the elements have more than 3 octets.
	Rest []byte
}

// LocatorPreferences is the Locator Preferences option (RFC 5533, section
// 5.15.3).
//
// A receiver must check that the option Fits the Locator List that it is about. This is the last
// check: if a message belongs to no context, if its locators do not verify, or if the generation is
// another, it has another answer or none (RFC 5533, section 10.4). So Decode also returns an option
// that is Malformed. If the option does not fit, LocatorCountMismatch is the error.
type LocatorPreferences struct {
	// Generation is the generation of the Locator List that the elements are about.
	Generation uint32
	// ElementLen is the octets of each element, at least 1. The first octet is Flags, the second
	// Priority, the third Weight; the meaning of the others (Rest) is not known.
	ElementLen uint8
	// Elements are in the order of the locators. Their number follows from the Length of the
	// option. There may be none.
	Elements []Preference

	// Malformed says that the octets of a received option are no whole number of elements, or
	// that ElementLen is 0, so that the number is unknown. Then there are no Elements, and the
	// octets are in Raw. A sender does not set these two fields.
	Malformed bool
	Raw       []byte
}

// LocatorPreferences returns the Locator Preferences option.
func (o Options) LocatorPreferences() *LocatorPreferences { return find[*LocatorPreferences](o) }

// Fits reports whether o is about so many locators. A Malformed option fits no number of locators,
// not even 0.
func (o *LocatorPreferences) Fits(locators int) bool {
	return !o.Malformed && len(o.Elements) == locators
}

// odd reports whether n octets after the Element Len make the option malformed.
func (o *LocatorPreferences) odd(n int) bool { return o.ElementLen == 0 || n%int(o.ElementLen) != 0 }

// preferencesHead is the octets of the contents before the elements.
const preferencesHead = 4 + 1

// Type returns OptionLocatorPreferences.
func (o *LocatorPreferences) Type() OptionType     { return OptionLocatorPreferences }
func (o *LocatorPreferences) reserved() (int, int) { return 0, 0 }
func (o *LocatorPreferences) contentsLen() int {
	if o.Malformed {
		return preferencesHead + len(o.Raw)
	}
	return preferencesHead + len(o.Elements)*int(o.ElementLen)
}

// decodeLocatorPreferences leaves errors in the number of elements to the receiver.
func decodeLocatorPreferences(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	o := &LocatorPreferences{Generation: binary.BigEndian.Uint32(c), ElementLen: c[4]}
	size := int(o.ElementLen)
	c = c[preferencesHead:]
	if o.odd(len(c)) {
		o.Malformed, o.Raw = true, orNil(c)
		return o, nil
	}
	if len(c) == 0 {
		return o, nil
	}
	o.Elements = make([]Preference, len(c)/size)
	for i := range o.Elements {
		e := c[i*size : (i+1)*size : (i+1)*size]
		o.Elements[i].Flags = PreferenceFlags(e[0])
		if size > 1 {
			o.Elements[i].Priority = e[1]
		}
		if size > 2 {
			o.Elements[i].Weight = e[2]
		}
		if size > 3 {
			o.Elements[i].Rest = e[3:]
		}
	}
	return o, nil
}

func (o *LocatorPreferences) appendContents(b []byte) ([]byte, error) {
	size := int(o.ElementLen)
	switch {
	case o.Malformed && len(o.Elements) > 0:
		return b, errors.New("malformed, and with elements")
	case o.Malformed && !o.odd(len(o.Raw)):
		return b, fmt.Errorf("malformed, and with an Element Len of %d and %d octets nothing is wrong", size, len(o.Raw))
	case !o.Malformed && len(o.Raw) > 0:
		return b, errors.New("raw octets, and not malformed")
	case !o.Malformed && size == 0:
		return b, errors.New("an Element Len of 0")
	}
	b = binary.BigEndian.AppendUint32(b, o.Generation)
	b = append(b, o.ElementLen)
	if o.Malformed {
		return append(b, o.Raw...), nil
	}
	for i := range o.Elements {
		e := &o.Elements[i]
		if size < 2 && e.Priority != 0 || size < 3 && e.Weight != 0 || len(e.Rest) != max(size-3, 0) {
			return b, fmt.Errorf("element %d is not one of %d octets", i, size)
		}
		head := [3]byte{byte(e.Flags), e.Priority, e.Weight}
		b = append(b, head[:min(size, 3)]...)
		b = append(b, e.Rest...)
	}
	return b, nil
}
