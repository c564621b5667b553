// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"

	"shim6/daemon/wire"
	"shim6/netlink"
)

// probe is the result of a probe of a pair.
type probe struct {
	local, peer netip.Addr
	mtu         int
	// small is an I1, and full a packet with a payload header that fills the path. If full is not
	// answered, payload is a short packet of that kind, and control the longest I1 that may be.
	// echo and fullEcho are Echo Requests, for comparison.
	small, full, payload, control, echo, fullEcho outcome
	// rehomed: Echo Requests go by another pair, so there are none.
	rehomed bool
}

// probe sends an I1 first. A host with Shim6 answers it by R1 and makes no context (RFC 5533, section
// 7.9). Then it sends a packet that fills the path. A control message may not be longer than 1280
// octets (section 5.1), so that packet is payload with a tag that nobody has: the answer is R1bis
// (section 7.17).
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
	// An Echo Request goes by another pair then, and says nothing about this one.
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
		// There may be several hops, each with a smaller MTU than the one before.
		if !tooBig || try == 8 {
			break
		}
		p.mtu = int(f.info)
	}
	if p.full.answered || p.full.failure != nil {
		return p, nil
	}
	// Did that packet get lost, or does the peer not answer packets of its kind?
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

// longestMessage is the length in octets of the longest control message that fits: a multiple of 8,
// within the limit of RFC 5533, section 5.1.
func longestMessage(mtu int) int {
	return min(mtu-ipv6HeaderLen, wire.MaxMessageLen) &^ 7
}

// rehomed reports whether payload between two ULIDs goes by other addresses. It never does without
// the module.
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
