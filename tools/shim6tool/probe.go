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
	// udp are the same packets in UDP; nil if this host does not use UDP.
	udp *udpProbe
	// rehomed: Echo Requests go by another pair, so there are none.
	rehomed bool
}

// udpProbe is the result of a probe in UDP, by a port. If full is not answered, control is the longest
// I1 that may be.
type udpProbe struct {
	port                 carrier
	small, full, control outcome
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
	if err := t.probeNatively(n, p); err != nil {
		return nil, err
	}
	if port := t.udpPort(); port != 0 {
		p.udp, err = probeUDP(n, port, p.mtu)
	}
	return p, err
}

func (t *tool) probeNatively(n network, p *probe) (err error) {
	if p.mtu, err = n.mtu(); err != nil {
		return fmt.Errorf("asking for the MTU: %w", err)
	}
	// An Echo Request goes by another pair then, and says nothing about this one.
	p.rehomed = t.rehomed(p.local, p.peer)
	if p.small, err = sendI1(n, 0, smallMessage); err != nil {
		return err
	}
	if !p.small.answered {
		if !p.rehomed && p.small.failure == nil {
			p.echo, err = sendEcho(n, 64)
		}
		return err
	}
	for try := 0; ; try++ {
		if p.full, err = sendPayload(n, 0, min(p.mtu, maxPacket)-ipv6HeaderLen); err != nil {
			return err
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
		return nil
	}
	// Did that packet get lost, or does the peer not answer packets of its kind?
	if p.payload, err = sendPayload(n, 0, wire.PayloadHeaderLen); err != nil {
		return err
	}
	length := p.full.length
	if !p.payload.answered {
		if p.control, err = sendI1(n, 0, longestMessage(p.mtu)); err != nil {
			return err
		}
		length = p.control.length
	}
	if !p.rehomed && !p.control.answered && p.control.failure == nil {
		p.fullEcho, err = sendEcho(n, length)
	}
	return err
}

// probeUDP is the same in UDP, by a port, as far as it says which lengths pass.
func probeUDP(n network, port carrier, mtu int) (p *udpProbe, err error) {
	p = &udpProbe{port: port}
	if p.small, err = sendI1(n, port, smallMessage); err != nil || !p.small.answered {
		return p, err
	}
	if p.full, err = sendPayload(n, port, min(mtu, maxPacket)-ipv6HeaderLen-port.overhead()); err != nil || p.full.answered || p.full.failure != nil {
		return p, err
	}
	p.control, err = sendI1(n, port, longestMessage(min(mtu, ipv6MinMTU)-port.overhead()))
	return p, err
}

// udpPort is the port of the encapsulation in UDP, 0 if the kernel has it closed. Without the module it
// is the usual one.
func (t *tool) udpPort() carrier {
	port := uint32(netlink.UdpPort)
	if there, err := t.loaded(t.netns); err == nil && there {
		_ = t.with(func(c client) error {
			x, err := c.Config()
			if err == nil {
				port = x.UDPPort
			}
			return err
		})
	}
	return carrier(port)
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
