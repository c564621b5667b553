// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	ulidA    = netip.MustParseAddr("2001:db8:a1::1")
	ulidB    = netip.MustParseAddr("2001:db8:b1::1")
	locatorA = netip.MustParseAddr("2001:db8:a2::1")
	locatorB = netip.MustParseAddr("2001:db8:b2::1")
	locatorC = netip.MustParseAddr("2001:db8:a3::1")
)

// same compares the fields of messages, and not the residue.
var same = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.IgnoreTypes((*Residue)(nil)),
	cmpopts.EquateEmpty(),
}

// octets reads hexadecimal digits. It ignores white space, and everything after // in a line.
func octets(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "//")
		for _, f := range strings.Fields(line) {
			digits.WriteString(f)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// slowSum is the checksum as RFC 5533, section 5.3, describes it: it adds a 16-bit word at a time,
// and each carry at once.
func slowSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return ^uint16(sum)
}

// seal returns a copy of b with the right length and checksum. b has a multiple of 8 octets.
func seal(b []byte) []byte {
	b = bytes.Clone(b)
	b[1] = byte(len(b)/8 - 1)
	b[4], b[5] = 0, 0
	s := slowSum(b)
	b[4], b[5] = byte(s>>8), byte(s)
	return b
}

// with returns a copy of b in which o replaces the octets from at on.
func with(b []byte, at int, o ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], o)
	return b
}

func mustAppend(t testing.TB, m Message) []byte {
	t.Helper()
	b, err := AppendMax(nil, m, MaxHeaderLen)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustDecode(t testing.TB, b []byte) Message {
	t.Helper()
	m, err := Decode(b)
	if err != nil {
		t.Fatalf("%v\n% x", err, b)
	}
	return m
}

// wrong decodes b, which must be an error, and returns the error.
func wrong(t testing.TB, b []byte) *ProtocolError {
	t.Helper()
	m, err := Decode(b)
	var e *ProtocolError
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, message is %+v\n% x", err, m, b)
	}
	if m != nil {
		t.Errorf("a message beside the error: %+v", m)
	}
	return e
}

// bare returns a message of each type with the fewest octets.
func bare() []Message {
	return []Message{
		&I1{InitiatorContextTag: 1, InitiatorNonce: 2},
		&R1{InitiatorNonce: 2, ResponderNonce: 3},
		&I2{InitiatorContextTag: 1, InitiatorNonce: 2, ResponderNonce: 3},
		&R2{ResponderContextTag: 4, InitiatorNonce: 2},
		&R1bis{PacketContextTag: 5, ResponderNonce: 6},
		&I2bis{InitiatorContextTag: 1, InitiatorNonce: 7, ResponderNonce: 6, PacketContextTag: 5},
		&UpdateRequest{ReceiverContextTag: 4, RequestNonce: 8},
		&UpdateAcknowledgement{ReceiverContextTag: 1, RequestNonce: 8},
		&Keepalive{ReceiverContextTag: 4},
		&Probe{ReceiverContextTag: 4, State: ProbeExploring, Sent: []ProbeReport{{Source: ulidA, Destination: ulidB, Nonce: 9}}},
		&ErrorMessage{Code: CodeCriticalOption, Pointer: 64, PacketInError: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
	}
}

// everyOption returns one of each option that is known.
func everyOption() Options {
	return Options{
		&ResponderValidator{Validator: []byte("validator of twenty!")},
		&ULIDPair{Sender: ulidA, Receiver: ulidB},
		&ForkedInstanceIdentifier{FII: 7},
		&LocatorList{Generation: 0x01020304, Locators: []Locator{
			{Address: ulidA, Method: MethodHBA}, {Address: locatorA, Method: MethodCGA}, {Address: locatorC, Method: MethodHBA},
		}},
		&LocatorPreferences{Generation: 0x01020304, ElementLen: 3, Elements: []Preference{
			{Flags: FlagBroken, Priority: 1, Weight: 10}, {Priority: 2, Weight: 20}, {Flags: FlagTransient, Priority: 3, Weight: 30},
		}},
		&CGAParameterDataStructure{PDS: bytes.Repeat([]byte{0xca}, 187)},
		&CGASignature{Signature: bytes.Repeat([]byte{0x5c}, 128)},
		&KeepaliveTimeout{Seconds: 10},
	}
}

// everyMessage returns the bare messages, and then each with all the options that are listed for
// it.
func everyMessage() []Message {
	all := bare()
	for _, m := range bare() {
		options, _ := m.parts()
		if options == nil {
			continue
		}
		for _, o := range everyOption() {
			if m.Type().Lists(o.Type()) {
				*options = append(*options, o)
			}
		}
		*options = append(*options, &UnknownOption{OptionType: 9, Contents: []byte{1, 2, 3}})
		all = append(all, m)
	}
	return all
}
