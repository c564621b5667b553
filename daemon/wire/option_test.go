// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// listed has the options that RFC 5533, sections 5.4 to 5.14, and RFC 5534, section 5.3, list for
// each message.
var listed = []struct {
	kind    Type
	options []OptionType
	shows   string
}{
	{TypeI1, []OptionType{6, 7}, "5533-5.4-07"},
	{TypeR1, []OptionType{1}, "5533-5.5-07"},
	{TypeI2, []OptionType{1, 6, 7, 2, 3, 4, 5, 10}, "5533-5.6-12"},
	{TypeR2, []OptionType{2, 3, 4, 5, 10}, "5533-5.7-06"},
	{TypeR1bis, []OptionType{1}, "5533-5.8-06"},
	{TypeI2bis, []OptionType{1, 6, 7, 2, 3, 4, 5, 10}, "5533-5.9-09"},
	{TypeUpdateRequest, []OptionType{2, 3, 4, 5, 10}, "5533-5.10-08"},
	{TypeUpdateAcknowledgement, nil, "5533-5.11-01"},
	{TypeKeepalive, nil, ""},
	{TypeProbe, nil, ""},
}

// Each option in each message: a listed one has its own type, and one that is not listed is treated
// like an unknown one.
func TestOptionsInMessages(t *testing.T) {
	shows.IDs(t, "5533-5.15-17")
	for i, m := range bare()[:len(listed)] {
		test := listed[i]
		shows.IDs(t, test.shows)
		if m.Type() != test.kind {
			t.Fatalf("%s in the place of %s", m.Type(), test.kind)
		}
		options, _ := m.parts()
		for _, o := range everyOption() {
			t.Run(fmt.Sprintf("%s in %s", o.Type(), m.Type()), func(t *testing.T) {
				contents, err := o.appendContents(nil)
				if err != nil {
					t.Fatal(err)
				}
				unknown := &UnknownOption{OptionType: o.Type(), Contents: contents}
				critical := &UnknownOption{OptionType: o.Type(), Contents: contents, Critical: true}
				want := Option(unknown)
				if slices.Contains(test.options, o.Type()) {
					want = o
					*options = Options{unknown}
					if b, err := Append(nil, m); err == nil {
						t.Errorf("appended as unknown: % x", b)
					}
				} else {
					*options = Options{o}
					if b, err := Append(nil, m); err == nil {
						t.Errorf("appended: % x", b)
					}
					*options = Options{critical}
					b := mustAppend(t, m)
					e := wrong(t, b)
					at, ok := OptionOffset(m, critical)
					if e.Code != CodeCriticalOption || !ok || e.Pointer != at || !e.Answer() {
						t.Errorf("critical: %v, at %d", e, at)
					}
				}
				*options = Options{want}
				b := mustAppend(t, m)
				got, _ := mustDecode(t, b).parts()
				if d := cmp.Diff(Options{want}, *got, same); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
				// Either way the octets are the option's.
				at, _ := OptionOffset(m, want)
				if head := []byte{0, byte(o.Type() * 2), byte(len(contents) >> 8), byte(len(contents))}; !bytes.HasPrefix(b[at:], append(head, contents...)) {
					t.Errorf("octet %d of % x", at, b)
				}
			})
		}
	}
}

// Padding follows the formulas of RFC 5533, section 5.15.
func TestPadding(t *testing.T) {
	shows.IDs(t, "5533-5.15-02 5533-5.15-03 5533-5.15-04 5533-5.15-05 5533-5.15-07")
	for length := range 300 {
		m := &R1{Options: Options{&ResponderValidator{Validator: bytes.Repeat([]byte{0xff}, length)}}}
		b := mustAppend(t, m)[16:]
		total := 11 + length - (length+3)%8
		padding := 7 - (length+3)%8
		if len(b) != total || total%8 != 0 || padding < 0 || padding > 7 {
			t.Errorf("Length %d: %d octets, want %d", length, len(b), total)
		}
		if got := int(b[2])<<8 | int(b[3]); got != length {
			t.Errorf("Length %d: is written as %d", length, got)
		}
		if !bytes.Equal(b[4+length:], make([]byte, padding)) {
			t.Errorf("Length %d: padding % x, want %d zeros", length, b[4+length:], padding)
		}
		if d := cmp.Diff(m, mustDecode(t, mustAppend(t, m)), same); d != "" {
			t.Errorf("Length %d: %s", length, d)
		}
	}
}

// Locator lists of any length that a message can have: the Length is right, and the methods and
// locators are in their places.
func TestLocatorList(t *testing.T) {
	shows.IDs(t, "5533-5.15.2-01 5533-5.15.2-02 5533-5.15.2-12")
	for n := range 115 {
		list := &LocatorList{Generation: 0xfedcba98}
		for i := range n {
			list.Locators = append(list.Locators, Locator{
				Address: netip.AddrFrom16([16]byte{0x20, 0x01, 15: byte(i)}), Method: VerificationMethod(200 + i),
			})
		}
		m := &R2{Options: Options{list}}
		b := mustAppend(t, m)[16:]
		padding := 7 - n%8
		length := 4 + 1 + n + padding + 16*n
		if length != 12+8*(n/8)+16*n {
			t.Fatalf("the two formulas for %d locators differ", n)
		}
		if got := int(b[2])<<8 | int(b[3]); got != length || len(b) != 4+length {
			t.Errorf("%d locators: Length %d of %d octets, want %d", n, got, len(b), length)
		}
		if !bytes.Equal(b[4:9], []byte{0xfe, 0xdc, 0xba, 0x98, byte(n)}) {
			t.Errorf("%d locators: begins % x", n, b[4:9])
		}
		first := 9 + n + padding
		if first%8 != 0 || !bytes.Equal(b[9+n:first], make([]byte, padding)) {
			t.Errorf("%d locators: padding % x before octet %d", n, b[9+n:first], first)
		}
		for i, l := range list.Locators {
			if b[9+i] != byte(l.Method) || netip.AddrFrom16([16]byte(b[first+16*i:][:16])) != l.Address {
				t.Errorf("%d locators: number %d is not in its place", n, i)
			}
		}
		if d := cmp.Diff(m, mustDecode(t, mustAppend(t, m)), same); d != "" {
			t.Errorf("%d locators: %s", n, d)
		}
	}
}

// Locator Preferences with elements of many lengths, in many numbers.
func TestLocatorPreferences(t *testing.T) {
	shows.IDs(t, "5533-5.15.3-01 5533-5.15.3-03 5533-5.15.3-04 5533-5.15.3-05 5533-5.15.3-06 5533-5.15.3-11")
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 127, 128, 254, 255} {
		for n := 0; n < 20 && n*size < 1900; n++ {
			p := &LocatorPreferences{Generation: 0x80000001, ElementLen: uint8(size)}
			want := []byte{0, 6, 0, 0, 0x80, 0, 0, 1, byte(size)}
			for i := range n {
				e := Preference{Flags: PreferenceFlags(i)}
				want = append(want, byte(i))
				if size > 1 {
					e.Priority = 0x50
					want = append(want, 0x50)
				}
				if size > 2 {
					e.Weight = 0x60
					want = append(want, 0x60)
				}
				if size > 3 {
					e.Rest = bytes.Repeat([]byte{byte(i + 1)}, size-3)
					want = append(want, e.Rest...)
				}
				p.Elements = append(p.Elements, e)
			}
			length := len(want) - 4
			want[2], want[3] = byte(length>>8), byte(length)
			m := &R2{Options: Options{p}}
			b := mustAppend(t, m)[16:]
			if !bytes.Equal(b[:len(want)], want) {
				t.Fatalf("%d elements of %d: % x, want % x", n, size, b, want)
			}
			if d := cmp.Diff(m, mustDecode(t, mustAppend(t, m)), same); d != "" {
				t.Fatalf("%d elements of %d: %s", n, size, d)
			}
		}
	}
}

// The number of elements is checked last, with the context. So it is no error of Decode if an
// option has no whole number of elements. Such an option fits no list, not even an empty one, and
// is appended with the same octets.
func TestMalformedPreferences(t *testing.T) {
	shows.IDs(t, "5533-5.15.3-11 5533-5.14-10")
	for _, test := range []struct {
		name, option string
		want         LocatorPreferences
		says         string
	}{
		{"an Element Len of 0", "0006 0008 00000001 00 010203 00000000",
			LocatorPreferences{Generation: 1, Malformed: true, Raw: []byte{1, 2, 3}}, "Element Len of 0"},
		{"an Element Len of 0 and no element", "0006 0005 00000001 00 000000 00000000",
			LocatorPreferences{Generation: 1, Malformed: true}, "Element Len of 0"},
		{"one and a half elements", "0006 0008 00000001 02 010203 00000000",
			LocatorPreferences{Generation: 1, ElementLen: 2, Malformed: true, Raw: []byte{1, 2, 3}}, "3 octets of elements, which is no multiple of the Element Len 2"},
		{"less than an element", "0006 0008 80000001 ff 010203 00000000",
			LocatorPreferences{Generation: 0x80000001, ElementLen: 255, Malformed: true, Raw: []byte{1, 2, 3}}, "no multiple of the Element Len 255"},
		{"with padding that is not 0", "0006 0008 00000001 02 010203 f1f2f3f4",
			LocatorPreferences{Generation: 1, ElementLen: 2, Malformed: true, Raw: []byte{1, 2, 3}}, "no multiple of the Element Len 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, kind := range []Type{TypeR2, TypeUpdateRequest} {
				// Another option with contents comes before it.
				b := fixed16(t, kind, "0004 000c 00000001 00 00000000000000"+test.option)
				m := mustDecode(t, b)
				options, _ := m.parts()
				got := options.LocatorPreferences()
				if d := cmp.Diff(&test.want, got, same); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
				for n := range 4 {
					if got.Fits(n) {
						t.Errorf("it fits %d locators", n)
					}
				}
				if again := mustAppend(t, m); !bytes.Equal(again, b) {
					t.Errorf("appended again:\n got % x\nwant % x", again, b)
				}
				e := LocatorCountMismatch(m, 0)
				if e.Code != CodeLocatorCount || e.Pointer != 34 || e.Type != kind || !e.Answer() || !strings.Contains(e.Reason, test.says) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
	o := LocatorPreferences{ElementLen: 3}
	for n := range 3 {
		for listed := range 3 {
			if o.Fits(listed) != (n == listed) {
				t.Errorf("%d elements and %d locators: %t", n, listed, o.Fits(listed))
			}
		}
		o.Elements = append(o.Elements, Preference{})
	}
}

// If a message has other errors besides its preferences, one of those is the error.
func TestMalformedPreferencesAmongOthers(t *testing.T) {
	const preferences = "0006 0008 00000001 00 010203 00000000"
	for _, test := range []struct {
		name, options string
		code          ErrorCode
	}{
		{"twice", preferences + preferences, CodeDebugDuplicate},
		{"a critical option after it", preferences + "0013 0000 00000000", CodeCriticalOption},
		{"a list that is wrong after it", preferences + "0004 0004 00000001", CodeDebugLength},
	} {
		if e := wrong(t, fixed16(t, TypeUpdateRequest, test.options)); e.Code != test.code {
			t.Errorf("%s: %v, want code %d", test.name, e, test.code)
		}
	}
}

// Appending to one field of a decoded message does not change the next field.
func TestDecodedFieldsAreApart(t *testing.T) {
	m := &I2{Options: append(everyOption(), &UnknownOption{OptionType: 9, Contents: []byte{1, 2, 3}},
		&UnknownOption{OptionType: 11, Contents: []byte{4, 5, 6, 7}}, &UnknownOption{OptionType: 12, Contents: []byte{8}})}
	m.Options[4] = &LocatorPreferences{ElementLen: 5, Elements: []Preference{{Rest: []byte{1, 2}}, {Rest: []byte{3, 4}}, {Rest: []byte{5, 6}}}}
	malformed := &R2{Options: Options{&LocatorPreferences{Malformed: true, Raw: []byte{1, 2, 3}}, &KeepaliveTimeout{Seconds: 10}}}
	report := ProbeReport{Source: ulidA, Destination: ulidB}
	probe := &Probe{Sent: []ProbeReport{report, report}, Received: []ProbeReport{report, report}}
	for _, m := range []Message{m, malformed, probe} {
		b := mustAppend(t, m)
		got := mustDecode(t, b)
		options, _ := got.parts()
		// So few octets would fit into the next field.
		more := bytes.Repeat([]byte{0xaa}, 5)
		for _, o := range *options {
			switch o := o.(type) {
			case *ResponderValidator:
				_ = append(o.Validator, more...)
			case *LocatorList:
				_ = append(o.Locators, Locator{locatorB, MethodCGA})
			case *LocatorPreferences:
				_ = append(o.Elements, Preference{Flags: 0xff})
				_ = append(o.Raw, more...)
				for _, e := range o.Elements {
					_ = append(e.Rest, more...)
				}
			case *CGAParameterDataStructure:
				_ = append(o.PDS, more...)
			case *CGASignature:
				_ = append(o.Signature, more...)
			case *UnknownOption:
				_ = append(o.Contents, more...)
			}
		}
		if p, ok := got.(*Probe); ok {
			_ = append(p.Sent, ProbeReport{Nonce: 99})
			_ = append(p.Received, ProbeReport{Nonce: 99})
		}
		if again := mustAppend(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s:\n got % x\nwant % x", m.Type(), again, b)
		}
	}
}

// Flags without a name are kept and change nothing else.
func TestFlagsWithoutName(t *testing.T) {
	shows.IDs(t, "5533-5.15.3-10")
	b := fixed16(t, TypeR2, "0006 0006 00000009 01 fe 0000 00000000")
	e := mustDecode(t, b).(*R2).Options.LocatorPreferences().Elements[0]
	if e.Flags&FlagBroken != 0 || e.Flags&FlagTransient == 0 {
		t.Errorf("flags %#x", e.Flags)
	}
	b = fixed16(t, TypeR2, "0006 0006 00000009 01 fd 0000 00000000")
	e = mustDecode(t, b).(*R2).Options.LocatorPreferences().Elements[0]
	if e.Flags&FlagBroken == 0 || e.Flags&FlagTransient != 0 {
		t.Errorf("flags %#x", e.Flags)
	}
}

// Options may be in any order. Unknown ones may be anywhere, any number of times.
func TestOptionOrder(t *testing.T) {
	shows.IDs(t, "5533-5.15-21 5533-12.3-05")
	options := everyOption()
	for range options {
		options = append(options[1:], options[0])
		m := &I2{}
		for i, o := range options {
			m.Options = append(m.Options, &UnknownOption{OptionType: OptionType(8 + i%2), Contents: []byte{byte(i)}}, o)
		}
		got := mustDecode(t, mustAppend(t, m)).(*I2)
		if d := cmp.Diff(m, got, same); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if got.Options.FII() != 7 || got.Options.KeepaliveTimeout().Seconds != 10 || got.Options.ULIDPair().Sender != ulidA ||
			len(got.Options.LocatorList().Locators) != 3 || len(got.Options.LocatorPreferences().Elements) != 3 ||
			len(got.Options.CGAParameterDataStructure().PDS) != 187 || len(got.Options.CGASignature().Signature) != 128 ||
			len(got.Options.ResponderValidator().Validator) != 20 || got.Options.ForkedInstanceIdentifier().FII != 7 {
			t.Errorf("an option is not found")
		}
	}
}

// The type has 15 bits, and C is the last of 16 bits.
func TestUnknownOption(t *testing.T) {
	shows.IDs(t, "5533-5.15-01")
	for kind := OptionType(0); kind <= maxOptionType; kind++ {
		if TypeI1.Lists(kind) {
			continue
		}
		m := &I1{Options: Options{&UnknownOption{OptionType: kind, Contents: []byte{byte(kind), 1}}}}
		b := mustAppend(t, m)
		if got := int(b[16])<<8 | int(b[17]); got != int(kind)*2 {
			t.Fatalf("type %d is written as %d", kind, got)
		}
		got, ok := mustDecode(t, b).(*I1).Options[0].(*UnknownOption)
		if !ok || got.OptionType != kind || got.Critical || !bytes.Equal(got.Contents, []byte{byte(kind), 1}) {
			t.Fatalf("type %d is read as %+v", kind, got)
		}
		e := wrong(t, seal(with(b, 17, b[17]|1)))
		if e.Code != CodeCriticalOption || e.Pointer != 16 {
			t.Fatalf("type %d with C=1: %v", kind, e)
		}
	}
}

// An empty Options has no option of any type.
func TestNoOptions(t *testing.T) {
	var o Options
	if o.ResponderValidator() != nil || o.LocatorList() != nil || o.LocatorPreferences() != nil ||
		o.CGAParameterDataStructure() != nil || o.CGASignature() != nil || o.ULIDPair() != nil ||
		o.ForkedInstanceIdentifier() != nil || o.KeepaliveTimeout() != nil || o.FII() != 0 {
		t.Error("an option of none")
	}
}

// OptionOffset is where the octets of an option are.
func TestOptionOffset(t *testing.T) {
	report := ProbeReport{Source: ulidA, Destination: ulidB}
	all := append(everyMessage(), &Probe{
		Sent: []ProbeReport{report, report}, Received: []ProbeReport{report, report, report},
		Options: Options{&UnknownOption{OptionType: 8}, &UnknownOption{OptionType: 9}},
	})
	for _, m := range all {
		options, _ := m.parts()
		b := mustAppend(t, m)
		if options == nil {
			if _, ok := OptionOffset(m, &KeepaliveTimeout{}); ok {
				t.Errorf("%s has an option", m.Type())
			}
			continue
		}
		for _, o := range *options {
			at, ok := OptionOffset(m, o)
			contents, _ := o.appendContents(nil)
			if !ok || int(b[at])<<8|int(b[at+1]) != 2*int(o.Type()) || !bytes.HasPrefix(b[at+4:], contents) {
				t.Errorf("%s: %s is not at %d", m.Type(), o.Type(), at)
			}
		}
		if _, ok := OptionOffset(m, &KeepaliveTimeout{Seconds: 10}); ok {
			t.Errorf("%s has an option of another message", m.Type())
		}
	}
}
