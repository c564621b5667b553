// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"math/bits"
)

// checksumAt is the offset of the checksum in a control message.
const checksumAt = 4

// checksum is the one's complement of the one's complement sum of b, whose length is a multiple of
// 8. Over a control message with its checksum in place, it is 0 if that checksum is right. By RFC
// 5533, section 5.3, it covers neither a pseudo-header nor the octets after the message.
func checksum(b []byte) uint16 {
	// Eight octets at a time: folding 64 bits into 16 gives the sum of the
	// 16-bit words, because 2^16 is 1 modulo 2^16-1.
	var sum, carry uint64
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	// A carry is worth 1; adding it to the folded sum cannot overflow.
	sum = sum>>32 + sum&0xffffffff + carry
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
