// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// Probes with every number of reports, and in every state.
func TestProbes(t *testing.T) {
	shows.IDs(t, "5534-5.2-02 5534-5.2-03 5534-5.2-04 5534-5.2-05 5534-5.2-14 5534-5.2-15 5534-5.2-16 5534-5.2-21")
	report := func(n int) ProbeReport {
		return ProbeReport{
			Source:      netip.AddrFrom16([16]byte{0x20, 0x01, 14: 1, 15: byte(n)}),
			Destination: netip.AddrFrom16([16]byte{0x20, 0x01, 14: 2, 15: byte(n)}),
			Nonce:       uint32(n) << 24, Data: uint32(n),
		}
	}
	for sent := 1; sent <= 15; sent++ {
		for received := range 16 {
			for state := range ProbeState(3) {
				m := &Probe{ReceiverContextTag: 1, State: state}
				for i := range sent {
					m.Sent = append(m.Sent, report(i))
				}
				for i := range received {
					m.Received = append(m.Received, report(100+i))
				}
				b := mustAppend(t, m)
				if len(b) != 16+40*(sent+received) || b[12] != byte(received*16+sent) || b[13] != byte(state)*64 {
					t.Errorf("%d sent, %d received: %d octets, % x", sent, received, len(b), b[12:14])
				}
				// The first report received comes after the last one sent; its nonce tells it
				// apart.
				if received > 0 && b[16+40*sent+32] != 100 {
					t.Errorf("%d sent, %d received: after those sent is % x", sent, received, b[16+40*sent:][:40])
				}
				if d := cmp.Diff(m, mustDecode(t, b), same); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			}
		}
	}
}
