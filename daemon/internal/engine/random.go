// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"math/rand/v2"

	"shim6/daemon/wire"
)

// random draws numbers from the configuration's source.
type random struct{ rand.Source }

// tag is a random tag. None of its 47 bits has a meaning (RFC 5533, section 7.1).
func (r random) tag() wire.ContextTag {
	return wire.ContextTag(r.Uint64() & uint64(wire.MaxContextTag))
}

func (r random) nonce() uint32 { return uint32(r.Uint64() >> 32) }

// fraction is at least 0 and below 1.
func (r random) fraction() float64 { return float64(r.Uint64()>>11) / (1 << 53) }
