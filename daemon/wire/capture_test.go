// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// captured is a Shim6 header of a capture, to the end of its packet.
type captured struct {
	frame               int
	source, destination netip.Addr
	octets              []byte
}

// capture returns the Shim6 headers of a capture.
func capture(t testing.TB, name string) (all []captured) {
	t.Helper()
	for i, f := range readPcap(t, "testdata/"+name+".pcap") {
		if len(f) < 54 || f[12] != 0x86 || f[13] != 0xdd || f[20] != Protocol {
			continue
		}
		all = append(all, captured{
			frame:  i + 1,
			source: netip.AddrFrom16([16]byte(f[22:])), destination: netip.AddrFrom16([16]byte(f[38:])),
			octets: f[54:],
		})
	}
	return all
}

// Two captures of another implementation that talks to itself: it establishes a context, a locator
// fails, and another takes its place. Every message decodes, has no residue, and is appended with
// the same octets.
func TestCaptures(t *testing.T) {
	shows.IDs(t, "5533-5.1-03 5533-5.3-08 5533-5.3-09 5533-5.3-10")
	for _, test := range []struct {
		name string
		want map[string]int
	}{
		{"plain-plain", map[string]int{"I1": 1, "R1": 1, "I2": 1, "R2": 1, "Probe": 11}},
		{"cga-cga", map[string]int{"I1": 1, "R1": 1, "I2": 1, "R2": 1, "Probe": 3, "Keepalive": 2,
			"Update Request": 3, "Update Acknowledgement": 3, "payload": 102}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make(map[string]int)
			for _, c := range capture(t, test.name) {
				if err := CheckAddresses(c.source, c.destination); err != nil {
					t.Errorf("frame %d: %v", c.frame, err)
				}
				if IsPayload(c.octets) {
					h, err := DecodePayloadHeader(c.octets)
					if err != nil {
						t.Errorf("frame %d: %v", c.frame, err)
					}
					if b, err := h.Append(nil); err != nil || !bytes.Equal(b, c.octets[:8]) {
						t.Errorf("frame %d: % x, %v; want % x", c.frame, b, err, c.octets[:8])
					}
					got["payload"]++
					continue
				}
				m, err := Decode(c.octets)
				if err != nil {
					t.Errorf("frame %d: %v\n% x", c.frame, err, c.octets)
					continue
				}
				got[m.Type().String()]++
				if b, err := Append(nil, m); err != nil || !bytes.Equal(b, c.octets) {
					t.Errorf("frame %d: % x, %v; want % x", c.frame, b, err, c.octets)
				}
				options, residue := m.parts()
				if *residue != nil {
					t.Errorf("frame %d has a residue: %+v", c.frame, *residue)
				}
				for _, o := range *options {
					if u, ok := o.(*UnknownOption); ok {
						t.Errorf("frame %d: %s has %s", c.frame, m.Type(), u.Type())
					}
				}
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// The fields of the captured exchange fit each other, so they are read from the right octets.
func TestCapturedExchange(t *testing.T) {
	for _, name := range []string{"plain-plain", "cga-cga"} {
		t.Run(name, func(t *testing.T) {
			first := make(map[Type]Message)
			var nonces []string
			probed := make(map[string]bool)
			for _, c := range capture(t, name) {
				if IsPayload(c.octets) {
					continue
				}
				m := mustDecode(t, c.octets)
				if first[m.Type()] == nil {
					first[m.Type()] = m
				}
				switch m := m.(type) {
				case *UpdateRequest:
					nonces = append(nonces, fmt.Sprint(m.ReceiverContextTag, m.RequestNonce))
				case *UpdateAcknowledgement:
					if len(nonces) == 0 {
						t.Errorf("frame %d acknowledges nothing", c.frame)
					}
				case *Probe:
					if m.Sent[0].Source != c.source || m.Sent[0].Destination != c.destination {
						t.Errorf("frame %d: from %s to %s, reports %+v", c.frame, c.source, c.destination, m.Sent[0])
					}
					probed[fmt.Sprint(m.Sent[0])] = true
					for _, r := range append(m.Sent, m.Received...) {
						if !probed[fmt.Sprint(r)] {
							t.Errorf("frame %d reports %+v, which was not sent", c.frame, r)
						}
					}
				}
			}
			i1, r1, i2, r2 := first[TypeI1].(*I1), first[TypeR1].(*R1), first[TypeI2].(*I2), first[TypeR2].(*R2)
			if i2.InitiatorContextTag != i1.InitiatorContextTag || r1.InitiatorNonce != i1.InitiatorNonce ||
				i2.ResponderNonce != r1.ResponderNonce || r2.InitiatorNonce != i2.InitiatorNonce {
				t.Errorf("the messages do not answer each other:\n%+v\n%+v\n%+v\n%+v", i1, r1, i2, r2)
			}
			if v := r1.Options.ResponderValidator(); v == nil || len(v.Validator) != 20 ||
				!cmp.Equal(v, i2.Options.ResponderValidator()) {
				t.Errorf("the validator of the R1, %+v, is not that of the I2", v)
			}
			if name != "cga-cga" {
				return
			}
			for _, options := range []Options{i2.Options, r2.Options, first[TypeUpdateRequest].(*UpdateRequest).Options} {
				l := options.LocatorList()
				if l == nil || len(l.Locators) < 2 || l.Locators[0].Method != MethodCGA || options.CGASignature() == nil {
					t.Errorf("the locators are %+v", l)
				}
			}
			// The initiator's list begins with the ULID. The PDS proves it: the subnet prefix is
			// after the modifier.
			ulid := i2.Options.LocatorList().Locators[0].Address.As16()
			if pds := i2.Options.CGAParameterDataStructure().PDS; !bytes.Equal(pds[16:24], ulid[:8]) {
				t.Errorf("the PDS has the prefix % x, the ULID % x", pds[16:24], ulid[:8])
			}
		})
	}
}
