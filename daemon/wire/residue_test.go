// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// reservedBits are drawn after the RFCs' pictures: by the octet, the bits of the fixed part that
// mean nothing.
var reservedBits = []struct {
	kind  Type
	bits  map[int]byte
	shows string
}{
	{TypeI1, map[int]byte{3: 0xfe, 6: 0x80}, "5533-5.4-03"},
	{TypeR1, map[int]byte{3: 0xfe, 6: 0xff, 7: 0xff}, "5533-5.5-03"},
	{TypeI2, map[int]byte{3: 0xfe, 6: 0x80, 20: 0xff, 21: 0xff, 22: 0xff, 23: 0xff}, "5533-5.6-03"},
	{TypeR2, map[int]byte{3: 0xfe, 6: 0x80}, "5533-5.7-03"},
	{TypeR1bis, map[int]byte{3: 0xfe, 6: 0x80}, "5533-5.8-03"},
	{TypeI2bis, map[int]byte{3: 0xfe, 6: 0x80, 20: 0xff, 21: 0xff, 22: 0xff, 23: 0xff, 24: 0xff, 25: 0xff, 26: 0x80}, "5533-5.9-03"},
	{TypeUpdateRequest, map[int]byte{3: 0xfe, 6: 0x80}, "5533-5.10-03"},
	{TypeUpdateAcknowledgement, map[int]byte{3: 0xfe, 6: 0x80}, "5533-5.11-03"},
	{TypeKeepalive, map[int]byte{3: 0xfe, 6: 0x80, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}, "5534-5.1-03"},
	{TypeProbe, map[int]byte{3: 0xfe, 6: 0x80, 13: 0x3f, 14: 0xff, 15: 0xff}, "5534-5.2-07 5534-5.2-08"},
	{TypeError, nil, ""},
}

// Each reserved bit is sent as 0 and ignored when it is 1. A decoded message is appended with the
// same bit.
func TestReservedBits(t *testing.T) {
	for i, m := range bare() {
		test := reservedBits[i]
		shows.IDs(t, test.shows)
		if m.Type() != test.kind {
			t.Fatalf("%s is drawn in the place of %s", test.kind, m.Type())
		}
		b := mustAppend(t, m)
		for at := range b {
			for bit := byte(1); bit != 0; bit <<= 1 {
				if test.bits[at]&bit == 0 {
					continue
				}
				if b[at]&bit != 0 {
					t.Errorf("%s: bit %#02x of octet %d is sent as 1", m.Type(), bit, at)
				}
				c := seal(with(b, at, b[at]|bit))
				got := mustDecode(t, c)
				if d := cmp.Diff(m, got, same); d != "" {
					t.Errorf("%s: bit %#02x of octet %d means something:\n%s", m.Type(), bit, at, d)
				}
				if again := mustAppend(t, got); !bytes.Equal(again, c) {
					t.Errorf("%s: bit %#02x of octet %d:\n got % x\nwant % x", m.Type(), bit, at, again, c)
				}
			}
		}
	}
}

// Each other bit of the fixed part means something, so together with the reserved bits the pictures
// are complete.
func TestBitsThatMean(t *testing.T) {
	for i, m := range bare() {
		b := mustAppend(t, m)
		for at := 6; at < len(b); at++ {
			for bit := byte(1); bit != 0; bit <<= 1 {
				if reservedBits[i].bits[at]&bit != 0 {
					continue
				}
				got, err := Decode(seal(with(b, at, b[at]^bit)))
				if err == nil && cmp.Equal(m, got, same) {
					t.Errorf("%s: bit %#02x of octet %d means nothing", m.Type(), bit, at)
				}
			}
		}
	}
}

// Decode takes any Next Header, and Append writes the same one again.
func TestNextHeader(t *testing.T) {
	shows.IDs(t, "5533-5.3-23")
	for _, m := range bare() {
		for next := range 256 {
			b := seal(with(mustAppend(t, m), 0, byte(next)))
			got := mustDecode(t, append(b, "payload"...))
			if d := cmp.Diff(m, got, same); d != "" {
				t.Fatal(d)
			}
			if again := mustAppend(t, got); !bytes.Equal(again, b) {
				t.Errorf("%s, Next Header %d: % x, want % x", m.Type(), next, again, b)
			}
		}
	}
}

// Bits that a receiver ignores in options.
func TestOptionResidue(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   Type
		dirty  string // the option as received
		clean  string // as it is in a new message
		option Option
		shows  string
	}{
		{"padding of a validator", TypeR1, "0002 0001 aa 010203", "0002 0001 aa 000000",
			&ResponderValidator{Validator: []byte{0xaa}}, "5533-5.15-05 5533-5.15-06"},
		{"7 octets of padding", TypeUpdateRequest, "000a 0005 0102030405 f1f2f3f4f5f6f7", "000a 0005 0102030405 00000000000000",
			&CGASignature{Signature: []byte{1, 2, 3, 4, 5}}, "5533-5.15-05 5533-5.15-06"},
		{"padding of no contents", TypeR2, "0008 0000 f1f2f3f4", "0008 0000 00000000",
			&CGAParameterDataStructure{}, ""},
		{"padding of an option that is not known", TypeUpdateAcknowledgement, "0012 0003 010203 ff", "0012 0003 010203 00",
			&UnknownOption{OptionType: 9, Contents: []byte{1, 2, 3}}, "5533-5.15-06"},
		{"padding of preferences", TypeR2, "0006 0006 00000009 01 02 ffff ffffffff", "0006 0006 00000009 01 02 0000 00000000",
			&LocatorPreferences{Generation: 9, ElementLen: 1, Elements: []Preference{{Flags: FlagTransient}}}, "5533-5.15-06"},
		{"the inner padding of a list", TypeR2, "0004 001c 00000009 01 02 f1f2f3f4f5f6 20010db800a100000000000000000001",
			"0004 001c 00000009 01 02 000000000000 20010db800a100000000000000000001",
			&LocatorList{Generation: 9, Locators: []Locator{{ulidA, MethodCGA}}}, "5533-5.15.2-01 5533-5.15-06"},
		{"the inner padding of an empty list", TypeR2, "0004 000c 00000009 00 f1f2f3f4f5f6f7", "0004 000c 00000009 00 00000000000000",
			&LocatorList{Generation: 9}, ""},
		{"Reserved2 of a ULID Pair", TypeI1, "000c 0024 ffffffff 20010db800a100000000000000000001 20010db800b100000000000000000001",
			"000c 0024 00000000 20010db800a100000000000000000001 20010db800b100000000000000000001",
			&ULIDPair{Sender: ulidA, Receiver: ulidB}, "5533-5.15.6-02"},
		{"Reserved of a Keepalive Timeout", TypeR2, "0014 0004 ffff 000f", "0014 0004 0000 000f",
			&KeepaliveTimeout{Seconds: 15}, "5534-5.3-03"},
		// A known option may be critical; the RFC's own are sent with C=0.
		{"C of an option that is known", TypeI1, "000f 0004 00000007", "000e 0004 00000007",
			&ForkedInstanceIdentifier{FII: 7}, "5533-5.15-16"},
	} {
		t.Run(test.name, func(t *testing.T) {
			shows.IDs(t, test.shows)
			dirty, clean := fixed16(t, test.kind, test.dirty), fixed16(t, test.kind, test.clean)
			m := mustDecode(t, dirty)
			options, residue := m.parts()
			if d := cmp.Diff(Options{test.option}, *options, same); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if got := mustAppend(t, m); !bytes.Equal(got, dirty) {
				t.Errorf("appended again:\n got % x\nwant % x", got, dirty)
			}
			// In a new message the option has no residue; so it is with a validator that is
			// returned.
			n := layoutOf(test.kind).new()
			n.decodeFixed(clean)
			fresh, _ := n.parts()
			*fresh = *options
			if got := mustAppend(t, n); !bytes.Equal(got, clean) {
				t.Errorf("in a new message:\n got % x\nwant % x", got, clean)
			}
			// The same is true after the residue is removed.
			*residue = nil
			if got := mustAppend(t, m); !bytes.Equal(got, clean) {
				t.Errorf("without the residue:\n got % x\nwant % x", got, clean)
			}
		})
	}
}

// A decoded message may be changed: the residue that is left does not make it invalid.
func TestResidueOfWhatChanged(t *testing.T) {
	list := "0004 001c 00000009 01 02 f1f2f3f4f5f6 20010db800a100000000000000000001"
	pds := "0008 0001 aa ffffff"
	b := fixed16(t, TypeR2, list+pds)
	m := mustDecode(t, b).(*R2)
	l := m.Options.LocatorList()
	l.Locators = append(l.Locators, Locator{locatorA, MethodHBA})
	m.Options.CGAParameterDataStructure().PDS = []byte{1, 2, 3, 4, 5, 6, 7, 8}
	got := mustDecode(t, mustAppend(t, m)).(*R2)
	want := &R2{ResponderContextTag: 4, InitiatorNonce: 2, Options: Options{
		&LocatorList{Generation: 9, Locators: []Locator{{ulidA, MethodCGA}, {locatorA, MethodHBA}}},
		&CGAParameterDataStructure{PDS: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
	}}
	if d := cmp.Diff(want, got, same); d != "" {
		t.Error(d)
	}
	if got.Residue != nil {
		t.Errorf("a residue: %+v", got.Residue)
	}

	// An option that moves to another place gets nothing of the residue of that place.
	m = mustDecode(t, b).(*R2)
	m.Options = m.Options[1:]
	if got, want := mustAppend(t, m), fixed16(t, TypeR2, "0008 0001 aa 000000"); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}

	// The residue of a message of another type changes no field.
	r1 := mustDecode(t, seal(with(mustAppend(t, &R1{}), 6, 0xff, 0xff))).(*R1)
	i1 := &I1{InitiatorContextTag: 1, Residue: r1.Residue}
	if d := cmp.Diff(i1, mustDecode(t, mustAppend(t, i1)), same); d != "" {
		t.Error(d)
	}
	i2 := mustDecode(t, seal(with(mustAppend(t, &I2{}), 20, 1, 2, 3, 4))).(*I2)
	ack := &UpdateAcknowledgement{ReceiverContextTag: 1, RequestNonce: 2, Residue: i2.Residue}
	if d := cmp.Diff(ack, mustDecode(t, mustAppend(t, ack)), same); d != "" {
		t.Error(d)
	}
}
