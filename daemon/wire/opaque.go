// SPDX-License-Identifier: BSD-3-Clause

package wire

// ResponderValidator is the Responder Validator option (RFC 5533, section
// 5.15.1). The octets mean something to the responder alone.
type ResponderValidator struct {
	Validator []byte
}

// Type returns OptionResponderValidator.
func (o *ResponderValidator) Type() OptionType     { return OptionResponderValidator }
func (o *ResponderValidator) contentsLen() int     { return len(o.Validator) }
func (o *ResponderValidator) reserved() (int, int) { return 0, 0 }

func (o *ResponderValidator) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Validator...), nil
}

// CGAParameterDataStructure is the CGA Parameter Data Structure option (RFC
// 5533, section 5.15.4).
type CGAParameterDataStructure struct {
	// PDS is the structure as RFC 3972, section 3, and RFC 5535 have it. It
	// is not looked into here.
	PDS []byte
}

// Type returns OptionCGAParameterDataStructure.
func (o *CGAParameterDataStructure) Type() OptionType     { return OptionCGAParameterDataStructure }
func (o *CGAParameterDataStructure) contentsLen() int     { return len(o.PDS) }
func (o *CGAParameterDataStructure) reserved() (int, int) { return 0, 0 }

func (o *CGAParameterDataStructure) appendContents(b []byte) ([]byte, error) {
	return append(b, o.PDS...), nil
}

// CGASignature is the CGA Signature option (RFC 5533, section 5.15.5).
type CGASignature struct {
	// Signature is of PKCS#1 v1.5. It is not looked into here.
	Signature []byte
}

// Type returns OptionCGASignature.
func (o *CGASignature) Type() OptionType     { return OptionCGASignature }
func (o *CGASignature) contentsLen() int     { return len(o.Signature) }
func (o *CGASignature) reserved() (int, int) { return 0, 0 }

func (o *CGASignature) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Signature...), nil
}
