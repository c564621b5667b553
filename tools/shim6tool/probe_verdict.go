// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"time"
)

// verdict says what a probe means. Where protocol 140 does not pass and UDP does, sessions survive, and
// packets that were moved are a little longer.
func (p *probe) verdict() check {
	v := p.native()
	if p.udp == nil {
		return v
	}
	switch text, passes := p.udp.verdict(); {
	case passes && v.result == resultOK:
		v.text += "; " + text
	case passes && p.small.answered && !p.udp.full.answered:
		// Long packets are lost, and no UDP has shown that it carries them.
		v.text += "; " + text
	case passes:
		v.result = resultWarn
		v.text += "; but " + text
	case p.udp.small.answered:
		v.text += "; " + text
	}
	return v
}

// verdict says what a probe in UDP means, and whether it was answered in full.
func (p *udpProbe) verdict() (text string, passes bool) {
	refused := func(o outcome) string { return fmt.Sprintf("%v says %v", o.from, o.failure) }
	switch {
	case p.full.answered:
		return fmt.Sprintf("UDP to port %d passes, up to packets of %d octets", p.port, p.full.length), true
	case p.control.answered:
		return fmt.Sprintf("UDP to port %d passes, up to control messages of %d octets", p.port, p.control.length), true
	case p.full.failure != nil:
		return fmt.Sprintf("UDP to port %d passes, but not in packets of %d octets: %s", p.port, p.full.length, refused(p.full)), false
	case p.small.answered:
		return fmt.Sprintf("UDP to port %d passes, but nothing comes back of packets of %d octets", p.port, p.control.length), false
	case p.small.failure != nil:
		return fmt.Sprintf("UDP to port %d does not pass: %s", p.port, refused(p.small)), false
	}
	return fmt.Sprintf("UDP to port %d is not answered", p.port), false
}

// native is what a probe means for protocol 140.
func (p *probe) native() check {
	ok := func(text string) check { return check{result: resultOK, text: text} }
	fail := func(text, advice string) check { return check{result: resultFail, text: text, advice: advice} }
	f := p.small.failure
	switch {
	case p.small.answered && p.full.answered:
		return ok(fmt.Sprintf("protocol 140 passes, up to packets of %d octets", p.full.length))
	case p.small.answered && p.full.failure != nil:
		return fail(fmt.Sprintf("protocol 140 passes, but not in packets of %d octets: %v says %v", p.full.length, p.full.from, p.full.failure),
			"look there for the reason")
	case p.control.answered:
		return ok(fmt.Sprintf("protocol 140 passes, up to control messages of %d octets; the peer answers no payload, so longer packets can't be tried", p.control.length))
	case p.control.failure != nil:
		return fail(fmt.Sprintf("protocol 140 passes, but not in packets of %d octets: %v says %v", p.control.length, p.control.from, p.control.failure),
			"look there for the reason")
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

// longest is the length of the long packets that got no answer.
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

// object has the names of netlink/shim6.yaml where it has one.
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
	l := []namedOutcome{{"shim6", p.small}, {"shim6-full", p.full}, {"shim6-payload", p.payload}, {"shim6-control", p.control}, {"echo", p.echo}, {"echo-full", p.fullEcho}}
	if p.udp != nil {
		l = append(l, namedOutcome{"udp", p.udp.small}, namedOutcome{"udp-full", p.udp.full}, namedOutcome{"udp-control", p.udp.control})
	}
	return l
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
