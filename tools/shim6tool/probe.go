// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/wire"
	"shim6/netlink"
)

const (
	// probeTries is how often each packet of a probe is sent, probeWait how long
	// its answer may take.
	probeTries = 3
	probeWait  = time.Second
	// smallMessage is the octets of an I1 with a Forked Instance Identifier.
	smallMessage = 24
	// paddingOption is not assigned (RFC 5533, section 17), and not critical:
	// who does not know it passes over it.
	paddingOption wire.OptionType = 16384 + 6
)

// outcome is what has become of packets of one kind and length.
type outcome struct {
	// length is that of the whole packet, IPv6 header and all; 0 if none was
	// sent.
	length   int
	answered bool
	rtt      time.Duration
	// failure is what came instead, from somebody.
	failure *icmpError
	from    netip.Addr
}

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

// pathProbe asks whether IP protocol 140 passes here.
func (t *tool) pathProbe(args []string) error {
	if len(args) == 0 {
		return usageError("path probe needs the address of a peer")
	}
	peer, err := parseAddr(args[0])
	if err != nil {
		return usageError("peer: " + err.Error())
	}
	var from *netip.Addr
	if _, err := parseKeys("key of path probe", []key{addr("from", &from)}, args[1:]); err != nil {
		return err
	}
	var local netip.Addr
	if from != nil {
		local = *from
	}
	p, err := t.probe(local, peer)
	if err != nil {
		return err
	}
	v := p.verdict()
	if t.json {
		err = t.printJSON([]object{p.object(v)})
	} else {
		t.printProbe(p)
	}
	if v.result == resultOK {
		if !t.json {
			fmt.Fprintln(t.out, "    "+v.text)
		}
		return err
	}
	return errors.Join(err, fmt.Errorf("%s; %s", v.text, v.advice))
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

// newI1 makes an I1 of some octets. That it is of a forked context, with an FII that
// nobody has, keeps it apart from contexts that there are.
func newI1(octets int) (b []byte, nonce uint32, err error) {
	var random [16]byte
	// It never fails.
	_, _ = rand.Read(random[:])
	nonce = binary.BigEndian.Uint32(random[8:])
	m := &wire.I1{
		InitiatorContextTag: wire.ContextTag(binary.BigEndian.Uint64(random[:])) & wire.MaxContextTag,
		InitiatorNonce:      nonce,
		Options:             wire.Options{&wire.ForkedInstanceIdentifier{FII: binary.BigEndian.Uint32(random[12:]) | 1}},
	}
	if rest := octets - smallMessage; rest > 0 {
		m.Options = append(m.Options, &wire.UnknownOption{OptionType: paddingOption, Contents: make([]byte, rest-4)})
	}
	b, err = wire.Append(nil, m)
	return b, nonce, err
}

func sendI1(n network, octets int) (outcome, error) {
	b, nonce, err := newI1(octets)
	if err != nil {
		return outcome{}, err
	}
	return sendControl(n, b, func(m wire.Message) bool {
		r, ok := m.(*wire.R1)
		return ok && r.InitiatorNonce == nonce
	}, func(quoted []byte) bool {
		// The nonce is in octets 12 to 15, which every error quotes.
		return len(quoted) >= 16 && binary.BigEndian.Uint32(quoted[12:]) == nonce
	})
}

// sendControl sends what begins with a header of ours, and waits for the message that
// answers it, or an error that quotes it.
func sendControl(n network, b []byte, answers func(wire.Message) bool, quotes func([]byte) bool) (outcome, error) {
	return exchange(n, len(b), func() error { return n.control(b) }, func(a arrival) (bool, *icmpError) {
		if a.message != nil {
			m, err := wire.Decode(a.message)
			return err == nil && answers(m), nil
		}
		if a.failure != nil && a.control && quotes(a.quoted) {
			return false, a.failure
		}
		return false, nil
	})
}

// newPayload makes a payload header with a tag by chance, and fills the packet up with
// what is not looked at.
func newPayload(octets int) ([]byte, wire.ContextTag, error) {
	var random [8]byte
	// It never fails.
	_, _ = rand.Read(random[:])
	h := wire.PayloadHeader{NextHeader: unix.IPPROTO_NONE, ReceiverContextTag: wire.ContextTag(binary.BigEndian.Uint64(random[:])) & wire.MaxContextTag}
	b, err := h.Append(make([]byte, 0, octets))
	if err != nil {
		return nil, 0, err
	}
	return append(b, make([]byte, octets-len(b))...), h.ReceiverContextTag, nil
}

func sendPayload(n network, octets int) (outcome, error) {
	b, tag, err := newPayload(octets)
	if err != nil {
		return outcome{}, err
	}
	return sendControl(n, b, func(m wire.Message) bool {
		r, ok := m.(*wire.R1bis)
		return ok && r.PacketContextTag == tag
	}, func(quoted []byte) bool {
		// The tag is in octets 2 to 7, which every error quotes.
		h, err := wire.DecodePayloadHeader(quoted)
		return err == nil && h.ReceiverContextTag == tag
	})
}

func sendEcho(n network, length int) (outcome, error) {
	data := make([]byte, max(length-ipv6HeaderLen-8, 8))
	_, _ = rand.Read(data[:8])
	return exchange(n, len(data)+8, func() error { return n.echo(data) }, func(a arrival) (bool, *icmpError) {
		if len(a.reply) == len(data) && string(a.reply[:8]) == string(data[:8]) {
			return true, nil
		}
		if a.failure != nil && !a.control {
			return false, a.failure
		}
		return false, nil
	})
}

// exchange sends a packet and waits for what comes of it, a few times.
func exchange(n network, octets int, send func() error, is func(arrival) (bool, *icmpError)) (outcome, error) {
	o := outcome{length: octets + ipv6HeaderLen}
	for range probeTries {
		start := time.Now()
		if err := send(); errors.Is(err, unix.EMSGSIZE) {
			// The host has learned meanwhile what the path carries.
			mtu, err := n.mtu()
			if err != nil {
				return o, err
			}
			o.failure, o.from = &icmpError{icmpTooBig, 0, uint32(mtu)}, n.local()
			return o, nil
		} else if err != nil {
			return o, fmt.Errorf("sending from %v: %w (does a local firewall reject it?)", n.local(), err)
		}
		for left := probeWait; left > 0; left = probeWait - time.Since(start) {
			a, ok, err := n.receive(left)
			if err != nil {
				return o, fmt.Errorf("waiting for an answer: %w", err)
			}
			if !ok {
				break
			}
			answered, failure := is(a)
			if answered {
				o.answered, o.rtt = true, time.Since(start)
				return o, nil
			}
			if failure != nil {
				o.failure, o.from = failure, a.from
				return o, nil
			}
		}
	}
	return o, nil
}

// verdict says what a probe means.
func (p *probe) verdict() check {
	ok := func(text string) check { return check{result: resultOK, text: text} }
	fail := func(text, advice string) check { return check{result: resultFail, text: text, advice: advice} }
	f := p.small.failure
	switch {
	case p.small.answered && p.full.answered:
		return ok(fmt.Sprintf("protocol 140 passes, up to packets of %d octets", p.full.length))
	case p.small.answered && p.full.failure != nil:
		return fail(fmt.Sprintf("protocol 140 passes, but not in packets of %d octets: %v says %v", p.full.length, p.full.from, p.full.failure),
			"look there for what it objects to")
	case p.control.answered:
		return ok(fmt.Sprintf("protocol 140 passes, up to control messages of %d octets; the peer answers no payload, so longer packets can't be tried", p.control.length))
	case p.control.failure != nil:
		return fail(fmt.Sprintf("protocol 140 passes, but not in packets of %d octets: %v says %v", p.control.length, p.control.from, p.control.failure),
			"look there for what it objects to")
	case p.small.answered && p.fullEcho.answered:
		return fail(fmt.Sprintf("protocol 140 passes, but not in packets of %d octets, in which ping does", p.fullEcho.length),
			"look for a firewall that knows protocol 140 and limits it")
	case p.small.answered:
		return fail(fmt.Sprintf("protocol 140 passes, but nothing comes back of packets of %d octets, and nobody says why: a black hole", p.longest()),
			"let ICMPv6 'packet too big' through, or lower the MTU of the route")
	case f != nil && f.kind == icmpParameter && f.code == codeUnknownHeader && p.small.from == p.peer:
		return fail(fmt.Sprintf("protocol 140 reaches %v, which has no Shim6", p.peer), "load shim6.ko and start shim6d there")
	case f != nil && f.ofRoute():
		return fail(fmt.Sprintf("nothing passes: %v says %v", p.small.from, f), "repair the route first")
	case f != nil:
		return fail(fmt.Sprintf("protocol 140 does not pass: %v says %v", p.small.from, f), "let IP protocol 140 through there")
	case p.echo.answered:
		return fail("protocol 140 is not answered, but ping is",
			"let IP protocol 140 through, in the firewalls of both hosts and between them; or start shim6d at the peer")
	case p.echo.failure != nil:
		return fail(fmt.Sprintf("nothing passes: %v says %v", p.echo.from, p.echo.failure), "repair the route first")
	case p.rehomed:
		return fail("protocol 140 is not answered", "the context has left this pair, and ping can't tell more while it has")
	}
	return fail("nothing comes back, not even ping", "look whether the peer is up, and whether the route works both ways")
}

// longest is the length of those that ought to have been answered.
func (p *probe) longest() int {
	if p.control.length > 0 {
		return p.control.length
	}
	return p.full.length
}

func (o outcome) object() object {
	j := object{{"length", o.length}, {"answered", o.answered}}
	if o.answered {
		j = append(j, field{"rtt", milliseconds(o.rtt)})
	}
	if o.failure != nil {
		j = append(j, field{"from", o.from}, field{"icmp-type", o.failure.kind}, field{"icmp-code", o.failure.code}, field{"icmp-info", o.failure.info})
	}
	return j
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// object has the names of shim6.yaml, as far as it has any.
func (p *probe) object(v check) object {
	o := object{{"source", p.local}, {"destination", p.peer}, {"mtu", p.mtu}}
	for _, k := range p.outcomes() {
		if k.o.length > 0 {
			o = append(o, field{k.name, k.o.object()})
		}
	}
	o = append(o, field{"result", v.result.String()}, field{"text", v.text})
	if v.advice != "" {
		o = append(o, field{"advice", v.advice})
	}
	return o
}

type namedOutcome struct {
	name string
	o    outcome
}

func (p *probe) outcomes() []namedOutcome {
	return []namedOutcome{{"shim6", p.small}, {"shim6-full", p.full}, {"shim6-payload", p.payload}, {"shim6-control", p.control}, {"echo", p.echo}, {"echo-full", p.fullEcho}}
}

func (t *tool) printProbe(p *probe) {
	fmt.Fprintf(t.out, "%v %v mtu %d\n", p.local, p.peer, p.mtu)
	for _, k := range p.outcomes() {
		if k.o.length == 0 {
			continue
		}
		fmt.Fprintf(t.out, "    %-10s length %d ", k.name, k.o.length)
		switch {
		case k.o.answered:
			fmt.Fprintf(t.out, "answered rtt %.3fms\n", milliseconds(k.o.rtt))
		case k.o.failure != nil:
			fmt.Fprintf(t.out, "refused by %v: %v\n", k.o.from, k.o.failure)
		default:
			fmt.Fprintln(t.out, "no answer")
		}
	}
}
