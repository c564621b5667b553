// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"encoding/binary"
	"math/bits"
)

// checksumAt is where the checksum is in a control message.
const checksumAt = 4

// checksum is the one's complement of the one's complement sum of b, whose
// length is a multiple of 8. Over a control message that has its checksum in
// place it is 0 if that is right (RFC 5533, section 5.3: no pseudo-header, and
// not what follows the message).
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
