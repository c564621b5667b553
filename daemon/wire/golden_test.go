// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// goldens are messages drawn after the RFCs' pictures, without the tested code.
var goldens = []struct {
	name    string
	octets  string
	message Message
	shows   string
}{
	{"I1", `
		3b 01 01 00  // Next Header 59, Hdr Ext Len 1, P 0 and Type 1, Reserved1 and S
		22 f8 12 34  // Checksum, R 0 and the tag
		56 78 9a bc
		de ad be ef  // Initiator Nonce`,
		&I1{InitiatorContextTag: 0x123456789abc, InitiatorNonce: 0xdeadbeef},
		"5533-5-02 5533-5.1-01 5533-5.1-02 5533-5.3-01 5533-5.3-02 5533-5.3-03 5533-5.3-04 5533-5.3-06 " +
			"5533-5.3-07 5533-5.3-12 5533-5.4-01"},
	// All bits of the tag are 1, and the bit before it is 0.
	{"I1 with the greatest tag", `
		3b 01 01 00
		43 ff 7f ff
		ff ff ff ff
		00 00 00 00`,
		&I1{InitiatorContextTag: MaxContextTag}, "5533-4.1-01 5533-5.4-01"},
	{"I1 with ULIDs and FII", `
		3b 07 01 00
		62 e7 00 00
		00 00 00 01
		00 00 00 02
		00 0c 00 24  // Type 6, C 0, Length 36
		00 00 00 00  // Reserved2
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01  // Sender ULID
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01  // Receiver ULID
		00 0e 00 04  // Type 7, C 0, Length 4
		01 02 03 04`,
		&I1{InitiatorContextTag: 1, InitiatorNonce: 2, Options: Options{
			&ULIDPair{Sender: ulidA, Receiver: ulidB},
			&ForkedInstanceIdentifier{FII: 0x01020304},
		}},
		"5533-5.4-07 5533-5.15-01 5533-5.15-02 5533-5.15-13 5533-5.15-14 5533-5.15-16 5533-5.15.6-01 " +
			"5533-5.15.7-01"},
	{"R1", `
		3b 03 02 00
		70 41 00 00  // Reserved2
		11 12 13 14  // Initiator Nonce
		21 22 23 24  // Responder Nonce
		00 02 00 05  // Type 1, Length 5: 7 octets of padding
		a1 a2 a3 a4
		a5 00 00 00
		00 00 00 00`,
		&R1{InitiatorNonce: 0x11121314, ResponderNonce: 0x21222324, Options: Options{
			&ResponderValidator{Validator: []byte{0xa1, 0xa2, 0xa3, 0xa4, 0xa5}},
		}},
		"5533-5.3-13 5533-5.5-01 5533-5.5-07 5533-5.15-03 5533-5.15-04 5533-5.15-05 5533-5.15-08 " +
			"5533-5.15.1-01"},
	{"I2 with every option", `
		3b 1e 03 00
		6f 8d 12 34  // the tag
		56 78 9a bc
		11 12 13 14  // Initiator Nonce
		21 22 23 24  // Responder Nonce
		00 00 00 00  // Reserved2
		00 02 00 14  // Responder Validator, 20 octets and no padding
		00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13
		00 0c 00 24  // ULID Pair
		00 00 00 00
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01
		00 0e 00 04  // FII
		00 00 00 07
		00 04 00 3c  // Locator List, Length 60
		0a 0b 0c 0d  // Generation
		03 01 02 01  // Num Locators, and HBA, CGA, HBA
		00 00 00 00  // the inner padding
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a3 00 00 00 00 00 00 00 00 00 01
		00 06 00 0e  // Locator Preferences, Length 14
		0a 0b 0c 0d  // Generation
		03 01 05 32  // Element Len 3; BROKEN, Priority 5, Weight 50
		02 06 3c 00  // TRANSIENT, 6, 60; no flag
		07 46 00 00  // 7, 70; 6 octets of padding
		00 00 00 00
		00 08 00 1d  // CGA PDS, Length 29
		c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf
		d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 da db dc
		00 00 00 00 00 00 00  // padding
		00 0a 00 0c  // CGA Signature, Length 12
		51 52 53 54 55 56 57 58 59 5a 5b 5c
		00 14 00 04  // Keepalive Timeout
		00 00 01 2c  // Reserved, 300 s`,
		&I2{InitiatorContextTag: 0x123456789abc, InitiatorNonce: 0x11121314, ResponderNonce: 0x21222324, Options: Options{
			&ResponderValidator{Validator: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
			&ULIDPair{Sender: ulidA, Receiver: ulidB},
			&ForkedInstanceIdentifier{FII: 7},
			&LocatorList{Generation: 0x0a0b0c0d, Locators: []Locator{
				{ulidA, MethodHBA}, {locatorA, MethodCGA}, {locatorC, MethodHBA},
			}},
			&LocatorPreferences{Generation: 0x0a0b0c0d, ElementLen: 3, Elements: []Preference{
				{Flags: FlagBroken, Priority: 5, Weight: 50},
				{Flags: FlagTransient, Priority: 6, Weight: 60},
				{Priority: 7, Weight: 70},
			}},
			&CGAParameterDataStructure{PDS: []byte{
				0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf,
				0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc,
			}},
			&CGASignature{Signature: []byte("QRSTUVWXYZ[\\")},
			&KeepaliveTimeout{Seconds: 300},
		}},
		"5533-5.3-14 5533-5.6-01 5533-5.6-12 5533-5.15-01 5533-5.15-02 5533-5.15-03 5533-5.15-04 " +
			"5533-5.15-05 5533-5.15-08 5533-5.15-09 5533-5.15-10 5533-5.15-11 5533-5.15-12 5533-5.15-13 " +
			"5533-5.15-14 5533-5.15-15 5533-5.15-16 5533-5.15.1-01 5533-5.15.2-01 5533-5.15.2-02 " +
			"5533-5.15.2-07 5533-5.15.2-08 5533-5.15.2-10 5533-5.15.3-01 5533-5.15.3-05 5533-5.15.3-07 " +
			"5533-5.15.3-08 5533-5.15.4-01 5533-5.15.5-01 5533-5.15.6-01 5533-5.15.7-01 5533-5.15.8-01 " +
			"5534-5.3-01 5534-5.3-02 5534-5.3-08"},
	{"I2", `
		3b 02 03 00
		c1 f7 00 00
		00 00 00 01
		00 00 00 02
		00 00 00 03
		00 00 00 00`,
		&I2{InitiatorContextTag: 1, InitiatorNonce: 2, ResponderNonce: 3}, "5533-5.3-14 5533-5.6-01"},
	// The count and eight methods are one octet more than a row of eight: 7 octets of padding.
	{"R2 with eight locators", `
		3b 17 04 00
		3a 2d 00 00  // the tag
		00 00 00 04
		00 00 00 02  // Initiator Nonce
		00 04 00 94  // Locator List, Length 148
		00 00 00 01
		08 01 01 01 01 02 02 02  // 8, and 8 methods
		02 00 00 00 00 00 00 00
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a3 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b2 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a3 00 00 00 00 00 00 00 00 00 01
		00 06 00 0d  // Locator Preferences, Length 13
		00 00 00 01
		01 00 01 02  // Element Len 1, and 8 of Flags
		03 00 00 00
		00 00 00 00  // 7 octets of padding
		00 00 00 00`,
		&R2{ResponderContextTag: 4, InitiatorNonce: 2, Options: Options{
			&LocatorList{Generation: 1, Locators: []Locator{
				{ulidA, MethodHBA}, {locatorA, MethodHBA}, {locatorC, MethodHBA}, {ulidB, MethodHBA},
				{locatorB, MethodCGA}, {ulidA, MethodCGA}, {locatorA, MethodCGA}, {locatorC, MethodCGA},
			}},
			&LocatorPreferences{Generation: 1, ElementLen: 1, Elements: []Preference{
				{}, {Flags: FlagBroken}, {Flags: FlagTransient}, {Flags: FlagBroken | FlagTransient}, {}, {}, {}, {},
			}},
		}}, "5533-5.3-15 5533-5.7-01 5533-5.7-06 5533-5.15.2-01 5533-5.15.2-02 5533-5.15.3-03"},
	{"R1bis", `
		3b 03 05 00
		d2 09 12 34  // Packet Context Tag
		56 78 9a bc
		21 22 23 24  // Responder Nonce
		00 02 00 0c
		76 61 6c 69 64 61 74 6f 72 20 78 79`,
		&R1bis{PacketContextTag: 0x123456789abc, ResponderNonce: 0x21222324, Options: Options{
			&ResponderValidator{Validator: []byte("validator xy")},
		}}, "5533-5.3-16 5533-5.8-01 5533-5.8-06"},
	{"I2bis", `
		3b 05 06 00
		9f 3c 12 34  // Initiator Context Tag
		56 78 9a bc
		11 12 13 14  // Initiator Nonce
		21 22 23 24  // Responder Nonce
		00 00 00 00  // Reserved2 of 49 bits
		00 00 7e dc  // and then the Packet Context Tag
		ba 98 76 54
		00 02 00 04  // Responder Validator
		01 02 03 04
		00 0e 00 04  // FII
		00 00 00 01`,
		&I2bis{InitiatorContextTag: 0x123456789abc, InitiatorNonce: 0x11121314, ResponderNonce: 0x21222324,
			PacketContextTag: 0x7edcba987654, Options: Options{
				&ResponderValidator{Validator: []byte{1, 2, 3, 4}},
				&ForkedInstanceIdentifier{FII: 1},
			}}, "5533-5.3-17 5533-5.9-01 5533-5.9-09"},
	{"Update Request", `
		3b 0b 40 00
		97 f5 12 34  // Receiver Context Tag
		56 78 9a bc
		31 32 33 34  // Request Nonce
		00 04 00 2c  // Locator List, Length 44
		ff ff ff ff
		02 02 02 00
		00 00 00 00
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		00 06 00 09  // Locator Preferences, Length 9
		ff ff ff ff
		02 00 0a 01  // Element Len 2; no flag, Priority 10; BROKEN
		14 00 00 00  // Priority 20; padding
		00 0a 00 04  // CGA Signature
		01 02 03 04
		00 14 00 04  // Keepalive Timeout
		00 00 00 0a`,
		&UpdateRequest{ReceiverContextTag: 0x123456789abc, RequestNonce: 0x31323334, Options: Options{
			&LocatorList{Generation: 0xffffffff, Locators: []Locator{{ulidA, MethodCGA}, {locatorA, MethodCGA}}},
			&LocatorPreferences{Generation: 0xffffffff, ElementLen: 2, Elements: []Preference{
				{Priority: 10}, {Flags: FlagBroken, Priority: 20},
			}},
			&CGASignature{Signature: []byte{1, 2, 3, 4}},
			&KeepaliveTimeout{Seconds: 10},
		}}, "5533-5.3-18 5533-5.10-01 5533-5.10-08 5533-5.15.3-04 5534-5.3-01"},
	// Elements of more than three octets begin like elements of three.
	{"Update Request with long elements", `
		3b 04 40 00
		8f e2 00 00
		00 00 00 04
		00 00 00 08
		00 06 00 0f  // Locator Preferences, Length 15
		00 00 00 09
		05 01 02 03  // Element Len 5; BROKEN, 2, 3
		f1 f2 02 04  //   what is not known; TRANSIENT, 4
		05 f3 f4 00  //   5, what is not known; padding
		00 00 00 00`,
		&UpdateRequest{ReceiverContextTag: 4, RequestNonce: 8, Options: Options{
			&LocatorPreferences{Generation: 9, ElementLen: 5, Elements: []Preference{
				{Flags: FlagBroken, Priority: 2, Weight: 3, Rest: []byte{0xf1, 0xf2}},
				{Flags: FlagTransient, Priority: 4, Weight: 5, Rest: []byte{0xf3, 0xf4}},
			}},
		}}, "5533-5.15.3-01 5533-5.15.3-06"},
	{"Update Acknowledgement", `
		3b 01 41 00
		1c 2f 12 34
		56 78 9a bc
		31 32 33 34`,
		&UpdateAcknowledgement{ReceiverContextTag: 0x123456789abc, RequestNonce: 0x31323334}, "5533-5.3-19 5533-5.11-01"},
	{"Keepalive", `
		3b 01 42 00
		7f 95 12 34
		56 78 9a bc
		00 00 00 00  // Reserved2`,
		&Keepalive{ReceiverContextTag: 0x123456789abc}, "5533-5.3-20 5533-5.12-01 5534-5.1-01 5534-5.1-02"},
	{"Probe with reports of both kinds", `
		3b 10 43 00
		7d ce 12 34
		56 78 9a bc
		12 80 00 00  // Precvd 1, Psent 2; Sta 2, Reserved2
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01  // First probe sent
		20 01 0d b8 00 b2 00 00 00 00 00 00 00 00 00 01
		41 42 43 44  // Nonce
		51 52 53 54  // Data
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01  // Second probe sent
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01
		61 62 63 64
		00 00 00 00
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01  // First probe received
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		71 72 73 74
		81 82 83 84`,
		&Probe{ReceiverContextTag: 0x123456789abc, State: ProbeInboundOk,
			Sent: []ProbeReport{
				{Source: locatorA, Destination: locatorB, Nonce: 0x41424344, Data: 0x51525354},
				{Source: ulidA, Destination: ulidB, Nonce: 0x61626364},
			},
			Received: []ProbeReport{{Source: ulidB, Destination: locatorA, Nonce: 0x71727374, Data: 0x81828384}}},
		"5533-5.3-21 5533-5.13-01 5534-5.2-01 5534-5.2-02 5534-5.2-03 5534-5.2-04 5534-5.2-05 5534-5.2-06 " +
			"5534-5.2-16 5534-5.2-21"},
	{"Probe that explores", `
		3b 06 43 00
		23 e6 00 00
		00 00 00 04
		01 40 00 00  // Precvd 0, Psent 1; Sta 1
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01
		00 00 00 09
		00 00 00 00`,
		&Probe{ReceiverContextTag: 4, State: ProbeExploring, Sent: []ProbeReport{{Source: ulidA, Destination: ulidB, Nonce: 9}}}, "5533-5.3-21 5534-5.2-02 5534-5.2-05 5534-5.2-15"},
	// Options come after the reports.
	{"Probe that is operational, with an option", `
		3b 07 43 00
		b6 22 00 00
		00 00 00 04
		01 00 00 00  // Sta 0
		20 01 0d b8 00 a1 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b1 00 00 00 00 00 00 00 00 00 01
		00 00 00 09
		00 00 00 00
		80 00 00 01  // Type 16384, Length 1
		ee 00 00 00`,
		&Probe{ReceiverContextTag: 4, State: ProbeOperational,
			Sent:    []ProbeReport{{Source: ulidA, Destination: ulidB, Nonce: 9}},
			Options: Options{&UnknownOption{OptionType: 16384, Contents: []byte{0xee}}}}, "5534-5.2-03 5534-5.2-14"},
	{"Error", `
		3b 02 44 06  // Error Code 3, then S
		66 04 00 48  // Pointer 72
		60 00 00 00 00 10 8c 40
		20 01 0d b8 00 a1 00 00`,
		&ErrorMessage{Code: CodeGeneration, Pointer: 72, PacketInError: []byte{
			0x60, 0, 0, 0, 0, 0x10, 0x8c, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0, 0xa1, 0, 0}}, "5533-5.3-22 5533-5.14-01 5533-5.14-09"},
	{"Error for debugging", `
		3b 01 44 fe  // Error Code 127
		6f ec ff ff
		01 02 03 04 05 06 07 08`,
		&ErrorMessage{Code: 127, Pointer: 0xffff, PacketInError: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, "5533-5.14-01 5533-5.14-11"},
	{"Keepalive with options that are not known", `
		3b 04 42 00
		79 cc 00 00
		00 00 00 04
		00 00 00 00
		00 12 00 00  // Type 9, Length 0
		00 00 00 00
		00 0e 00 05  // Type 7, which no Keepalive has, and not of its Length
		01 02 03 04 05 00 00 00
		00 00 00 00`,
		&Keepalive{ReceiverContextTag: 4, Options: Options{
			&UnknownOption{OptionType: 9},
			&UnknownOption{OptionType: 7, Contents: []byte{1, 2, 3, 4, 5}},
		}}, "5533-12.3-05 5533-5.15-17 5534-5.1-04"},
}

func TestGoldens(t *testing.T) {
	shows.IDs(t, "5533-5.3-08")
	for _, test := range goldens {
		t.Run(test.name, func(t *testing.T) {
			shows.IDs(t, test.shows)
			b := octets(t, test.octets)
			if s := slowSum(b); s != 0 {
				t.Errorf("the drawing's own checksum is wrong by %#x", s)
			}
			got, err := Append(nil, test.message)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rows(b), rows(got)); d != "" {
				t.Errorf("appended: -want +got\n%s", d)
			}
			m := mustDecode(t, b)
			if d := cmp.Diff(test.message, m, same); d != "" {
				t.Errorf("decoded: -want +got\n%s", d)
			}
			if _, r := m.parts(); *r != nil {
				t.Errorf("a residue: %+v", *r)
			}
		})
	}
}

// rows splits octets so that a difference can be read.
func rows(b []byte) (r [][]byte) {
	for ; len(b) > 8; b = b[8:] {
		r = append(r, b[:8])
	}
	return append(r, b)
}

// A decoded message shares no memory with its octets.
func TestDecodeCopies(t *testing.T) {
	for _, test := range goldens {
		b := octets(t, test.octets)
		m := mustDecode(t, b)
		for i := range b {
			b[i] ^= 0xff
		}
		if d := cmp.Diff(test.message, m, same); d != "" {
			t.Errorf("%s: -want +got\n%s", test.name, d)
		}
	}
}

// Append appends to the octets that are there.
func TestAppendAppends(t *testing.T) {
	for _, test := range goldens {
		head := []byte("before")
		b, err := Append(head, test.message)
		if err != nil {
			t.Fatal(err)
		}
		if want := append(bytes.Clone(head), octets(t, test.octets)...); !bytes.Equal(b, want) {
			t.Errorf("%s: got % x, want % x", test.name, b, want)
		}
	}
}
