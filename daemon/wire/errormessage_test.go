// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// In the Error message for a critical option, the packet in error begins with its IPv6 header, and
// the pointer counts from there.
func TestNewErrorMessage(t *testing.T) {
	shows.IDs(t, "5533-5-01 5533-5.14-01 5533-5.14-03 5533-5.14-07 5533-5.14-13")
	message := fixed16(t, TypeKeepalive, "0012 0000 00000000 0013 0004 01020304")
	m, ok := NewErrorMessage(wrong(t, message), locatorA, locatorB, message)
	if !ok {
		t.Fatal("there is none")
	}
	b, err := Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	want := octets(t, `
		3b 09 44 02  // Error Code 1
		00 00 00 40  // Checksum, written below; Pointer 64 = 40 + 24
		60 00 00 00 00 20 8c 00  // IPv6: 32 octets of protocol 140
		20 01 0d b8 00 a2 00 00 00 00 00 00 00 00 00 01
		20 01 0d b8 00 b2 00 00 00 00 00 00 00 00 00 01
		3b 03 42 00 79 88 00 00 00 00 04 00 00 00 00 02
		00 12 00 00 00 00 00 00
		00 13 00 04 01 02 03 04`)
	want = seal(with(want, 48, message...))
	if d := cmp.Diff(rows(want), rows(b)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	got := mustDecode(t, b).(*ErrorMessage)
	about, err := got.Invoking()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Invoking{Source: locatorA, Destination: locatorB, Header: message, Pointer: 24}, about, same); d != "" {
		t.Error(d)
	}
	if got.PacketInError[got.Pointer] != 0 || got.PacketInError[got.Pointer+1] != 0x13 {
		t.Errorf("at the pointer is % x", got.PacketInError[got.Pointer:])
	}
}

// Some errors get an answer, others do not.
func TestErrorMessageDue(t *testing.T) {
	shows.IDs(t, "5533-5.14-06")
	i1 := mustAppend(t, &I1{})
	answer := mustAppend(t, &ErrorMessage{PacketInError: make([]byte, 8)})
	for _, test := range []struct {
		name       string
		message    []byte
		due, debug bool
	}{
		{"unknown type", seal(with(i1, 2, 99)), true, true},
		{"checksum", with(i1, 5, i1[5]+1), false, true},
		{"length", i1[:8], false, true},
		{"an Error message with a wrong checksum", with(answer, 7, 1), false, false},
		{"an Error message cut short", answer[:8], false, false},
	} {
		e := wrong(t, test.message)
		m, ok := NewErrorMessage(e, ulidA, ulidB, test.message)
		if ok != test.due || (m != nil) != ok {
			t.Errorf("%s: %t, %+v", test.name, ok, m)
		}
		m, ok = NewDebugErrorMessage(e, ulidA, ulidB, test.message)
		if ok != test.debug || (m != nil) != ok {
			t.Errorf("%s, debugging: %t, %+v", test.name, ok, m)
		}
		if ok && (m.Code != e.Code || int(m.Pointer) != 40+e.Pointer) {
			t.Errorf("%s: %+v for %v", test.name, m, e)
		}
	}
	// No Error message is about an Error message, even if the cause does not know its type.
	if m, ok := NewErrorMessage(&ProtocolError{Code: CodeVerification}, ulidA, ulidB, answer); ok {
		t.Errorf("an answer to an Error message: %+v", m)
	}
	if m, ok := NewDebugErrorMessage(&ProtocolError{Type: TypeError}, ulidA, ulidB, nil); ok {
		t.Errorf("an answer to an Error message: %+v", m)
	}
	// None goes to or from an address that is multicast or unspecified.
	shows.IDs(t, "5533-12.3-03")
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0"),
		netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("ff0e::1")} {
		if m, ok := NewDebugErrorMessage(&ProtocolError{Code: CodeDebugValue}, a, ulidB, i1); ok {
			t.Errorf("from %s, debugging: %+v", a, m)
		}
		if m, ok := NewDebugErrorMessage(&ProtocolError{Code: CodeDebugValue}, ulidA, a, i1); ok {
			t.Errorf("to %s, debugging: %+v", a, m)
		}
		if m, ok := NewErrorMessage(&ProtocolError{}, a, ulidB, i1); ok {
			t.Errorf("from %s: %+v", a, m)
		}
		if m, ok := NewErrorMessage(&ProtocolError{}, ulidA, a, i1); ok {
			t.Errorf("to %s: %+v", a, m)
		}
	}
}

// The packet in error is cut to what fits into 1280 octets with the IPv6 header, in a multiple of
// 8.
func TestPacketInErrorIsCut(t *testing.T) {
	shows.IDs(t, "5533-5.14-04 5533-5.14-14 5533-5.1-04")
	packet := make([]byte, 3000)
	for i := range packet {
		packet[i] = byte(i)
	}
	for n := 8; n < len(packet); n++ {
		b, err := Append(nil, &ErrorMessage{PacketInError: packet[:n]})
		if err != nil {
			t.Fatal(err)
		}
		want := min(n/8*8, 1280-40-8)
		if len(b) != 8+want || int(b[1]) != len(b)/8-1 || !bytes.Equal(b[8:], packet[:want]) {
			t.Fatalf("of %d octets %d are sent, want %d", n, len(b)-8, want)
		}
		mustDecode(t, b)
	}
	for n := range 8 {
		if b, err := Append(nil, &ErrorMessage{PacketInError: packet[:n]}); err == nil {
			t.Errorf("%d octets of a packet in error: % x", n, b)
		}
	}
	if b, err := AppendMax(nil, &ErrorMessage{PacketInError: packet}, 100); err != nil || len(b) != 96 {
		t.Errorf("%d octets where 100 are allowed: %v", len(b), err)
	}
	if b, err := AppendMax(nil, &ErrorMessage{PacketInError: packet}, 15); err == nil {
		t.Errorf("%d octets where 15 are allowed", len(b))
	}
}

// All codes, and the least and greatest pointer, are encoded and decoded.
func TestErrorCodes(t *testing.T) {
	shows.IDs(t, "5533-5.14-01 5533-5.14-11")
	for code := range ErrorCode(128) {
		m := &ErrorMessage{Code: code, Pointer: uint16(code) << 8, PacketInError: []byte{1, 2, 3, 4, 5, 6, 7, 8}}
		b := mustAppend(t, m)
		if b[3] != byte(code*2) {
			t.Errorf("code %d is written as %#x", code, b[3])
		}
		if d := cmp.Diff(m, mustDecode(t, b), same); d != "" {
			t.Error(d)
		}
	}
	if b, err := Append(nil, &ErrorMessage{Code: 128, PacketInError: make([]byte, 8)}); err == nil {
		t.Errorf("code 128: % x", b)
	}
}

// Invoking finds the Shim6 header in a packet in error.
func TestInvoking(t *testing.T) {
	ip := func(next string, rest string) []byte {
		return octets(t, "60000000 0010"+next+"40 20010db800a100000000000000000001 20010db800b100000000000000000001"+rest)
	}
	for _, test := range []struct {
		name    string
		packet  []byte
		header  string
		pointer int // of an Error message with 42
		err     string
	}{
		{"directly", ip("8c", "3b01420000000000"), "3b01420000000000", 2, ""},
		{"a payload header", ip("8c", "0600800000000001 abcd"), "0600800000000001 abcd", 2, ""},
		{"after hop-by-hop options", ip("00", "8c00010400000000 3b01420000000000"), "3b01420000000000", -6, ""},
		{"after three headers", ip("00", "3c00010400000000 2b00010400000000 8c01000000000000 0000000000000000 3b01"), "3b01", -30, ""},
		{"none of it", ip("8c", ""), "", 2, ""},
		{"another protocol", ip("06", "3b01420000000000"), "", 0, "protocol 6"},
		{"a fragment", ip("2c", "8c00000000000000"), "", 0, "protocol 44"},
		{"another protocol after options", ip("00", "1100010400000000"), "", 0, "protocol 17"},
		{"cut in the IPv6 header", ip("8c", "")[:39], "", 0, "IPv6 header"},
		{"cut in the options", ip("00", "8c"), "", 0, "octet 41"},
		{"cut after the length of the options", ip("00", "8c01000000000000"), "", 0, "octet 48"},
		{"cut before the options", ip("00", ""), "", 0, "octet 40"},
		{"IPv4", with(ip("8c", "3b01420000000000"), 0, 0x45), "", 0, "IPv6 header"},
		{"no packet", nil, "", 0, "IPv6 header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := (&ErrorMessage{Pointer: 42, PacketInError: test.packet}).Invoking()
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := Invoking{Source: ulidA, Destination: ulidB, Header: octets(t, test.header), Pointer: test.pointer}
			if d := cmp.Diff(want, got, same); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// The errors that are found with a context have the pointers of RFC 5533.
func TestVerdicts(t *testing.T) {
	list := &LocatorList{Generation: 1, Locators: []Locator{{ulidA, MethodHBA}, {locatorA, MethodCGA}}}
	preferences := &LocatorPreferences{Generation: 2, ElementLen: 1, Elements: make([]Preference, 3)}
	m := &UpdateRequest{Options: Options{&UnknownOption{OptionType: 9, Contents: make([]byte, 5)}, list, preferences}}
	b := mustAppend(t, m)
	decoded := mustDecode(t, b)
	for _, test := range []struct {
		name  string
		err   *ProtocolError
		want  ProtocolError
		at    []byte
		shows string
	}{
		// 16 octets of header, 16 of option 9, and then 9 of the list.
		{"locator 0", VerificationFailed(decoded, 0), ProtocolError{CodeVerification, 41, TypeUpdateRequest,
			"locator 0, 2001:db8:a1::1, does not verify by HBA"}, []byte{1, 2}, "5533-5.14-08"},
		{"locator 1", VerificationFailed(decoded, 1), ProtocolError{CodeVerification, 42, TypeUpdateRequest,
			"locator 1, 2001:db8:a2::1, does not verify by CGA"}, []byte{2, 0}, "5533-5.14-08"},
		{"generation", GenerationMismatch(decoded, 1), ProtocolError{CodeGeneration, 84, TypeUpdateRequest,
			"Locator Preferences is about generation 2, and 1 is in use"}, []byte{0, 0, 0, 2}, "5533-5.14-09"},
		{"count", LocatorCountMismatch(decoded, 2), ProtocolError{CodeLocatorCount, 82, TypeUpdateRequest,
			"Locator Preferences is about 3 locators, and there are 2"}, []byte{0, 8}, "5533-5.14-10"},
	} {
		shows.IDs(t, test.shows)
		if test.err == nil {
			t.Errorf("%s: no error", test.name)
			continue
		}
		if d := cmp.Diff(&test.want, test.err); d != "" {
			t.Errorf("%s: -want +got\n%s", test.name, d)
		}
		if !bytes.HasPrefix(b[test.err.Pointer:], test.at) {
			t.Errorf("%s: at octet %d is % x", test.name, test.err.Pointer, b[test.err.Pointer:][:4])
		}
		if !test.err.Answer() {
			t.Errorf("%s: has no answer", test.name)
		}
	}
	for _, m := range []Message{&UpdateRequest{}, &ErrorMessage{}} {
		if VerificationFailed(m, 0) != nil || GenerationMismatch(m, 1) != nil || LocatorCountMismatch(m, 1) != nil {
			t.Errorf("%s: an error about an option that is not there", m.Type())
		}
	}
	if VerificationFailed(decoded, -1) != nil || VerificationFailed(decoded, 2) != nil {
		t.Error("an error about a locator that is not there")
	}
}

// Messages that Append refuses, because no octets express them.
func TestAppendErrors(t *testing.T) {
	ipv4, zone := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")
	report := func(source, destination netip.Addr) []ProbeReport {
		return []ProbeReport{{Source: source, Destination: destination}}
	}
	fii := &ForkedInstanceIdentifier{}
	for _, test := range []struct {
		name    string
		message Message
		says    string
		shows   string
	}{
		{"a tag of 48 bits", &I1{InitiatorContextTag: 1 << 47}, "I1: a Context Tag has 47 bits", "5533-4.1-01"},
		{"I2 with such a tag", &I2{InitiatorContextTag: 1 << 47}, "47 bits", ""},
		{"R2 with such a tag", &R2{ResponderContextTag: 1 << 63}, "47 bits", ""},
		{"R1bis with such a tag", &R1bis{PacketContextTag: 1 << 47}, "47 bits", ""},
		{"I2bis with such a tag", &I2bis{InitiatorContextTag: 1 << 47}, "47 bits", ""},
		{"I2bis with such a packet's tag", &I2bis{PacketContextTag: 1 << 47}, "47 bits", ""},
		{"Update Request with such a tag", &UpdateRequest{ReceiverContextTag: 1 << 47}, "47 bits", ""},
		{"Update Acknowledgement with such a tag", &UpdateAcknowledgement{ReceiverContextTag: 1 << 47}, "47 bits", ""},
		{"Keepalive with such a tag", &Keepalive{ReceiverContextTag: 1 << 47}, "47 bits", ""},
		{"Probe with such a tag", &Probe{ReceiverContextTag: 1 << 47, Sent: report(ulidA, ulidB)}, "47 bits", ""},

		{"a Probe without itself", &Probe{}, "no report of the probe itself", ""},
		{"a Probe of 16 reports", &Probe{Sent: make([]ProbeReport, 16)}, "15 are the most", ""},
		{"a Probe of 16 reports received", &Probe{Sent: report(ulidA, ulidB), Received: make([]ProbeReport, 16)}, "15 are the most", ""},
		{"a state of 3", &Probe{State: 3, Sent: report(ulidA, ulidB)}, "there is no state 3", ""},
		{"a report without a source", &Probe{Sent: report(netip.Addr{}, ulidB)}, "Probe Source: invalid IP: not an IPv6", ""},
		{"a report with an IPv4 destination", &Probe{Sent: report(ulidA, ipv4)}, "Probe Destination: 192.0.2.1: not an IPv6", ""},
		{"a report with a zone", &Probe{Sent: report(ulidA, ulidB), Received: report(zone, ulidB)}, "Probe Source: fe80::1%eth0: not an IPv6", ""},

		{"a ULID of IPv4", &I1{Options: Options{&ULIDPair{Sender: ipv4, Receiver: ulidB}}}, "ULID Pair: 192.0.2.1: not an IPv6", ""},
		{"no ULID", &I1{Options: Options{&ULIDPair{Sender: ulidA}}}, "ULID Pair: invalid IP: not an IPv6", ""},
		{"a locator with a zone", &R2{Options: Options{&LocatorList{Locators: []Locator{{zone, 1}}}}}, "Locator List: fe80::1%eth0: not an IPv6", ""},
		{"256 locators", &R2{Options: Options{&LocatorList{Locators: make([]Locator, 256)}}}, "255 are the most", ""},
		{"an Element Len of 0", &R2{Options: Options{&LocatorPreferences{}}}, "Element Len of 0", ""},
		{"malformed preferences with elements", &R2{Options: Options{&LocatorPreferences{Malformed: true, Elements: make([]Preference, 1)}}},
			"malformed, and with elements", ""},
		{"malformed preferences that are not", &R2{Options: Options{&LocatorPreferences{ElementLen: 3, Malformed: true, Raw: make([]byte, 6)}}},
			"an Element Len of 3 and 6 octets nothing is wrong", ""},
		{"malformed preferences without any", &R2{Options: Options{&LocatorPreferences{ElementLen: 3, Malformed: true}}}, "nothing is wrong", ""},
		{"raw octets of preferences", &R2{Options: Options{&LocatorPreferences{ElementLen: 3, Raw: make([]byte, 2)}}}, "not malformed", ""},
		{"a priority without room", &R2{Options: Options{&LocatorPreferences{ElementLen: 1, Elements: []Preference{{}, {Priority: 1}}}}},
			"element 1 is not one of 1 octets", ""},
		{"a weight without room", &R2{Options: Options{&LocatorPreferences{ElementLen: 2, Elements: []Preference{{Weight: 1}}}}},
			"element 0 is not one of 2 octets", ""},
		{"a rest without room", &R2{Options: Options{&LocatorPreferences{ElementLen: 3, Elements: []Preference{{Rest: []byte{1}}}}}},
			"element 0 is not one of 3 octets", ""},
		{"a rest that is short", &R2{Options: Options{&LocatorPreferences{ElementLen: 5, Elements: []Preference{{Rest: []byte{1}}}}}},
			"element 0 is not one of 5 octets", ""},

		{"an option twice", &I1{Options: Options{fii, fii}}, "Forked Instance Identifier is there twice", ""},
		{"an option of another message", &R2{Options: Options{fii}}, "Forked Instance Identifier is no option of this message", ""},
		{"an option not known that is known", &I1{Options: Options{&UnknownOption{OptionType: 7}}}, "has a type of its own", ""},
		{"an option type of 16 bits", &I1{Options: Options{&UnknownOption{OptionType: 1 << 15}}}, "impossible option type 32768", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			shows.IDs(t, test.shows)
			before := []byte("x")
			b, err := Append(before, test.message)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
			if !bytes.Equal(b, before) {
				t.Errorf("appended % x", b)
			}
		})
	}
}

// Messages end at 1280 octets with the IPv6 header, or earlier if other headers need room. A
// received message may be longer.
func TestLongMessages(t *testing.T) {
	shows.IDs(t, "5533-5.1-04")
	long := func(n int) *R1 {
		// 16 octets are the fixed part, and 4 the option's header.
		return &R1{Options: Options{&ResponderValidator{Validator: make([]byte, n-20)}}}
	}
	if b, err := Append(nil, long(1240)); err != nil || len(b) != 1240 {
		t.Errorf("1240 octets: %d, %v", len(b), err)
	}
	if _, err := Append(nil, long(1241)); !errors.Is(err, ErrTooLong) {
		t.Errorf("1241 octets, 1248 with the padding: %v", err)
	}
	if b, err := AppendMax(nil, long(1240), 1239); !errors.Is(err, ErrTooLong) {
		t.Errorf("1240 octets where 1239 are allowed: %d, %v", len(b), err)
	}
	b, err := AppendMax(nil, long(2048), 1<<20)
	if err != nil || len(b) != 2048 || b[1] != 255 {
		t.Fatalf("2048 octets: %d, %v", len(b), err)
	}
	if got := mustAppend(t, mustDecode(t, b)); !bytes.Equal(got, b) {
		t.Error("2048 octets do not come back")
	}
	if b, err := AppendMax(nil, long(2049), 1<<20); !errors.Is(err, ErrTooLong) {
		t.Errorf("2049 octets: %d, %v", len(b), err)
	}
	if b, err := AppendMax(nil, long(70000), 1<<20); !errors.Is(err, ErrTooLong) {
		t.Errorf("70000 octets: %d, %v", len(b), err)
	}
	list := &LocatorList{Locators: make([]Locator, 256)}
	for i := range list.Locators {
		list.Locators[i].Address = ulidA
	}
	if b, err := Append(nil, &R2{Options: Options{list}}); !errors.Is(err, ErrTooLong) {
		t.Errorf("256 locators: %d, %v", len(b), err)
	}
	reports := make([]ProbeReport, 15)
	for i := range reports {
		reports[i] = ProbeReport{Source: ulidA, Destination: ulidB}
	}
	// The most reports that a Probe can have fit, together with 24 octets of options.
	shows.IDs(t, "5534-5.2-25")
	full := &Probe{Sent: reports, Received: reports}
	if b, err := Append(nil, full); err != nil || len(b) != 1216 {
		t.Errorf("a full Probe: %d octets, %v", len(b), err)
	}
	full.Options = Options{&UnknownOption{OptionType: 9, Contents: make([]byte, 20)}}
	if b, err := Append(nil, full); err != nil || len(b) != 1240 {
		t.Errorf("a full Probe with 24 octets of options: %d octets, %v", len(b), err)
	}
	full.Options = Options{&UnknownOption{OptionType: 9, Contents: make([]byte, 21)}}
	if b, err := Append(nil, full); !errors.Is(err, ErrTooLong) {
		t.Errorf("a full Probe with 32 octets of options: %d octets, %v", len(b), err)
	}
}
