// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// R1bis says that the host has no context with the tag of a packet (RFC 5533, section 5.8).
type R1bis struct {
	// PacketContextTag is the tag of the packet that the R1bis answers.
	PacketContextTag ContextTag
	// ResponderNonce is returned in the I2bis.
	ResponderNonce uint32
	Options        Options // see Type.Lists
	Residue        *Residue
}

// Type returns TypeR1bis.
func (m *R1bis) Type() Type                   { return TypeR1bis }
func (m *R1bis) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *R1bis) decodeFixed(b []byte) (int, *ProtocolError) {
	m.PacketContextTag = tagAt(b[6:])
	m.ResponderNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *R1bis) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.PacketContextTag, m.ResponderNonce)
}

// I2bis answers an R1bis and makes the context again (RFC 5533, section 5.9).
type I2bis struct {
	// InitiatorContextTag is the tag that the initiator has allocated.
	InitiatorContextTag ContextTag
	// InitiatorNonce is returned in the R2.
	InitiatorNonce uint32
	// ResponderNonce is copied from the R1bis.
	ResponderNonce uint32
	// PacketContextTag is copied from the R1bis.
	PacketContextTag ContextTag
	Options          Options // see Type.Lists
	Residue          *Residue
}

// Type returns TypeI2bis.
func (m *I2bis) Type() Type                   { return TypeI2bis }
func (m *I2bis) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *I2bis) decodeFixed(b []byte) (int, *ProtocolError) {
	m.InitiatorContextTag = tagAt(b[6:])
	m.InitiatorNonce = binary.BigEndian.Uint32(b[12:])
	m.ResponderNonce = binary.BigEndian.Uint32(b[16:])
	m.PacketContextTag = tagAt(b[26:])
	return 32, nil
}

func (m *I2bis) appendFixed(b []byte, _ int) ([]byte, error) {
	b, err := appendTagNonce(b, m.InitiatorContextTag, m.InitiatorNonce)
	if err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint32(b, m.ResponderNonce)
	return appendTag(append(b, 0, 0, 0, 0, 0, 0), m.PacketContextTag)
}
