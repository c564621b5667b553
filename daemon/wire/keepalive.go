// SPDX-License-Identifier: BSD-3-Clause

package wire

// Keepalive only shows that packets arrive (RFC 5534, section 5.1).
type Keepalive struct {
	// ReceiverContextTag is the tag that the receiver has allocated.
	ReceiverContextTag ContextTag
	Options            Options // see Type.Lists
	Residue            *Residue
}

// Type returns TypeKeepalive.
func (m *Keepalive) Type() Type                   { return TypeKeepalive }
func (m *Keepalive) parts() (*Options, **Residue) { return &m.Options, &m.Residue }

func (m *Keepalive) decodeFixed(b []byte) (int, *ProtocolError) {
	m.ReceiverContextTag = tagAt(b[6:])
	return 16, nil
}

func (m *Keepalive) appendFixed(b []byte, _ int) ([]byte, error) {
	return appendTagNonce(b, m.ReceiverContextTag, 0)
}
