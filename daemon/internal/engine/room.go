// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// ownShare: one in so many places of every limit is kept for contexts that this host begins.
// Peers can fill the rest.
const ownShare = 8

// room returns nil if there is room for one more context with these names, and otherwise
// which limit is reached. own says that this host begins the context: a peer that begins one
// may not take the share that is kept for us.
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
