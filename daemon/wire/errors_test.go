// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"net/netip"
	"strings"
	"testing"

	"shim6/tools/conformance/shows"
)

// fixed16 is a message of a type whose fixed part has 16 octets, followed by these options.
func fixed16(t testing.TB, kind Type, options string) []byte {
	b := octets(t, "3b 00 00 00 00 00 00 00 00 00 00 04 00 00 00 02")
	b[2] = byte(kind)
	return seal(append(b, octets(t, options)...))
}

// Each wrong message gives the right error at the right octet.
func TestDecodeErrors(t *testing.T) {
	i1 := mustAppend(t, &I1{InitiatorContextTag: 1, InitiatorNonce: 2})
	probe := mustAppend(t, &Probe{Sent: []ProbeReport{{Source: ulidA, Destination: ulidB}}})
	list := func(length, count string) []byte {
		// The option has room for two locators.
		return fixed16(t, TypeR2, "0004"+length+"00000001"+count+"01 01 00 00000000"+strings.Repeat("00", 32))
	}
	for _, test := range []struct {
		name    string
		octets  []byte
		code    ErrorCode
		pointer int
		says    string // part of the reason
		shows   string
	}{
		{"nothing", nil, CodeDebugLength, 0, "there are 0", ""},
		{"less than a header", i1[:7], CodeDebugLength, 0, "there are 7", ""},
		{"a payload header", octets(t, "06 00 80 00 00 00 00 01"), CodeDebugKind, 2, "payload", ""},
		// The S bit distinguishes Shim6 from HIP.
		{"the S bit", seal(with(i1, 3, 1)), CodeDebugKind, 3, "HIP", "5533-5.3-05 5533-5.3-23"},
		{"cut short", i1[:15], CodeDebugLength, 1, "16 octets, and there are 15", "5533-12.3-02 5533-5.1-02 5533-5.3-02"},
		{"a greater Hdr Ext Len", with(i1, 1, 255), CodeDebugLength, 1, "2048 octets, and there are 16", ""},
		{"the checksum", with(i1, 15, 9), CodeDebugChecksum, 4, "checksum", "5533-12.3-01"},
		{"no checksum", with(i1, 4, 0, 0), CodeDebugChecksum, 4, "checksum", ""},

		{"type 0", seal(with(i1, 2, 0)), CodeUnknownType, 2, "type is not known", "5533-5.14-06"},
		{"type 7", seal(with(i1, 2, 7)), CodeUnknownType, 2, "type is not known", "5533-5.14-06"},
		{"type 63", seal(with(i1, 2, 63)), CodeUnknownType, 2, "type is not known", ""},
		{"type 69", seal(with(i1, 2, 69)), CodeUnknownType, 2, "type is not known", ""},
		{"type 127", seal(with(i1, 2, 127)), CodeUnknownType, 2, "type is not known", ""},
		{"type 127 of 8 octets", seal(octets(t, "3b 00 7f 00 0000 0000")), CodeUnknownType, 2, "type is not known", ""},
		// The checksum is checked first: with a wrong checksum the type may be wrong, too.
		{"type 7 with a wrong checksum", with(i1, 2, 7), CodeDebugChecksum, 4, "checksum", "5533-12.3-01"},

		{"a critical option that is not known", fixed16(t, TypeKeepalive, "0013 0004 00000000"),
			CodeCriticalOption, 16, "option type 9 is critical", "5533-5.14-07 5533-5.15-17 5533-12.3-07"},
		{"a critical option of another message", fixed16(t, TypeR2, "000f 0004 00000001"),
			CodeCriticalOption, 16, "Forked Instance Identifier is critical", "5533-5.15-17"},
		{"a critical option without contents", fixed16(t, TypeI1, "ffff 0000 00000000"),
			CodeCriticalOption, 16, "experimental option type 32767 is critical", ""},
		{"a critical option that ends after the message", fixed16(t, TypeI1, "ffff ffff 00000000"),
			CodeCriticalOption, 16, "critical", ""},
		{"a critical option after others", fixed16(t, TypeI1, "0012 0009 000000000000000000 000000  000e 0004 00000001 0013 0000 00000000"),
			CodeCriticalOption, 40, "option type 9 is critical", ""},
		// A critical option must be answered, whatever else is wrong (12.3).
		{"a critical option after a wrong one", fixed16(t, TypeI1, "000e 0003 00000000 0013 0000 00000000"),
			CodeCriticalOption, 24, "option type 9 is critical", "5533-12.3-07"},
		{"a critical option after one twice", fixed16(t, TypeI1, "000e 0004 00000000 000e 0004 00000000 0013 0000 00000000"),
			CodeCriticalOption, 32, "option type 9 is critical", ""},
		{"after the 56 octets of a Probe", seal(append(with(probe, 0), 0, 3, 0, 0, 0, 0, 0, 0)),
			CodeCriticalOption, 56, "Responder Validator is critical", ""},

		{"an option that ends after the message", fixed16(t, TypeR1, "0002 0005 00000000"),
			CodeDebugLength, 18, "ends after the message", "5533-5.15-20"},
		{"an option not known that ends after the message", fixed16(t, TypeR1, "0012 0005 00000000"),
			CodeDebugLength, 18, "ends after the message", ""},
		{"the longest option", fixed16(t, TypeR1, "0002 ffff 00000000"), CodeDebugLength, 18, "65544 octets", ""},
		{"an FII of 3 octets", fixed16(t, TypeI1, "000e 0003 00000000"), CodeDebugLength, 18, "Length of 3, not 4", "5533-5.15-20"},
		{"an FII of 5 octets", fixed16(t, TypeI1, "000e 0005 00000000 00000000 00000000"), CodeDebugLength, 18, "Length of 5, not 4", ""},
		{"an FII of 0 octets", fixed16(t, TypeI1, "000e 0000 00000000"), CodeDebugLength, 18, "Length of 0, not 4", ""},
		{"a ULID Pair of 32 octets", fixed16(t, TypeI1, "000c 0020"+strings.Repeat("00", 36)), CodeDebugLength, 18, "Length of 32, not 36", "5533-5.15-20"},
		{"a ULID Pair of 37 octets", fixed16(t, TypeI1, "000c 0025"+strings.Repeat("00", 44)), CodeDebugLength, 18, "Length of 37, not 36", ""},
		{"a Keepalive Timeout of 2 octets", fixed16(t, TypeR2, "0014 0002 000f0000"), CodeDebugLength, 18, "Length of 2, not 4", "5533-5.15-20 5534-5.3-02"},
		{"a Keepalive Timeout of 8 octets", fixed16(t, TypeR2, "0014 0008 0000000f 00000000 00000000"), CodeDebugLength, 18, "Length of 8, not 4", ""},
		{"an option twice", fixed16(t, TypeI1, "000e 0004 00000001 000e 0004 00000001"), CodeDebugDuplicate, 24, "twice", "5533-5.15-21"},
		{"an option twice, with another between", fixed16(t, TypeUpdateRequest, "0014 0004 0000000f 0012 0000 00000000 0014 0004 0000000e"),
			CodeDebugDuplicate, 32, "Keepalive Timeout is there twice", "5533-5.15-21"},

		{"a list shorter than its fields", fixed16(t, TypeR2, "0004 0004 00000001"), CodeDebugLength, 18, "the least is 12", ""},
		{"a list of 2 with the Length of 1", list("001c", "02"), CodeDebugLength, 18, "of 2 locators it is 44", "5533-5.15.2-02 5533-5.15.2-12"},
		{"a list of 1 with the Length of 2", list("002c", "01"), CodeDebugLength, 18, "of 1 locators it is 28", ""},
		{"a list whose Length leaves out the padding", list("0027", "02"), CodeDebugLength, 18, "Length of 39", "5533-5.15.2-02"},
		{"an empty list without padding", fixed16(t, TypeR2, "0004 0005 00000001 00 000000 00000000"), CodeDebugLength, 18, "the least is 12", "5533-5.15.2-12"},

		{"preferences shorter than their fields", fixed16(t, TypeR2, "0006 0004 00000001"), CodeDebugLength, 18, "the least is 5", ""},

		{"a Sta of 3", seal(with(probe, 13, 0xc0)), CodeDebugValue, 13, "Sta is 3", "5534-5.2-24"},
		{"no report of the probe", seal(with(probe, 12, 0x10)), CodeDebugValue, 12, "Psent is 0", "5534-5.2-24"},
		{"a report sent more than there is", seal(with(probe, 12, 0x02)), CodeDebugLength, 12, "end at octet 96 of 56", "5534-5.2-24 5534-5.2-05"},
		{"a report received more than there is", seal(with(probe, 12, 0x11)), CodeDebugLength, 12, "1 reports sent and 1 received", "5534-5.2-24 5534-5.2-05"},
		{"fifteen of each", seal(with(probe, 12, 0xff)), CodeDebugLength, 12, "end at octet 1216 of 56", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			shows.IDs(t, test.shows)
			e := wrong(t, test.octets)
			if e.Code != test.code || e.Pointer != test.pointer {
				t.Errorf("code %d at %d, want %d at %d: %v", e.Code, e.Pointer, test.code, test.pointer, e)
			}
			if !strings.Contains(e.Reason, test.says) {
				t.Errorf("the reason is %q, and has not %q", e.Reason, test.says)
			}
			if want := test.code <= CodeLocatorCount; e.Answer() != want {
				t.Errorf("Answer is %t for %v", e.Answer(), e)
			}
		})
	}
}

// A message that is shorter than the fields of its type is an error.
func TestLeastLength(t *testing.T) {
	shows.IDs(t, "5533-5.4-02 5533-5.5-02 5533-5.6-02 5533-5.7-02 5533-5.8-02 5533-5.9-02 5533-5.10-02",
		"5533-5.11-02 5533-5.14-02 5534-5.1-01 5534-5.2-05")
	least := map[Type]int{
		TypeI1: 1, TypeR1: 1, TypeI2: 2, TypeR2: 1, TypeR1bis: 1, TypeI2bis: 3, TypeUpdateRequest: 1,
		TypeUpdateAcknowledgement: 1, TypeKeepalive: 1, TypeProbe: 6, TypeError: 1,
	}
	for _, m := range bare() {
		b := mustAppend(t, m)
		if int(b[1]) != least[m.Type()] {
			t.Errorf("%s: the least Hdr Ext Len is %d, want %d", m.Type(), b[1], least[m.Type()])
		}
		mustDecode(t, b)
		for n := 8; n < len(b); n += 8 {
			e := wrong(t, seal(b[:n]))
			if e.Code != CodeDebugLength || e.Pointer != 1 || e.Answer() {
				t.Errorf("%s of %d octets: %v", m.Type(), n, e)
			}
		}
	}
}

// A message that is cut anywhere is an error, and so is one with any octet changed.
func TestDamage(t *testing.T) {
	shows.IDs(t, "5533-12.3-01 5533-12.3-02")
	for _, m := range everyMessage() {
		b := mustAppend(t, m)
		for n := range b {
			if e := wrong(t, b[:n]); e.Answer() {
				t.Fatalf("%s of %d octets is answered: %v", m.Type(), n, e)
			}
			for bit := range 8 {
				if e := wrong(t, with(b, n, b[n]^1<<bit)); e.Answer() {
					t.Fatalf("%s with octet %d damaged is answered: %v", m.Type(), n, e)
				}
			}
		}
	}
}

func TestProtocolErrorText(t *testing.T) {
	e := wrong(t, fixed16(t, TypeR2, "0006 0004 00000001"))
	want := "Shim6 R2: Locator Preferences has a Length of 4, and the least is 5 (octet 18)"
	if e.Error() != want {
		t.Errorf("got %q, want %q", e, want)
	}
	if got, want := wrong(t, nil).Error(), "Shim6: a Shim6 header has 8 octets or more, and there are 0 (octet 0)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := wrong(t, seal(octets(t, "3b 00 3c 00 0000 0000"))).Error(),
		"Shim6 experimental message type 60: the type is not known (octet 2)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckAddresses(t *testing.T) {
	shows.IDs(t, "5533-12.3-03")
	for _, test := range []struct {
		source, destination string
		ok                  bool
	}{
		{"2001:db8::1", "2001:db8::2", true},
		{"fe80::1", "fe80::2", true},
		{"ff02::1", "2001:db8::2", false},
		{"2001:db8::1", "ff02::1", false},
		{"::", "2001:db8::2", false},
		{"2001:db8::1", "::", false},
		{"192.0.2.1", "2001:db8::2", false},
	} {
		err := CheckAddresses(netip.MustParseAddr(test.source), netip.MustParseAddr(test.destination))
		if (err == nil) != test.ok {
			t.Errorf("%s to %s: %v", test.source, test.destination, err)
		}
		if e, ok := err.(*ProtocolError); err != nil && (!ok || e.Answer() || e.Code != CodeDebugAddress) {
			t.Errorf("%s to %s: %#v", test.source, test.destination, err)
		}
	}
	if CheckAddresses(netip.Addr{}, ulidA) == nil {
		t.Error("no address is an address")
	}
}
