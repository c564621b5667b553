// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
)

// top is the first lines: if all is protected, and how shim6d is.
func (f *frame) top(width int) []line {
	clock := strings.TrimSpace(f.host + " " + f.at.Local().Format("15:04:05"))
	verdict, text := f.verdict()
	first := line{verdict, {lookPlain, "  " + text}}
	// The clock is at the right, if there is room.
	if space := width - len(verdict.text) - 2 - len(text) - len(clock); space > 1 {
		first = append(first, span{lookFaint, strings.Repeat(" ", space) + clock})
	}
	return []line{first, {{lookFaint, f.daemon()}}}
}

// verdict says in a word, and then in a sentence, if all is protected.
func (f *frame) verdict() (span, string) {
	if f.overview == nil {
		return span{lookBad, "UNKNOWN"}, "shim6d does not answer"
	}
	o := f.overview
	lacking := 0
	for _, l := range o.Unprotected {
		lacking += l.Contexts
	}
	switch {
	case !o.Status.Kernel:
		return span{lookBad, "NOT PROTECTED"}, "shim6d waits for the kernel module: 'modprobe shim6'"
	case lacking > 0:
		return span{lookBad, "NOT PROTECTED"}, fmt.Sprintf("%d of %s without another way", lacking, counted(lacking+o.Protected, "context"))
	case o.Protected > 0:
		return span{lookGood, "PROTECTED"}, "all of " + counted(o.Protected, "context")
	}
	return span{lookDoubtful, "NOTHING TO PROTECT"}, "there is no context"
}

// daemon is how shim6d is, or why it does not answer.
func (f *frame) daemon() string {
	if f.overview == nil {
		return f.err.Error()
	}
	o := f.overview
	var states []string
	for _, s := range slices.Sorted(maps.Keys(o.States)) {
		states = append(states, fmt.Sprintf("%d %s", o.States[s], s))
	}
	text := "shim6d " + o.Status.Version + ", " + cmp.Or(strings.Join(states, ", "), "no context")
	if n := o.Status.HoldDowns; n > 0 {
		text += fmt.Sprintf(", %d without Shim6", n)
	}
	text += ", up " + coarse(time.Duration(o.Status.Uptime)*time.Millisecond)
	// An answer for many readers may be older.
	if age := f.at.Sub(o.Time); age > 2*topEvery {
		text += ", as of " + coarse(age) + " ago"
	}
	return text
}

// allPage has some of all, so much that it fits into these rows if possible.
func (f *frame) allPage(width, rows int) []line {
	if f.overview == nil {
		return f.wrong(width, rows)
	}
	links := f.linkLines(width)
	wrong := f.wrong(width, max(3, rows/4))
	switches := f.switchLines(width, max(2, rows/6))
	var page []line
	page = append(page, links...)
	page = append(page, f.lackLines()...)
	// The peers have the rest, but not nothing.
	page = append(page, f.peerLines(width, max(5, rows-len(page)-len(wrong)-len(switches)))...)
	page = append(page, switches...)
	return append(page, wrong...)
}

// linkLines are the links, each with the networks that it has.
func (f *frame) linkLines(width int) []line {
	head := fmt.Sprintf("%-9s %-25s %-7s %7s %5s %8s %8s %4s", "LINK", "ROUTER", "STATE", "RTT", "LOSS", "IN", "OUT", "CTX")
	lines := []line{{{lookHeading, head}}}
	if len(f.overview.Links) == 0 {
		return append(lines, line{{lookBad, "there is no link with a locator"}})
	}
	for i := range f.overview.Links {
		l := &f.overview.Links[i]
		router := "none"
		if l.Router.IsValid() {
			router = l.Router.String()
		}
		state := span{lookGood, fmt.Sprintf("%-7s", "up")}
		if !l.Operational {
			state = span{lookBad, fmt.Sprintf("%-7s", "down")}
		}
		r := f.links[linkName{l.Interface, l.Router}]
		rtt := "-"
		if l.RTT > 0 {
			rtt = millis(l.RTT)
		}
		lines = append(lines, line{
			{lookStrong, fit(l.Interface, 9)}, {lookPlain, " " + fit(router, 25) + " "}, state,
			{lookPlain, fmt.Sprintf(" %7s ", rtt)}, r.loss(), {lookPlain, fmt.Sprintf(" %8s %8s %4d", rate(r.in), rate(r.out), l.Outbound)},
		})
		about := "  " + strings.Join(networks(l.Locators), " ")
		if l.Policy != "" && l.Policy != "normal" {
			about += " " + l.Policy
		}
		if l.Why != "" {
			about += " (" + l.Why + ")"
		}
		lines = append(lines, line{{lookFaint, short(about, width)}})
	}
	return lines
}

// loss is how many of the Probes by a link have had no answer lately.
func (r linkRates) loss() span {
	if r.asked == 0 {
		return span{lookPlain, fmt.Sprintf("%5s", "-")}
	}
	p := 100 * float64(r.lost) / float64(r.asked)
	look := lookPlain
	if r.lost > 0 {
		look = lookDoubtful
	}
	return span{look, fmt.Sprintf("%4.0f%%", p)}
}

// networks are the prefixes of addresses that a provider gives to a customer.
func networks(list []netip.Addr) []string {
	var words []string
	for _, a := range list {
		p := netip.PrefixFrom(a, networkBits).Masked().String()
		if !slices.Contains(words, p) {
			words = append(words, p)
		}
	}
	if words == nil {
		return []string{"no locator"}
	}
	return words
}

// lackLines say why contexts are not protected.
func (f *frame) lackLines() []line {
	var lines []line
	for _, l := range f.overview.Unprotected[:min(len(f.overview.Unprotected), 3)] {
		var words []string
		for _, w := range []string{l.Why, l.Local, l.Peer} {
			if w != "" {
				words = append(words, w)
			}
		}
		lines = append(lines, line{{lookBad, "NOT PROTECTED"}, {lookPlain, fmt.Sprintf(" %d: %s", l.Contexts, strings.Join(words, "; "))}})
	}
	return lines
}

// shownPairs is how many pairs the screen has of a peer, beside those that are used.
const shownPairs = 2

// peerLines are the peers with their pairs, in so many lines if possible. There is at least one peer.
func (f *frame) peerLines(width, most int) []line {
	lines := []line{{{lookHeading, fit("PEER   > we send by this pair   < the peer does", min(width, 80))}}}
	total := 0
	for _, n := range f.overview.States {
		total += n
	}
	for i := range f.overview.Glances {
		g := &f.overview.Glances[i]
		some := f.peer(g, width)
		if i > 0 && len(lines)+len(some) > most-1 {
			return append(lines, line{{lookFaint, fmt.Sprintf("... and %d more: 'shim6tool context', 'shim6tool path'", total-i)}})
		}
		lines = append(lines, some...)
	}
	if n := len(f.overview.Glances); n > 0 && total > n {
		lines = append(lines, line{{lookFaint, fmt.Sprintf("... and %d more: 'shim6tool context'", total-n)}})
	}
	return lines
}

// peer is a peer with its pairs.
func (f *frame) peer(g *control.Glance, width int) []line {
	first := line{{lookStrong, g.ULIDPeer.String()}, {lookPlain, " " + g.State}}
	if g.ReapState != "" && g.ReapState != "operational" {
		first = append(first, span{lookDoubtful, " " + g.ReapState})
	}
	if g.Protected {
		others := 0
		for _, p := range g.Pairs {
			if !p.Current {
				others++
			}
		}
		first = append(first, span{lookGood, " protected by " + counted(others+g.More, "pair")})
	} else {
		first = append(first, span{lookBad, " not protected"})
	}
	lines := []line{first}
	ways := waysOf(g.Pairs)
	unused := 0
	for i, p := range g.Pairs {
		if !p.Current && !p.Inbound {
			if unused++; unused > shownPairs {
				continue
			}
		}
		mark := []byte("    ")
		if p.Current {
			mark[1] = '>'
		}
		if p.Inbound {
			mark[2] = '<'
		}
		text := string(mark) + ways[i]
		if p.Encapsulation != "" {
			text += " " + p.Encapsulation.String()
		}
		state := span{lookPlain, " " + p.State}
		if p.State == "failed" || p.State == "no-payload" {
			state.look = lookBad
		}
		l := line{{lookPlain, text}, state}
		if p.RTT > 0 {
			l = append(l, span{lookPlain, " " + millis(p.RTT)})
		}
		lines = append(lines, l)
	}
	if more := max(0, unused-shownPairs) + g.More; more > 0 {
		lines = append(lines, line{{lookFaint, fmt.Sprintf("    and %s", counted(more, "pair"))}})
	}
	return lines
}

// waysOf are the pairs in short: our interface stands for our locator, if only one is there.
func waysOf(pairs []control.GlancePair) []string {
	locals := map[string]map[netip.Addr]bool{}
	for _, p := range pairs {
		if locals[p.Interface] == nil {
			locals[p.Interface] = map[netip.Addr]bool{}
		}
		locals[p.Interface][p.LocatorLocal] = true
	}
	var ways []string
	for _, p := range pairs {
		from := p.Interface
		if from == "" || len(locals[from]) > 1 {
			from = p.LocatorLocal.String()
		}
		ways = append(ways, from+" to "+p.LocatorPeer.String())
	}
	return ways
}

// switchLines are the last switches, the newest first.
func (f *frame) switchLines(width, most int) []line {
	if len(f.switches) == 0 {
		return nil
	}
	lines := []line{{{lookHeading, fit("LAST SWITCHES", min(width, 80))}}}
	for _, s := range slices.Backward(f.switches) {
		if len(lines) > most {
			break
		}
		text := s.Time.Local().Format("15:04:05 ") + s.ULIDPeer.String() + " "
		if s.Direction == "inbound" {
			text += "the peer: "
		}
		lines = append(lines, line{{lookPlain, short(text+cmp.Or(s.Why, s.Trigger)+outage(s), width)}})
	}
	return lines
}

// outage says for how long packets may have been lost.
func outage(s control.Switch) string {
	if s.Outage == 0 {
		return ""
	}
	return ", " + millis(float64(s.Outage)) + " lost"
}

// switchesPage has all that is known of the last switches.
func (f *frame) switchesPage(width int) []line {
	lines := []line{{{lookHeading, fit("SWITCHES, the newest first", min(width, 80))}}}
	for _, s := range slices.Backward(f.switches) {
		lines = append(lines,
			line{{lookStrong, s.Time.Local().Format("2006-01-02 15:04:05.000")}, {lookPlain, " " + s.Direction + ", " + s.Trigger + outage(s)}})
		for _, text := range []string{nameText(s.Name), "why " + s.Why, "from " + pairText(s.From), "to " + pairText(s.To)} {
			lines = append(lines, folded(lookPlain, "    "+text, width)...)
		}
	}
	if len(f.switches) == 0 {
		lines = append(lines, line{{lookPlain, "no context has come to another pair lately"}})
	}
	return lines
}

// doctorPage is all that is wrong.
func (f *frame) doctorPage(width int) []line { return f.wrong(width, 1<<20) }

// wrong is what is wrong, and what mends it, in so many lines.
func (f *frame) wrong(width, most int) []line {
	lines := []line{{{lookHeading, fit("WRONG", min(width, 80))}}}
	switch {
	case !f.checked:
		return append(lines, line{{lookFaint, "doctor is looking"}})
	case len(f.checks) == 0:
		return append(lines, line{{lookGood, "nothing"}, {lookPlain, " that doctor sees"}})
	}
	for i, c := range f.checks {
		text := c.text
		if c.advice != "" {
			text += ": " + c.advice
		}
		look := lookDoubtful
		if c.result == resultFail {
			look = lookBad
		}
		some := folded(lookPlain, c.name+": "+text, width-5)
		for n := range some {
			head := span{lookPlain, "     "}
			if n == 0 {
				head = span{look, fmt.Sprintf("%-5s", c.result)}
			}
			some[n] = append(line{head}, some[n]...)
		}
		if i > 0 && len(lines)+len(some) > most-1 {
			return append(lines, line{{lookFaint, fmt.Sprintf("... and %d more: d", len(f.checks)-i)}})
		}
		lines = append(lines, some...)
	}
	return lines
}
