// SPDX-License-Identifier: BSD-3-Clause

package wire

// Options are the options of a message, in their order. Each option that is known has a method
// that returns it, nil if it is not there.
type Options []Option

// find returns the option of type T, nil if there is none.
func find[T Option](options Options) (t T) {
	for _, o := range options {
		if v, ok := o.(T); ok {
			return v
		}
	}
	return t
}

// OptionOffset is the offset of an option of m, in octets from the start of the Shim6 header; false
// if m does not have the option. The option is found by identity, not by value.
func OptionOffset(m Message, option Option) (int, bool) {
	options, _ := m.parts()
	if options == nil {
		return 0, false
	}
	at := layoutOf(m.Type()).fixed
	if p, ok := m.(*Probe); ok {
		at = p.fixedLen()
	}
	for _, o := range *options {
		if o == option {
			return at, true
		}
		at += totalLen(o.contentsLen())
	}
	return 0, false
}
