// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
)

// VerificationMethod is the way to prove that a locator belongs to its sender.
type VerificationMethod uint8

// The methods of RFC 5533, table 4 (section 5.15.2). The registry in section 17 has the numbers
// swapped; implementations follow the table.
const (
	MethodHBA VerificationMethod = 1
	MethodCGA VerificationMethod = 2
)

// String is the RFC's name of the method, or the number and what the registry
// (RFC 5533, section 17) says of it.
func (m VerificationMethod) String() string {
	class := "unassigned"
	switch {
	case m == MethodHBA:
		return "HBA"
	case m == MethodCGA:
		return "CGA"
	case m == 0, m == 255:
		class = "reserved"
	case m >= 201:
		class = "experimental"
	}
	return fmt.Sprintf("%s verification method %d", class, uint8(m))
}

// Locator is an element of a Locator List.
type Locator struct {
	Address netip.Addr
	Method  VerificationMethod
}

// LocatorList is the Locator List option (RFC 5533, section 5.15.2).
type LocatorList struct {
	// Generation is the Locator List Generation.
	Generation uint32
	// Locators are at most 255; there may be none. Their order matters: the elements of a
	// LocatorPreferences have the same order.
	Locators []Locator
}

// LocatorList returns the Locator List option.
func (o Options) LocatorList() *LocatorList { return find[*LocatorList](o) }

// locatorListHead is the octets of the contents before the methods.
const locatorListHead = 4 + 1

// Type returns OptionLocatorList.
func (o *LocatorList) Type() OptionType { return OptionLocatorList }
func (o *LocatorList) contentsLen() int { return locatorListLen(len(o.Locators)) }

// locatorListLen is the Length of a list of n locators. The Length counts the padding between the
// methods and the locators, but not the padding at the end of an option.
func locatorListLen(n int) int { return 12 + 8*(n/8) + 16*n }

func (o *LocatorList) reserved() (int, int) {
	n := len(o.Locators)
	return locatorListHead + n, locatorListLen(n) - 16*n
}

// methodOffset is the offset of the method of the locator at index, from the start of the option.
func (o *LocatorList) methodOffset(index int) int { return optionHeaderLen + locatorListHead + index }

func decodeLocatorList(t Type, c []byte, p int) (Option, *ProtocolError) {
	n := int(c[4])
	if len(c) != locatorListLen(n) {
		return nil, fail(t, CodeDebugLength, p+2, "Locator List has a Length of %d, and of %d locators it is %d",
			len(c), n, locatorListLen(n))
	}
	o := &LocatorList{Generation: binary.BigEndian.Uint32(c)}
	if n == 0 {
		return o, nil
	}
	o.Locators = make([]Locator, n)
	addresses := c[len(c)-16*n:]
	for i := range o.Locators {
		o.Locators[i] = Locator{
			Address: addrAt(addresses[16*i : 16*i+16]),
			Method:  VerificationMethod(c[locatorListHead+i]),
		}
	}
	return o, nil
}

func (o *LocatorList) appendContents(b []byte) ([]byte, error) {
	n := len(o.Locators)
	if n > math.MaxUint8 {
		return b, fmt.Errorf("%w: %d locators, and 255 are the most", ErrTooLong, n)
	}
	b = binary.BigEndian.AppendUint32(b, o.Generation)
	b = append(b, byte(n))
	for _, l := range o.Locators {
		b = append(b, byte(l.Method))
	}
	from, to := o.reserved()
	var zeros [7]byte
	b = append(b, zeros[:to-from]...)
	var err error
	for _, l := range o.Locators {
		if b, err = appendAddr(b, l.Address); err != nil {
			return b, err
		}
	}
	return b, nil
}
