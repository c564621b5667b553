// SPDX-License-Identifier: BSD-3-Clause

package wire

import "fmt"

// Option is an option of a message: *UnknownOption, or the type that has the name of one of
// the constants of OptionType, such as *LocatorList for OptionLocatorList.
type Option interface {
	// Type is the type of the option.
	Type() OptionType

	// contentsLen is the Length: octets of the contents without the padding at the end.
	contentsLen() int
	// appendContents appends the contents without the padding at the end.
	appendContents(b []byte) ([]byte, error)
	// reserved is the range within the contents that means nothing.
	reserved() (from, to int)
}

// OptionType is the 15-bit type of an option; on the wire the C bit follows it (RFC 5533,
// section 5.15).
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

// optionSpec is all that Decode and Append have to know of one type of option. A new option
// takes a constant, a row in optionSpecs, and a file for its Go type with the decoder.
type optionSpec struct {
	kind OptionType
	name string // the RFC's
	// least and most limit the Length. They are equal if the Length is fixed.
	least, most int
	// decode reads contents whose Length is within the limits, and keeps c. The option
	// begins at octet p of a message of type t.
	decode func(t Type, c []byte, p int) (Option, *ProtocolError)
	// in are the messages for which the RFC lists the option.
	in typeSet
}

// optionSpecs has a row for every option that is known.
var optionSpecs = []optionSpec{
	{OptionResponderValidator, "Responder Validator",
		0, anyLen, decodeResponderValidator, types(TypeR1, TypeI2, TypeR1bis, TypeI2bis)},
	{OptionLocatorList, "Locator List",
		locatorListLen(0), anyLen, decodeLocatorList, locatorMessages},
	{OptionLocatorPreferences, "Locator Preferences",
		preferencesHead, anyLen, decodeLocatorPreferences, locatorMessages},
	{OptionCGAParameterDataStructure, "CGA Parameter Data Structure",
		0, anyLen, decodeCGAParameterDataStructure, locatorMessages},
	{OptionCGASignature, "CGA Signature",
		0, anyLen, decodeCGASignature, locatorMessages},
	{OptionULIDPair, "ULID Pair",
		ulidPairLen, ulidPairLen, decodeULIDPair, types(TypeI1, TypeI2, TypeI2bis)},
	{OptionForkedInstanceIdentifier, "Forked Instance Identifier",
		fiiLen, fiiLen, decodeForkedInstanceIdentifier, types(TypeI1, TypeI2, TypeI2bis)},
	{OptionKeepaliveTimeout, "Keepalive Timeout",
		keepaliveTimeoutLen, keepaliveTimeoutLen, decodeKeepaliveTimeout, locatorMessages},
}

// anyLen is the greatest number that a Length can say.
const anyLen = 1<<16 - 1

// locatorMessages are the messages that tell of locators. The Keepalive Timeout may go with
// these options (RFC 5534, section 5.3).
var locatorMessages = types(TypeI2, TypeR2, TypeI2bis, TypeUpdateRequest)

// optionTable finds the row of an option by its type.
type optionTable struct {
	low  [16]*optionSpec            // types below 16: all of the RFCs'
	high map[OptionType]*optionSpec // the others
}

// knownOptions is made from optionSpecs, and not changed except by tests.
var knownOptions = newOptionTable(optionSpecs)

func newOptionTable(specs []optionSpec) *optionTable {
	x := &optionTable{high: map[OptionType]*optionSpec{}}
	for i := range specs {
		s := &specs[i]
		if int(s.kind) < len(x.low) {
			x.low[s.kind] = s
		} else {
			x.high[s.kind] = s
		}
	}
	return x
}

// find returns the row of an option, nil if the option is not known.
func (x *optionTable) find(t OptionType) *optionSpec {
	if int(t) < len(x.low) {
		return x.low[t]
	}
	return x.high[t]
}

// listed returns the row of an option that the RFC lists for messages of type t, otherwise nil.
func (x *optionTable) listed(t Type, o OptionType) *optionSpec {
	if s := x.find(o); s != nil && s.in.has(t) {
		return s
	}
	return nil
}

// String is the RFC's name of the option, or the number and what the registry (RFC 5533,
// section 17) says of it.
func (t OptionType) String() string {
	if s := knownOptions.find(t); s != nil {
		return s.name
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

// Lists reports whether the RFC lists the option for messages of type t. An option that is not
// listed is treated like one that is not known (RFC 5533, section 5.15).
func (t Type) Lists(o OptionType) bool { return knownOptions.listed(t, o) != nil }

// typeSet is a set of the 128 types of messages.
type typeSet [2]uint64

func types(list ...Type) (s typeSet) {
	for _, t := range list {
		s[t/64] |= 1 << (t % 64)
	}
	return s
}

func (s *typeSet) has(t Type) bool { return t < 128 && s[t/64]&(1<<(t%64)) != 0 }
