// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"testing"

	"shim6/tools/conformance/shows"
)

// ranges is a registry of RFC 5533, section 17, without its names: the last number of each range,
// and the registry's word for it.
type ranges []struct {
	last  int
	class string
}

func (r ranges) of(n int) string {
	for _, v := range r {
		if n <= v.last {
			return v.class
		}
	}
	return "impossible"
}

// A number without a name has the registry's word.
func TestRegistries(t *testing.T) {
	for _, test := range []struct {
		what  string
		names map[int]string
		class ranges
		text  func(int) fmt.Stringer
		to    int
		shows string
	}{
		{"message type", map[int]string{
			1: "I1", 2: "R1", 3: "I2", 4: "R2", 5: "R1bis", 6: "I2bis", 64: "Update Request", 65: "Update Acknowledgement",
			66: "Keepalive", 67: "Probe", 68: "Error",
		}, ranges{{0, "reserved"}, {59, "unassigned"}, {63, "experimental"}, {123, "unassigned"}, {127, "experimental"}},
			func(n int) fmt.Stringer { return Type(n) }, 255,
			"5533-17-01 5533-5.3-12 5533-5.3-13 5533-5.3-14 5533-5.3-15 5533-5.3-16 5533-5.3-17 5533-5.3-18 " +
				"5533-5.3-19 5533-5.3-20 5533-5.3-21 5533-5.3-22"},
		{"option type", map[int]string{
			1: "Responder Validator", 2: "Locator List", 3: "Locator Preferences", 4: "CGA Parameter Data Structure",
			5: "CGA Signature", 6: "ULID Pair", 7: "Forked Instance Identifier", 10: "Keepalive Timeout",
		}, ranges{{0, "reserved"}, {16383, "unassigned"}, {32767, "experimental"}},
			func(n int) fmt.Stringer { return OptionType(n) }, 65535,
			"5533-17-02 5533-5.15-08 5533-5.15-09 5533-5.15-10 5533-5.15-11 5533-5.15-12 5533-5.15-13 " +
				"5533-5.15-14 5533-5.15-15"},
		{"error code", map[int]string{
			0: "unknown message type", 1: "critical option not recognized", 2: "locator verification method failed",
			3: "Locator List Generation out of sync", 4: "error in the number of locators",
		}, ranges{{119, "unassigned"}, {127, "debugging"}},
			func(n int) fmt.Stringer { return ErrorCode(n) }, 255,
			"5533-17-03 5533-17-04 5533-5.14-06 5533-5.14-07 5533-5.14-08 5533-5.14-09 5533-5.14-10 " +
				"5533-5.14-11"},
		{"verification method", map[int]string{1: "HBA", 2: "CGA"},
			ranges{{0, "reserved"}, {200, "unassigned"}, {254, "experimental"}, {255, "reserved"}},
			func(n int) fmt.Stringer { return VerificationMethod(n) }, 255, "5533-5.15.2-06 5533-5.15.2-07 5533-5.15.2-08 5533-5.15.2-09 5533-5.15.2-10"},
	} {
		shows.IDs(t, test.shows)
		for n := 0; n <= test.to; n++ {
			want := test.names[n]
			if want == "" {
				want = fmt.Sprintf("%s %s %d", test.class.of(n), test.what, n)
			}
			if got := test.text(n).String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	shows.IDs(t, "5534-5.2-14 5534-5.2-15 5534-5.2-16")
	for n, want := range []string{"Operational", "Exploring", "InboundOk", "state 3"} {
		if got := ProbeState(n).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Errors with a debugging code, and errors about Error messages, have no answer; all others have
// one.
func TestAnswer(t *testing.T) {
	for code := range 128 {
		e := &ProtocolError{Code: ErrorCode(code), Type: TypeI1}
		if want := code < 120; e.Answer() != want {
			t.Errorf("code %d: %t", code, e.Answer())
		}
		e.Type = TypeError
		if e.Answer() {
			t.Errorf("code %d about an Error message is answered", code)
		}
	}
}
