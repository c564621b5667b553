// SPDX-License-Identifier: BSD-3-Clause

package wire

// Options are the options of a message, in their order. Its methods return the
// option of a type, nil if there is none.
type Options []Option

// find returns the option of type T.
func find[T Option](options Options) (t T) {
	for _, o := range options {
		if v, ok := o.(T); ok {
			return v
		}
	}
	return t
}

// ResponderValidator returns the Responder Validator option.
func (o Options) ResponderValidator() *ResponderValidator { return find[*ResponderValidator](o) }

// LocatorList returns the Locator List option.
func (o Options) LocatorList() *LocatorList { return find[*LocatorList](o) }

// LocatorPreferences returns the Locator Preferences option.
func (o Options) LocatorPreferences() *LocatorPreferences { return find[*LocatorPreferences](o) }

// CGAParameterDataStructure returns the CGA Parameter Data Structure option.
func (o Options) CGAParameterDataStructure() *CGAParameterDataStructure {
	return find[*CGAParameterDataStructure](o)
}

// CGASignature returns the CGA Signature option.
func (o Options) CGASignature() *CGASignature { return find[*CGASignature](o) }

// ULIDPair returns the ULID Pair option.
func (o Options) ULIDPair() *ULIDPair { return find[*ULIDPair](o) }

// ForkedInstanceIdentifier returns the Forked Instance Identifier option.
func (o Options) ForkedInstanceIdentifier() *ForkedInstanceIdentifier {
	return find[*ForkedInstanceIdentifier](o)
}

// KeepaliveTimeout returns the Keepalive Timeout option.
func (o Options) KeepaliveTimeout() *KeepaliveTimeout { return find[*KeepaliveTimeout](o) }

// FII is the Forked Instance Identifier, 0 if the option is not there: the
// default of RFC 5533, section 12.4.
func (o Options) FII() uint32 {
	if f := o.ForkedInstanceIdentifier(); f != nil {
		return f.FII
	}
	return 0
}

// OptionOffset is the offset in octets, from the start of the Shim6 header, of
// an option of m; false if m has no such option. The option is found by
// identity, not by value.
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
