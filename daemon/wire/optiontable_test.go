// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newOption is an option of 4 octets that a later RFC or an experiment could bring.
type newOption struct {
	kind OptionType
	text string
}

func (o *newOption) Type() OptionType     { return o.kind }
func (o *newOption) contentsLen() int     { return len(o.text) }
func (o *newOption) reserved() (int, int) { return 0, 0 }

func (o *newOption) appendContents(b []byte) ([]byte, error) { return append(b, o.text...), nil }

// know makes new options known until the end of the test.
func know(t *testing.T, in typeSet, kinds ...OptionType) {
	t.Helper()
	specs := optionSpecs[:len(optionSpecs):len(optionSpecs)]
	for _, kind := range kinds {
		specs = append(specs, optionSpec{kind, fmt.Sprintf("New %d", kind), 4, 4,
			func(_ Type, c []byte, _ int) (Option, *ProtocolError) { return &newOption{kind, string(c)}, nil }, in})
	}
	knownOptions = newOptionTable(specs)
	t.Cleanup(func() { knownOptions = newOptionTable(optionSpecs) })
}

// An option of any type can be known, however great its number is.
func TestNewOptions(t *testing.T) {
	kinds := []OptionType{8, 15, 16, 17, 63, 64, 16383, 16384, 16385, maxOptionType}
	know(t, types(TypeI1, TypeKeepalive), kinds...)
	for _, kind := range kinds {
		t.Run(fmt.Sprint(uint16(kind)), func(t *testing.T) {
			o := &newOption{kind, "text"}
			if got, want := kind.String(), fmt.Sprintf("New %d", kind); got != want {
				t.Errorf("its name is %q, want %q", got, want)
			}
			if !TypeI1.Lists(kind) || !TypeKeepalive.Lists(kind) || TypeR1.Lists(kind) || Type(129).Lists(kind) {
				t.Error("it is listed for the wrong messages")
			}
			m := &I1{Options: Options{&ForkedInstanceIdentifier{FII: 1}, o, &UnknownOption{OptionType: 9}}}
			b := mustAppend(t, m)
			if d := cmp.Diff(m, mustDecode(t, b), same, cmp.AllowUnexported(newOption{})); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			// The option is at octet 24. A known option may be critical.
			mustDecode(t, seal(with(b, 25, b[25]|1)))
			short := seal(with(b, 27, 3))
			if e := wrong(t, short); e.Code != CodeDebugLength || e.Pointer != 26 || !strings.Contains(e.Reason, "Length of 3, not 4") {
				t.Errorf("with 3 octets: %v", e)
			}
			m.Options = append(m.Options, &newOption{kind, "more"})
			if _, err := Append(nil, m); err == nil || !strings.Contains(err.Error(), "is there twice") {
				t.Errorf("appended twice: %v", err)
			}
			twice := seal(append(b, with(b[24:32], 4, 1)...))
			if e := wrong(t, twice); e.Code != CodeDebugDuplicate || e.Pointer != 40 {
				t.Errorf("decoded twice: %v", e)
			}
			if _, err := Append(nil, &I1{Options: Options{&UnknownOption{OptionType: kind}}}); err == nil {
				t.Error("an UnknownOption of that type is appended")
			}
			// In a message for which it is not listed, the option is treated like an unknown one.
			if _, err := Append(nil, &R1{Options: Options{o}}); err == nil {
				t.Error("it is appended to a message for which it is not listed")
			}
			r1 := mustAppend(t, &R1{Options: Options{&UnknownOption{OptionType: kind, Contents: []byte("text")}}})
			if _, ok := mustDecode(t, r1).(*R1).Options[0].(*UnknownOption); !ok {
				t.Error("it is known in a message for which it is not listed")
			}
			if e := wrong(t, seal(with(r1, 17, r1[17]|1))); e.Code != CodeCriticalOption || e.Pointer != 16 {
				t.Errorf("critical where it is not listed: %v", e)
			}
		})
	}
}

// Many new options and the RFCs' in one message: more than fit on the stack of the decoder.
func TestManyNewOptions(t *testing.T) {
	var kinds []OptionType
	m := &I2{Options: everyOption()}
	for kind := OptionType(100); kind < 120; kind++ {
		kinds = append(kinds, kind)
		m.Options = append(m.Options, &newOption{kind, "text"})
	}
	know(t, types(TypeI2), kinds...)
	b := mustAppend(t, m)
	if d := cmp.Diff(m, mustDecode(t, b), same, cmp.AllowUnexported(newOption{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	last := b[len(b)-8:]
	if e := wrong(t, seal(append(b, last...))); e.Code != CodeDebugDuplicate {
		t.Errorf("the last one twice: %v", e)
	}
}

// Each type has one row, with consistent numbers.
func TestOptionSpecs(t *testing.T) {
	seen := map[OptionType]bool{}
	for i, s := range optionSpecs {
		if seen[s.kind] || s.kind == 0 || s.kind > maxOptionType || s.name == "" || s.least > s.most || s.most > anyLen ||
			s.decode == nil || s.in == (typeSet{}) || knownOptions.find(s.kind) != &optionSpecs[i] {
			t.Errorf("the row of %s: %+v", s.kind, s)
		}
		seen[s.kind] = true
	}
	if len(everyOption()) != len(optionSpecs) {
		t.Errorf("the tests have %d options, and %d are known", len(everyOption()), len(optionSpecs))
	}
}
