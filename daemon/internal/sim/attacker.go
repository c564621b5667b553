// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// attacker sends forged messages. Off the path it sees only the packets that are sent to it.
// On the path it sees all packets, but can't keep any from arriving.
type attacker struct {
	onPath  bool
	address netip.Addr
	seen    []packet
	// asked are the names in the I1s that it has sent from its own address, by their nonce,
	// which is also their tag. With these it can continue the exchange.
	asked map[uint32]wire.Options
}

// seenMax is how much an attacker remembers.
const seenMax = 48

func (w *world) newAttacker(onPath bool) {
	w.attackers = append(w.attackers, attacker{
		onPath: onPath, asked: make(map[uint32]wire.Options),
		// No trusted prefix has it.
		address: netip.MustParseAddr(fmt.Sprintf("3fff:ee:%x::1", len(w.attackers)+1)),
	})
}

func (a *attacker) sees(w *world, p packet) {
	if !a.onPath && p.destination != a.address {
		return
	}
	if len(a.seen) >= seenMax {
		a.seen[w.rand.IntN(seenMax)] = p
		return
	}
	a.seen = append(a.seen, p)
}

// send is like world.transmit, but other attackers don't see the packet.
func (a *attacker) send(w *world, source, destination netip.Addr, m wire.Message) {
	b, err := wire.Append(nil, m)
	if err != nil {
		return
	}
	p := packet{source: source, destination: destination, message: b, by: w.anyCarrier()}
	w.after(time.Millisecond, func() { w.deliver(p) })
}

// act is one attack.
func (a *attacker) act(w *world) {
	if len(a.seen) > 0 && w.chance(0.7) {
		a.forge(w, pick(w, a.seen))
		return
	}
	a.guess(w)
}

func (w *world) anyAddress() netip.Addr {
	return pick(w, pick(w, w.hosts).all).Address
}

func (w *world) tag() wire.ContextTag {
	return wire.ContextTag(w.rand.Uint64()) & wire.MaxContextTag
}

// guess sends messages that need no knowledge, from its own address or another one.
func (a *attacker) guess(w *world) {
	victim, peer := w.anyAddress(), w.anyAddress()
	source := a.address
	if w.chance(0.5) {
		source = peer
	}
	validator := &wire.ResponderValidator{Validator: make([]byte, 16)}
	list := &wire.LocatorList{Generation: w.rand.Uint32(), Locators: []wire.Locator{
		{Address: a.address, Method: wire.MethodHBA}, {Address: peer, Method: wire.MethodCGA},
	}}
	names := wire.Options{&wire.ULIDPair{Sender: peer, Receiver: victim}}
	n := w.rand.Uint32()
	var m wire.Message
	switch w.rand.IntN(10) {
	case 0:
		a.asked[n] = names
		for range 30 {
			a.send(w, source, victim, &wire.I1{InitiatorContextTag: wire.ContextTag(n), InitiatorNonce: n, Options: names})
		}
		return
	case 1:
		m = &wire.R1{InitiatorNonce: n, ResponderNonce: n, Options: wire.Options{validator}}
	case 2:
		m = &wire.I2{InitiatorContextTag: w.tag(), InitiatorNonce: n, ResponderNonce: n, Options: append(names, validator, list)}
	case 3:
		m = &wire.R2{ResponderContextTag: w.tag(), InitiatorNonce: n, Options: wire.Options{list}}
	case 4:
		m = &wire.R1bis{PacketContextTag: w.tag(), ResponderNonce: n, Options: wire.Options{validator}}
	case 5:
		m = &wire.I2bis{InitiatorContextTag: w.tag(), InitiatorNonce: n, ResponderNonce: n, PacketContextTag: w.tag(), Options: append(names, validator, list)}
	case 6:
		m = &wire.UpdateRequest{ReceiverContextTag: w.tag(), RequestNonce: n, Options: wire.Options{list}}
	case 7:
		m = &wire.ErrorMessage{Code: wire.CodeGeneration, PacketInError: make([]byte, 64)}
	case 8:
		for range 200 {
			tag := uint64(w.tag())
			w.after(time.Millisecond, func() { w.deliver(packet{source: source, destination: victim, tag: tag}) })
		}
		return
	default:
		m = &wire.Probe{ReceiverContextTag: w.tag(), Sent: []wire.ProbeReport{{Source: a.address, Destination: victim}}}
	}
	a.send(w, source, victim, m)
}

// forge sends a message that is made from a packet that it has seen.
func (a *attacker) forge(w *world, p packet) {
	back := &wire.ResponderValidator{Validator: make([]byte, 16)}
	evil := wire.Locator{Address: a.address, Method: wire.MethodHBA}
	if p.message == nil {
		// A payload packet: its tag is good for an R1bis, and it can come again.
		if w.chance(0.5) {
			a.send(w, p.destination, p.source, &wire.R1bis{PacketContextTag: wire.ContextTag(p.tag), ResponderNonce: 1, Options: wire.Options{back}})
		} else {
			w.after(time.Millisecond, func() { w.deliver(p) })
		}
		return
	}
	if w.chance(0.4) {
		// The same packet again, now or later, or from elsewhere.
		if w.chance(0.2) {
			p.source = a.address
		}
		w.after(w.between(time.Millisecond, 90*time.Second), func() { w.deliver(p) })
		return
	}
	m, err := wire.Decode(p.message)
	if err != nil {
		return
	}
	switch m := m.(type) {
	case *wire.I1:
		switch w.rand.IntN(3) {
		case 0:
			if h := w.owner[p.source]; h != nil {
				h.handle(engine.ICMP{Type: 4, Code: 1, Info: 6, Source: p.source, Destination: p.destination, Message: p.message})
			}
		case 1:
			a.send(w, p.destination, p.source, &wire.R1{InitiatorNonce: m.InitiatorNonce, ResponderNonce: 7, Options: wire.Options{back}})
		default:
			a.send(w, p.destination, p.source, &wire.R2{ResponderContextTag: w.tag(), InitiatorNonce: m.InitiatorNonce})
		}
	case *wire.R1:
		// If it came to the attacker, that has sent an I1 in somebody's name: it goes on.
		if names := a.asked[m.InitiatorNonce]; p.destination == a.address && names != nil {
			o := append(wire.Options{m.Options.ResponderValidator()}, names...)
			if w.chance(0.5) {
				o = append(o, &wire.LocatorList{Generation: 1, Locators: []wire.Locator{evil}})
			}
			a.send(w, a.address, p.source, &wire.I2{
				InitiatorContextTag: wire.ContextTag(m.InitiatorNonce), InitiatorNonce: m.InitiatorNonce, ResponderNonce: m.ResponderNonce, Options: o,
			})
			return
		}
		n, names := w.rand.Uint32(), wire.Options{&wire.ULIDPair{Sender: p.destination, Receiver: p.source}}
		a.asked[n] = names
		a.send(w, a.address, p.source, &wire.I1{InitiatorContextTag: wire.ContextTag(n), InitiatorNonce: n, Options: names})
	case *wire.I2:
		m.InitiatorContextTag = w.tag()
		if l := m.Options.LocatorList(); l != nil && w.chance(0.5) {
			l.Locators = append(l.Locators, evil)
		}
		a.send(w, p.source, p.destination, m)
	case *wire.I2bis:
		m.InitiatorContextTag = w.tag()
		a.send(w, a.address, p.destination, m)
	case *wire.R2:
		m.ResponderContextTag = w.tag()
		a.send(w, p.source, p.destination, m)
	case *wire.R1bis:
		m.ResponderNonce++
		a.send(w, p.source, p.destination, m)
	case *wire.UpdateRequest:
		m.RequestNonce = w.rand.Uint32()
		if l := m.Options.LocatorList(); l != nil {
			l.Locators = append(l.Locators, evil)
		}
		a.send(w, p.source, p.destination, m)
	case *wire.UpdateAcknowledgement, *wire.Keepalive, *wire.Probe:
		tag, _ := wire.ReceiverContextTag(p.message)
		switch w.rand.IntN(4) {
		case 0:
			a.send(w, p.destination, p.source, &wire.R1bis{PacketContextTag: tag, ResponderNonce: w.rand.Uint32(), Options: wire.Options{back}})
		case 1:
			a.send(w, p.source, p.destination, &wire.UpdateRequest{
				ReceiverContextTag: tag, RequestNonce: w.rand.Uint32(),
				Options: wire.Options{&wire.LocatorList{Generation: 1, Locators: []wire.Locator{evil}}},
			})
		case 2:
			// The Probe says that the victim's Probes have reached all locators of the peer.
			report := &wire.Probe{ReceiverContextTag: tag, State: wire.ProbeState(w.rand.IntN(3)), Sent: []wire.ProbeReport{{Source: p.source, Destination: p.destination, Nonce: w.rand.Uint32()}}}
			if h := w.owner[p.source]; h != nil {
				for _, l := range h.all {
					report.Received = append(report.Received, wire.ProbeReport{Source: p.destination, Destination: l.Address, Nonce: w.rand.Uint32()})
				}
			}
			a.send(w, p.source, p.destination, report)
		default:
			a.send(w, a.address, p.destination, &wire.Probe{ReceiverContextTag: tag, Sent: []wire.ProbeReport{{Source: a.address, Destination: p.destination}}})
		}
	case *wire.ErrorMessage:
		// Changed octets with a wrong checksum, to test the decoder.
		b := append([]byte(nil), p.message...)
		binary.BigEndian.PutUint16(b[4:], uint16(w.rand.Uint32()))
		w.after(time.Millisecond, func() { w.deliver(packet{source: p.source, destination: p.destination, message: b}) })
	}
}
