// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// Encapsulation is how the packets of a context are carried on a locator pair.
type Encapsulation uint8

// Native is the encapsulation of RFC 5533: a Payload Extension header, as IP protocol 140.
const Native Encapsulation = 0

// String returns the name that netlink/shim6.yaml has for it, or a number.
func (e Encapsulation) String() string {
	if e == Native {
		return "native"
	}
	return fmt.Sprintf("%d", uint8(e))
}
