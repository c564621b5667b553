// SPDX-License-Identifier: BSD-3-Clause

package wire

import "net/netip"

// ULIDPair is the ULID Pair option (RFC 5533, section 5.15.6).
type ULIDPair struct {
	// Sender is the Sender ULID and Receiver the Receiver ULID: sender and receiver of the
	// message. For the receiver, Sender is the peer's ULID.
	Sender, Receiver netip.Addr
}

// ULIDPair returns the ULID Pair option.
func (o Options) ULIDPair() *ULIDPair { return find[*ULIDPair](o) }

// ulidPairLen is the Length of a ULID Pair option: 32 reserved bits come first.
const ulidPairLen = 4 + 16 + 16

// Type returns OptionULIDPair.
func (o *ULIDPair) Type() OptionType     { return OptionULIDPair }
func (o *ULIDPair) contentsLen() int     { return ulidPairLen }
func (o *ULIDPair) reserved() (int, int) { return 0, 4 }

func decodeULIDPair(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &ULIDPair{Sender: addrAt(c[4:20]), Receiver: addrAt(c[20:36])}, nil
}

func (o *ULIDPair) appendContents(b []byte) ([]byte, error) {
	b, err := appendAddr(append(b, 0, 0, 0, 0), o.Sender)
	if err != nil {
		return b, err
	}
	return appendAddr(b, o.Receiver)
}
