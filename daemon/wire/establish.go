// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// I1 is the first message of the context establishment, from the initiator (RFC 5533, section 5.4).
type I1 struct {
	// InitiatorContextTag is the tag that the initiator has allocated.
	InitiatorContextTag ContextTag
	// InitiatorNonce is returned in the R1.
	InitiatorNonce uint32
	Options        Options // see Type.Lists
	Residue        *Residue
}

// Type returns TypeI1.
func (m *I1) Type() Type                   { return TypeI1 }
func (m *I1) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *I1) decodeFixed(b []byte) (int, *ProtocolError) {
	m.InitiatorContextTag = tagAt(b[6:])
	m.InitiatorNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *I1) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.InitiatorContextTag, m.InitiatorNonce)
}

// appendTagNonce appends the two fields with which most messages begin.
func appendTagNonce(b []byte, tag ContextTag, nonce uint32) ([]byte, error) {
	b, err := appendTag(b, tag)
	return binary.BigEndian.AppendUint32(b, nonce), err
}

// R1 is the second message of the context establishment, from the responder, which has no state yet
// (RFC 5533, section 5.5). It has no tag and no ULIDs.
type R1 struct {
	// InitiatorNonce is copied from the I1.
	InitiatorNonce uint32
	// ResponderNonce is returned in the I2.
	ResponderNonce uint32
	Options        Options // see Type.Lists
	Residue        *Residue
}

// Type returns TypeR1.
func (m *R1) Type() Type                   { return TypeR1 }
func (m *R1) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *R1) decodeFixed(b []byte) (int, *ProtocolError) {
	m.InitiatorNonce = binary.BigEndian.Uint32(b[8:])
	m.ResponderNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *R1) appendFixed(b []byte, _ int) ([]byte, error) {
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, m.InitiatorNonce)
	return binary.BigEndian.AppendUint32(b, m.ResponderNonce), nil
}

// I2 is the third message of the context establishment, from the initiator (RFC 5533, section 5.6).
type I2 struct {
	// InitiatorContextTag is the tag that the initiator has allocated.
	InitiatorContextTag ContextTag
	// InitiatorNonce is returned in the R2.
	InitiatorNonce uint32
	// ResponderNonce is copied from the R1.
	ResponderNonce uint32
	Options        Options // see Type.Lists
	Residue        *Residue
}

// Type returns TypeI2.
func (m *I2) Type() Type                   { return TypeI2 }
func (m *I2) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *I2) decodeFixed(b []byte) (int, *ProtocolError) {
	m.InitiatorContextTag = tagAt(b[6:])
	m.InitiatorNonce = binary.BigEndian.Uint32(b[12:])
	m.ResponderNonce = binary.BigEndian.Uint32(b[16:])
	return 24, nil
}

func (m *I2) appendFixed(b []byte, _ int) ([]byte, error) {
	b, err := appendTagNonce(b, m.InitiatorContextTag, m.InitiatorNonce)
	b = binary.BigEndian.AppendUint32(b, m.ResponderNonce)
	return append(b, 0, 0, 0, 0), err
}

// R2 is the fourth message of the context establishment, from the responder. It also answers an I1
// that has crossed the host's own I1 (RFC 5533, section 5.7).
type R2 struct {
	// ResponderContextTag is the tag that the responder has allocated.
	ResponderContextTag ContextTag
	// InitiatorNonce is copied from the message that the R2 answers: I2, I2bis or I1.
	InitiatorNonce uint32
	Options        Options // see Type.Lists
	Residue        *Residue
}

// Type returns TypeR2.
func (m *R2) Type() Type                   { return TypeR2 }
func (m *R2) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *R2) decodeFixed(b []byte) (int, *ProtocolError) {
	m.ResponderContextTag = tagAt(b[6:])
	m.InitiatorNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *R2) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.ResponderContextTag, m.InitiatorNonce)
}
