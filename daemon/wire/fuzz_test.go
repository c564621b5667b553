// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Decode takes any octets. It returns a message that is appended with the same octets, or an error
// that points into them. Few random octets have a right checksum, so each input is tried twice: as
// it is, and with the length and checksum corrected.
func FuzzDecode(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add(mustAppend(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecode(t, b)
		if n := min(len(b)&^7, MaxHeaderLen); n >= 8 {
			checkDecode(t, seal(b[:n]))
		}
		if h, err := DecodePayloadHeader(b); err == nil {
			if got, err := h.Append(nil); err != nil || !bytes.Equal(got, b[:8]) {
				t.Errorf("payload header % x: %v; want % x", got, err, b[:8])
			}
		}
		if _, ok := ReceiverContextTag(b); ok && len(b) < 8 {
			t.Errorf("a tag in % x", b)
		}
		if i, err := (&ErrorMessage{PacketInError: b}).Invoking(); err == nil && !bytes.HasSuffix(b, i.Header) {
			t.Errorf("the header % x is not in % x", i.Header, b)
		}
	})
}

func checkDecode(t *testing.T, b []byte) {
	before := bytes.Clone(b)
	m, err := Decode(b)
	if !bytes.Equal(b, before) {
		t.Fatalf("Decode has changed\n% x to\n% x", before, b)
	}
	if err != nil {
		var e *ProtocolError
		if !errors.As(err, &e) || m != nil {
			t.Fatalf("%v, %v", m, err)
		}
		if e.Pointer < 0 || e.Pointer >= max(len(b), 1) || e.Error() == "" {
			t.Fatalf("%v is not within %d octets", e, len(b))
		}
		if e.Answer() && (e.Code > CodeLocatorCount || len(b) < 8) {
			t.Fatalf("%v is answered", e)
		}
		if answer, ok := NewDebugErrorMessage(e, ulidA, ulidB, b); ok {
			mustDecode(t, mustAppend(t, answer))
		}
		return
	}
	n := (int(b[1]) + 1) * 8
	again, err := AppendMax(nil, m, MaxHeaderLen)
	if err != nil || !bytes.Equal(again, b[:n]) {
		t.Fatalf("%+v\nappends % x, %v\nbut was % x", m, again, err, b[:n])
	}
	// Without its residue, a message is no more than its fields.
	options, residue := m.parts()
	*residue = nil
	clean, err := AppendMax(nil, m, MaxHeaderLen)
	if err != nil || len(clean) != n {
		t.Fatalf("%+v without the residue: % x, %v", m, clean, err)
	}
	got := mustDecode(t, clean)
	if d := cmp.Diff(m, got, same); d != "" {
		t.Fatal(d)
	}
	if _, r := got.parts(); *r != nil {
		t.Fatalf("new octets have a residue: %+v", *r)
	}
	if options == nil {
		return
	}
	for _, o := range *options {
		if at, ok := OptionOffset(m, o); !ok || at%8 != 0 || int(b[at])<<8|int(b[at+1])&^1 != 2*int(o.Type()) {
			t.Fatalf("%s is not at %d of % x", o.Type(), at, b)
		}
	}
}

// Random messages are appended and decoded to the same.
func TestRandomMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		m := randomMessage(r)
		b, err := AppendMax(nil, m, MaxHeaderLen)
		if errors.Is(err, ErrTooLong) {
			continue
		}
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if d := cmp.Diff(m, mustDecode(t, b), same); d != "" {
			t.Fatal(d)
		}
		if slowSum(b) != 0 || len(b)%8 != 0 || len(b) != 8*(1+int(b[1])) {
			t.Fatalf("% x", b)
		}
	}
}

func randomOctets(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomAddr(r *rand.Rand) netip.Addr { return netip.AddrFrom16([16]byte(randomOctets(r, 16))) }

func randomOption(r *rand.Rand, kind OptionType) Option {
	switch kind {
	case OptionResponderValidator:
		return &ResponderValidator{randomOctets(r, r.IntN(64))}
	case OptionLocatorList:
		o := &LocatorList{Generation: r.Uint32()}
		for range r.IntN(20) {
			o.Locators = append(o.Locators, Locator{randomAddr(r), VerificationMethod(r.Uint32())})
		}
		return o
	case OptionLocatorPreferences:
		o := &LocatorPreferences{Generation: r.Uint32(), ElementLen: uint8(1 + r.IntN(8))}
		if r.IntN(4) == 0 {
			o.ElementLen = uint8(r.IntN(9))
			o.Raw = randomOctets(r, r.IntN(60))
			if o.Malformed = o.odd(len(o.Raw)); o.Malformed {
				return o
			}
			o.Raw = nil
		}
		for range r.IntN(20) {
			e := Preference{Flags: PreferenceFlags(r.Uint32())}
			if o.ElementLen > 1 {
				e.Priority = uint8(r.Uint32())
			}
			if o.ElementLen > 2 {
				e.Weight = uint8(r.Uint32())
				e.Rest = randomOctets(r, int(o.ElementLen)-3)
			}
			o.Elements = append(o.Elements, e)
		}
		return o
	case OptionCGAParameterDataStructure:
		return &CGAParameterDataStructure{randomOctets(r, r.IntN(256))}
	case OptionCGASignature:
		return &CGASignature{randomOctets(r, r.IntN(257))}
	case OptionULIDPair:
		return &ULIDPair{randomAddr(r), randomAddr(r)}
	case OptionForkedInstanceIdentifier:
		return &ForkedInstanceIdentifier{r.Uint32()}
	case OptionKeepaliveTimeout:
		return &KeepaliveTimeout{uint16(r.Uint32())}
	}
	return &UnknownOption{OptionType: kind, Contents: randomOctets(r, r.IntN(40))}
}

func randomMessage(r *rand.Rand) Message {
	tag := func() ContextTag { return ContextTag(r.Uint64()) & MaxContextTag }
	reports := func(n int) (all []ProbeReport) {
		for range n {
			all = append(all, ProbeReport{randomAddr(r), randomAddr(r), r.Uint32(), r.Uint32()})
		}
		return all
	}
	messages := []Message{
		&I1{InitiatorContextTag: tag(), InitiatorNonce: r.Uint32()},
		&R1{InitiatorNonce: r.Uint32(), ResponderNonce: r.Uint32()},
		&I2{InitiatorContextTag: tag(), InitiatorNonce: r.Uint32(), ResponderNonce: r.Uint32()},
		&R2{ResponderContextTag: tag(), InitiatorNonce: r.Uint32()},
		&R1bis{PacketContextTag: tag(), ResponderNonce: r.Uint32()},
		&I2bis{InitiatorContextTag: tag(), InitiatorNonce: r.Uint32(), ResponderNonce: r.Uint32(), PacketContextTag: tag()},
		&UpdateRequest{ReceiverContextTag: tag(), RequestNonce: r.Uint32()},
		&UpdateAcknowledgement{ReceiverContextTag: tag(), RequestNonce: r.Uint32()},
		&Keepalive{ReceiverContextTag: tag()},
		&Probe{ReceiverContextTag: tag(), State: ProbeState(r.IntN(3)), Sent: reports(1 + r.IntN(15)), Received: reports(r.IntN(16))},
		&ErrorMessage{Code: ErrorCode(r.IntN(128)), Pointer: uint16(r.Uint32()), PacketInError: randomOctets(r, 8*(1+r.IntN(154)))},
	}
	m := messages[r.IntN(len(messages))]
	options, _ := m.parts()
	if options == nil {
		return m
	}
	kinds := r.Perm(20)
	for _, kind := range kinds[:r.IntN(len(kinds))] {
		if kind := OptionType(kind); m.Type().Lists(kind) {
			*options = append(*options, randomOption(r, kind))
		} else {
			*options = append(*options, &UnknownOption{OptionType: kind, Contents: randomOctets(r, r.IntN(20))})
		}
	}
	return m
}

var writeCorpus = flag.Bool("corpus", false, "write the seeds of FuzzDecode to testdata")

// The seeds in the tree: the messages of goldens and captures, and wrong messages that are hard to
// find by chance.
func TestCorpus(t *testing.T) {
	var seeds [][]byte
	for _, g := range goldens {
		seeds = append(seeds, octets(t, g.octets))
	}
	for _, name := range []string{"plain-plain", "cga-cga"} {
		seen := make(map[Type]bool)
		for _, c := range capture(t, name) {
			if kind := Type(c.octets[2]); !seen[kind] && (!IsPayload(c.octets) || !seen[0x80]) {
				seen[kind] = true
				if IsPayload(c.octets) {
					seen[0x80] = true
				}
				seeds = append(seeds, c.octets)
			}
		}
	}
	seeds = append(seeds,
		fixed16(t, TypeR2, "0006 0008 00000001 00 000000 00000000"), // Element Len 0
		fixed16(t, TypeR2, "0006 0008 00000001 02 010203 00000000"), // one and a half elements
		fixed16(t, TypeR2, "0004 000c 00000009 00 f1f2f3f4f5f6f7"),  // an empty list with padding
		fixed16(t, TypeKeepalive, "0012 0000 00000000 0013 0004 01020304"),
		fixed16(t, TypeI1, "000f 0004 00000007"),
		with(mustAppend(t, &I1{InitiatorNonce: 0xc3fe}), 4, 0xff, 0xff), // a checksum of 0, written as 0xffff
		packetOf(t, ulidA, ulidB, mustAppend(t, &Keepalive{})),
	)
	dir := "testdata/fuzz/FuzzDecode"
	for _, b := range seeds {
		name := filepath.Join(dir, fmt.Sprintf("%.8x", sha256.Sum256(b)))
		want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", b)
		if *writeCorpus {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not as it should be (write it by go test -run TestCorpus -corpus): %v", name, err)
		}
	}
}
