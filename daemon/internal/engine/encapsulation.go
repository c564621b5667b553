// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// Encapsulation is how the packets of a context are carried on a locator pair.
type Encapsulation uint8

const (
	// Native is the encapsulation of RFC 5533: a Payload Extension header, as IP protocol
	// 140.
	Native Encapsulation = iota
	// UDP is as Native, behind a UDP header (docs/udp-encapsulation.md). On the ULID pair it
	// is that of control messages; payload goes there without any header until it has had
	// one elsewhere.
	UDP
)

// String returns the name that netlink/shim6.yaml has for it, or a number.
func (e Encapsulation) String() string {
	switch e {
	case Native:
		return "native"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("%d", uint8(e))
}

// By is the pair with another encapsulation.
func (p Pair) By(e Encapsulation) Pair {
	p.Encapsulation = e
	return p
}

// Other is the pair with the other encapsulation.
func (p Pair) Other() Pair { return p.By(1 - p.Encapsulation) }

// SamePath reports whether two pairs have the same addresses.
func (p Pair) SamePath(q Pair) bool { return p.Local == q.Local && p.Peer == q.Peer }

// UseUDP is whether messages and payload are sent in UDP.
type UseUDP uint8

const (
	// UDPNever: nothing is. Messages that come in UDP are answered in UDP all the same.
	UDPNever UseUDP = iota
	// UDPAuto: what is not answered natively is tried in UDP as well, and the other way
	// round.
	UDPAuto
	// UDPAlways: everything is.
	UDPAlways
)

// UseUDP is how this host uses UDP.
func (e *Engine) UseUDP() UseUDP { return e.config.UDP }

// Encapsulations are those by which a pair is to be tried, the one that is more likely to pass
// first. If there is only one, the second is false.
func (e *Engine) Encapsulations(p Pair) (first, second Encapsulation, both bool) {
	switch e.config.UDP {
	case UDPNever:
		return Native, Native, false
	case UDPAlways:
		return UDP, UDP, false
	}
	if e.carriers.udp(p, e.now) {
		return UDP, Native, true
	}
	return Native, UDP, true
}

// Learn notes how a pair between two networks was found to carry messages: in UDP and not
// natively, or natively. The next context between them begins like that. After ten minutes, and later
// every day, native is tried again first.
func (e *Engine) Learn(p Pair) {
	if e.config.UDP == UDPAuto && e.carriers.learn(p, e.now) {
		e.emit(Learned{e.carriers.entry(p, e.now)})
	}
}

// way is how a request is sent after so many retransmissions: every second one goes by the other
// encapsulation, since the answer comes the way of the request, and may be what is lost.
func (e *Engine) way(p Pair, retries uint8) Pair {
	if e.config.UDP == UDPNever {
		// The port is closed, though a context may be older than that.
		return p.By(Native)
	}
	if e.config.UDP == UDPAuto && retries%2 == 1 {
		return p.Other()
	}
	return p
}
