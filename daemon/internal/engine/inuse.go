// SPDX-License-Identifier: BSD-3-Clause

package engine

import "net/netip"

// LocalULIDs are our ULIDs of all contexts. It takes some nanoseconds a context.
func (e *Engine) LocalULIDs() map[netip.Addr]bool {
	used := map[netip.Addr]bool{}
	for c := e.first; c != nil; c = c.next {
		used[c.ulids.Local] = true
	}
	return used
}
