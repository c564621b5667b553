// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"

	"shim6/daemon/wire"
	"shim6/netlink"
)

// probe is what was found out about a pair.
type probe struct {
	local, peer netip.Addr
	mtu         int
	// small is an I1 and full a packet with a payload header that fills the path. If that
	// is not answered, payload is a short one, and control the longest I1 that there may
	// be. echo and fullEcho are what ping sends, for comparison.
	small, full, payload, control, echo, fullEcho outcome
	rehomed                                       bool
}

// probe sends an I1, to which whoever has Shim6 answers R1 without making a context
// (RFC 5533, section 7.9), and then what fills the path. That is no control message, which
// may not be longer than 1280 octets (section 5.1), but payload with a tag that nobody
// has: it is answered by R1bis (section 7.17).
func (t *tool) probe(local, peer netip.Addr) (*probe, error) {
	n, err := t.network(t.netns, local, peer)
	if err != nil {
		return nil, err
	}
	defer n.close()
	p := &probe{local: n.local(), peer: peer}
	if p.mtu, err = n.mtu(); err != nil {
		return nil, fmt.Errorf("asking for the MTU: %w", err)
	}
	// What ping sends goes by another pair then, and says nothing of this one.
	p.rehomed = t.rehomed(p.local, p.peer)
	if p.small, err = sendI1(n, smallMessage); err != nil {
		return nil, err
	}
	if !p.small.answered {
		if !p.rehomed && p.small.failure == nil {
			p.echo, err = sendEcho(n, 64)
		}
		return p, err
	}
	for try := 0; ; try++ {
		if p.full, err = sendPayload(n, min(p.mtu, maxPacket)-ipv6HeaderLen); err != nil {
			return nil, err
		}
		f := p.full.failure
		tooBig := f != nil && f.kind == icmpTooBig && int(f.info) < p.mtu && f.info >= ipv6MinMTU
		// There may be several hops, each narrower than the one before.
		if !tooBig || try == 8 {
			break
		}
		p.mtu = int(f.info)
	}
	if p.full.answered || p.full.failure != nil {
		return p, nil
	}
	// Is it that packet that does not arrive, or does the peer not answer it?
	if p.payload, err = sendPayload(n, wire.PayloadHeaderLen); err != nil {
		return nil, err
	}
	length := p.full.length
	if !p.payload.answered {
		if p.control, err = sendI1(n, longestMessage(p.mtu)); err != nil {
			return nil, err
		}
		length = p.control.length
	}
	if !p.rehomed && !p.control.answered && p.control.failure == nil {
		p.fullEcho, err = sendEcho(n, length)
	}
	return p, err
}

const (
	ipv6MinMTU = 1280
	// maxPacket is the longest packet that there is.
	maxPacket = ipv6HeaderLen + 65535
)

// longestMessage is the octets of the longest control message that fits: a multiple of 8,
// and no more than may be sent (RFC 5533, section 5.1).
func longestMessage(mtu int) int {
	return min(mtu-ipv6HeaderLen, wire.MaxMessageLen) &^ 7
}

// rehomed reports whether payload between two ULIDs goes by other addresses. Without
// the module it does not.
func (t *tool) rehomed(local, peer netip.Addr) bool {
	there, err := t.loaded(t.netns)
	if err != nil || !there {
		return false
	}
	is := false
	_ = t.with(func(c client) error {
		x, err := c.Context(netlink.ULIDs{Local: local, Peer: peer})
		is = err == nil && (x.LocatorLocal != local || x.LocatorPeer != peer)
		return err
	})
	return is
}
