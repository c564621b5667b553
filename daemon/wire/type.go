// SPDX-License-Identifier: BSD-3-Clause

package wire

import "fmt"

const (
	// Protocol is the IP protocol number of Shim6 (RFC 5533, section 5).
	Protocol = 140
	// NoNextHeader is the Next Header of control messages (RFC 8200,
	// section 4.7).
	NoNextHeader = 59
)

// Type is the 7-bit type of a control message (RFC 5533, section 5.3).
type Type uint8

// The types of RFC 5533, table 1.
const (
	TypeI1                    Type = 1
	TypeR1                    Type = 2
	TypeI2                    Type = 3
	TypeR2                    Type = 4
	TypeR1bis                 Type = 5
	TypeI2bis                 Type = 6
	TypeUpdateRequest         Type = 64
	TypeUpdateAcknowledgement Type = 65
	TypeKeepalive             Type = 66
	TypeProbe                 Type = 67
	TypeError                 Type = 68
)

// layout is all that Decode and Append have to know of one type of message.
type layout struct {
	name string // the RFC's
	new  func() Message
	// fixed is the least number of octets before the options, including the header. It is a
	// multiple of 8.
	fixed int
	// reserved are the bits of the fixed part that mean nothing.
	reserved []octet
}

// octet is a set of bits of one octet of a message.
type octet struct {
	at   int
	bits byte
}

// layouts has a row for every type that is known. The options of the messages are in optionSpecs.
var layouts = [...]layout{
	TypeI1: {
		name: "I1", new: func() Message { return new(I1) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}},
	},
	TypeR1: {
		name: "R1", new: func() Message { return new(R1) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0xff}, {7, 0xff}},
	},
	TypeI2: {
		name: "I2", new: func() Message { return new(I2) }, fixed: 24,
		reserved: []octet{{3, 0xfe}, {6, 0x80}, {20, 0xff}, {21, 0xff}, {22, 0xff}, {23, 0xff}},
	},
	TypeR2: {
		name: "R2", new: func() Message { return new(R2) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}},
	},
	TypeR1bis: {
		name: "R1bis", new: func() Message { return new(R1bis) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}},
	},
	TypeI2bis: {
		name: "I2bis", new: func() Message { return new(I2bis) }, fixed: 32,
		// 49 bits: the tag begins in the second bit of octet 26.
		reserved: []octet{{3, 0xfe}, {6, 0x80},
			{20, 0xff}, {21, 0xff}, {22, 0xff}, {23, 0xff}, {24, 0xff}, {25, 0xff}, {26, 0x80}},
	},
	TypeUpdateRequest: {
		name: "Update Request", new: func() Message { return new(UpdateRequest) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}},
	},
	TypeUpdateAcknowledgement: {
		name: "Update Acknowledgement", new: func() Message { return new(UpdateAcknowledgement) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}},
	},
	TypeKeepalive: {
		name: "Keepalive", new: func() Message { return new(Keepalive) }, fixed: 16,
		reserved: []octet{{3, 0xfe}, {6, 0x80}, {12, 0xff}, {13, 0xff}, {14, 0xff}, {15, 0xff}},
	},
	TypeProbe: {
		name: "Probe", new: func() Message { return new(Probe) }, fixed: 16 + reportLen,
		reserved: []octet{{3, 0xfe}, {6, 0x80}, {13, 0x3f}, {14, 0xff}, {15, 0xff}},
	},
	TypeError: {
		name: "Error", new: func() Message { return new(ErrorMessage) }, fixed: 16,
	},
}

// layoutOf returns the layout of t, nil if the type is not known.
func layoutOf(t Type) *layout {
	if int(t) >= len(layouts) || layouts[t].name == "" {
		return nil
	}
	return &layouts[t]
}

// String is the RFC's name of the message, or the number and what the registry
// (RFC 5533, section 17) says of it.
func (t Type) String() string {
	if l := layoutOf(t); l != nil {
		return l.name
	}
	return fmt.Sprintf("%s message type %d", t.class(), uint8(t))
}

// class is the registry's word for a type without a name.
func (t Type) class() string {
	switch {
	case t == 0:
		return "reserved"
	case t >= 60 && t <= 63, t >= 124 && t <= 127:
		return "experimental"
	case t > 127:
		return "impossible"
	}
	return "unassigned"
}
