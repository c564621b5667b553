// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// UpdateRequest replaces the sender's locators, their preferences, or both (RFC 5533, section
// 5.10).
type UpdateRequest struct {
	// ReceiverContextTag is the tag that the receiver has allocated.
	ReceiverContextTag ContextTag
	// RequestNonce is returned in the UpdateAcknowledgement.
	RequestNonce uint32
	Options      Options // see Type.Lists
	Residue      *Residue
}

// Type returns TypeUpdateRequest.
func (m *UpdateRequest) Type() Type                   { return TypeUpdateRequest }
func (m *UpdateRequest) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *UpdateRequest) decodeFixed(b []byte) (int, *ProtocolError) {
	m.ReceiverContextTag = tagAt(b[6:])
	m.RequestNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *UpdateRequest) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.ReceiverContextTag, m.RequestNonce)
}

// UpdateAcknowledgement says that an UpdateRequest has arrived (RFC 5533,
// section 5.11).
type UpdateAcknowledgement struct {
	// ReceiverContextTag is the tag that the receiver has allocated.
	ReceiverContextTag ContextTag
	// RequestNonce is copied from the UpdateRequest.
	RequestNonce uint32
	Options      Options // see Type.Lists
	Residue      *Residue
}

// Type returns TypeUpdateAcknowledgement.
func (m *UpdateAcknowledgement) Type() Type                   { return TypeUpdateAcknowledgement }
func (m *UpdateAcknowledgement) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *UpdateAcknowledgement) decodeFixed(b []byte) (int, *ProtocolError) {
	m.ReceiverContextTag = tagAt(b[6:])
	m.RequestNonce = binary.BigEndian.Uint32(b[12:])
	return 16, nil
}

func (m *UpdateAcknowledgement) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.ReceiverContextTag, m.RequestNonce)
}
