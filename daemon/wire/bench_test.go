// SPDX-License-Identifier: BSD-3-Clause

package wire

import "testing"

// benchmarked are an I2 with every option and a Probe as exploration sends it.
func benchmarked() map[string]Message {
	r := ProbeReport{Source: ulidA, Destination: ulidB, Nonce: 1}
	return map[string]Message{
		"I2": &I2{InitiatorContextTag: 1, Options: everyOption()},
		"Probe": &Probe{ReceiverContextTag: 1, State: ProbeExploring,
			Sent: []ProbeReport{r, r, r, r}, Received: []ProbeReport{r, r}},
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, m := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			o := mustAppend(b, m)
			b.SetBytes(int64(len(o)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, m := range benchmarked() {
		b.Run(name, func(b *testing.B) {
			o := mustAppend(b, m)
			b.SetBytes(int64(len(o)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if o, err = Append(o[:0], m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Append allocates nothing if the buffer has the capacity.
func TestAppendAllocates(t *testing.T) {
	b := make([]byte, 0, MaxHeaderLen)
	for _, m := range everyMessage() {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Append(b, m); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", m.Type(), n)
		}
	}
	h := PayloadHeader{NextHeader: 6, ReceiverContextTag: 1}
	if n := testing.AllocsPerRun(100, func() { h.Append(b) }); n != 0 {
		t.Errorf("payload header: %v allocations", n)
	}
}
