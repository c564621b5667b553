// SPDX-License-Identifier: BSD-3-Clause

package wire

// VerificationFailed is the error if a locator of m's Locator List does not verify: code 2, and the
// pointer at its verification method (RFC 5533, section 5.14). locator is its index in the list.
// The error is nil if m has no such locator.
func VerificationFailed(m Message, locator int) *ProtocolError {
	o, at := located[*LocatorList](m)
	if o == nil || locator < 0 || locator >= len(o.Locators) {
		return nil
	}
	return fail(m.Type(), CodeVerification, at+o.methodOffset(locator),
		"locator %d, %s, does not verify by %s", locator, o.Locators[locator].Address, o.Locators[locator].Method)
}

// GenerationMismatch is the error if m's Locator Preferences are about another generation than that
// of the locator list in use: code 3, and the pointer at the generation (RFC 5533, section 10.4).
// It is nil if m has no such option.
func GenerationMismatch(m Message, inUse uint32) *ProtocolError {
	o, at := located[*LocatorPreferences](m)
	if o == nil {
		return nil
	}
	return fail(m.Type(), CodeGeneration, at+optionHeaderLen,
		"Locator Preferences is about generation %d, and %d is in use", o.Generation, inUse)
}

// LocatorCountMismatch is the error if m's Locator Preferences are about another number of locators
// than the list in use has, or are Malformed: code 4, and the pointer at the Length (RFC 5533,
// section 10.4). It is nil if m has no such option. The caller has found that the option does not
// fit (see LocatorPreferences.Fits), after all other checks of section 10.4.
func LocatorCountMismatch(m Message, inUse int) *ProtocolError {
	o, at := located[*LocatorPreferences](m)
	switch {
	case o == nil:
		return nil
	case o.Malformed && o.ElementLen == 0:
		return fail(m.Type(), CodeLocatorCount, at+2, "Locator Preferences has an Element Len of 0")
	case o.Malformed:
		return fail(m.Type(), CodeLocatorCount, at+2,
			"Locator Preferences has %d octets of elements, which is no multiple of the Element Len %d", len(o.Raw), o.ElementLen)
	}
	return fail(m.Type(), CodeLocatorCount, at+2,
		"Locator Preferences is about %d locators, and there are %d", len(o.Elements), inUse)
}

// located returns m's option of type T and its offset, or the zero T.
func located[T Option](m Message) (o T, at int) {
	options, _ := m.parts()
	if options == nil {
		return o, 0
	}
	o = find[T](*options)
	at, _ = OptionOffset(m, o)
	return o, at
}
