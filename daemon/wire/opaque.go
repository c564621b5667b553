// SPDX-License-Identifier: BSD-3-Clause

package wire

// The options whose contents this package does not look into.

// ResponderValidator is the Responder Validator option (RFC 5533, section 5.15.1).
type ResponderValidator struct {
	// Validator means something to the responder alone.
	Validator []byte
}

// ResponderValidator returns the Responder Validator option.
func (o Options) ResponderValidator() *ResponderValidator { return find[*ResponderValidator](o) }

// Type returns OptionResponderValidator.
func (o *ResponderValidator) Type() OptionType     { return OptionResponderValidator }
func (o *ResponderValidator) contentsLen() int     { return len(o.Validator) }
func (o *ResponderValidator) reserved() (int, int) { return 0, 0 }

func decodeResponderValidator(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &ResponderValidator{Validator: orNil(c)}, nil
}

func (o *ResponderValidator) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Validator...), nil
}

// CGAParameterDataStructure is the CGA Parameter Data Structure option (RFC 5533, section
// 5.15.4).
type CGAParameterDataStructure struct {
	// PDS is the structure of RFC 3972, section 3, and RFC 5535; package cga parses it.
	PDS []byte
}

// CGAParameterDataStructure returns the CGA Parameter Data Structure option.
func (o Options) CGAParameterDataStructure() *CGAParameterDataStructure {
	return find[*CGAParameterDataStructure](o)
}

// Type returns OptionCGAParameterDataStructure.
func (o *CGAParameterDataStructure) Type() OptionType     { return OptionCGAParameterDataStructure }
func (o *CGAParameterDataStructure) contentsLen() int     { return len(o.PDS) }
func (o *CGAParameterDataStructure) reserved() (int, int) { return 0, 0 }

func decodeCGAParameterDataStructure(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &CGAParameterDataStructure{PDS: orNil(c)}, nil
}

func (o *CGAParameterDataStructure) appendContents(b []byte) ([]byte, error) {
	return append(b, o.PDS...), nil
}

// CGASignature is the CGA Signature option (RFC 5533, section 5.15.5).
type CGASignature struct {
	// Signature is of PKCS#1 v1.5; package cga verifies it.
	Signature []byte
}

// CGASignature returns the CGA Signature option.
func (o Options) CGASignature() *CGASignature { return find[*CGASignature](o) }

// Type returns OptionCGASignature.
func (o *CGASignature) Type() OptionType     { return OptionCGASignature }
func (o *CGASignature) contentsLen() int     { return len(o.Signature) }
func (o *CGASignature) reserved() (int, int) { return 0, 0 }

func decodeCGASignature(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &CGASignature{Signature: orNil(c)}, nil
}

func (o *CGASignature) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Signature...), nil
}
