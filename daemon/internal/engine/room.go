// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// ownShare is what share of every limit is kept for contexts that this host begins:
// one in so many. Peers can fill the rest.
const ownShare = 8

// room says why there can't be a context more of these names. A peer may not have all
// of the room: own says that we begin the context.
func (e *Engine) room(u ULIDs, own bool) error {
	full := func(n, limit int) bool {
		if !own {
			limit -= limit / ownShare
		}
		return n >= limit
	}
	switch {
	case full(len(e.byULIDs), e.config.MaxContexts):
		return fmt.Errorf("there are %d contexts, as many as MaxContexts allows: close some, or allow more", len(e.byULIDs))
	case full(e.perPeer[u.Peer], e.config.MaxPeerContexts):
		return fmt.Errorf("there are %d contexts with peer %v, as many as MaxPeerContexts allows: close some, or allow more", e.perPeer[u.Peer], u.Peer)
	case full(e.perPrefix[prefixOf(u.Peer)], e.config.MaxPrefixContexts):
		return fmt.Errorf("there are %d contexts with peers in the /64 of %v, as many as MaxPrefixContexts allows: close some, or allow more", e.perPrefix[prefixOf(u.Peer)], u.Peer)
	}
	return nil
}
