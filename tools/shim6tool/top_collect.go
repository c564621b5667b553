// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"

	"shim6/daemon/control"
)

// topSwitches is how many of the last switches the screen has.
const topSwitches = 50

// topChecks is how often doctor looks. It reads rules and routes, and may take a second.
const topChecks = 30 * time.Second

// lossOver is over what time losses are counted.
const lossOver = 5 * time.Minute

// frame is what the screen shows. It is not changed once it is made.
type frame struct {
	at   time.Time
	host string
	// overview is nil if shim6d does not answer, and err says why.
	overview *control.Overview
	err      error
	switches []control.Switch
	links    map[linkName]linkRates
	// checks are doctor's that are not good; checked: it has looked.
	checks  []check
	checked bool
}

// linkName names a control.Link.
type linkName struct {
	name   string
	router netip.Addr
}

// linkRates is what became of a link lately.
type linkRates struct {
	// in and out are in octets a second, less than 0 if they are not known.
	in, out float64
	// asked are the Probes that left by it, and lost those without an answer.
	asked, lost uint64
}

// octets are counters of an interface.
type octets struct{ in, out uint64 }

// sample is what was counted at a time.
type sample struct {
	at     time.Time
	octets map[string]octets
	probes map[linkName]linkRates
}

// collector makes frames.
type collector struct {
	*tool
	host string
	// samples are those of lossOver, the oldest first.
	samples []sample
	checks  []check
	checked bool
}

// collect makes a frame each topEvery, until quit is closed.
func (t *tool) collect(frames chan<- *frame, quit <-chan struct{}) {
	c := &collector{tool: t}
	// Without a name the screen is as good.
	c.host, _ = t.hostname()
	checks := make(chan []check, 1)
	go t.keepChecking(checks, quit)
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	for {
		select {
		case c.checks = <-checks:
			c.checked = true
		default:
		}
		select {
		case frames <- c.frame():
		case <-quit:
			return
		}
		select {
		case <-tick.C:
		case <-quit:
			return
		}
	}
}

// keepChecking has doctor look again and again, without probing peers.
func (t *tool) keepChecking(checks chan []check, quit <-chan struct{}) {
	tick := time.NewTicker(topChecks)
	defer tick.Stop()
	for {
		list := t.wrongs()
		select {
		case <-checks:
		default:
		}
		checks <- list
		select {
		case <-tick.C:
		case <-quit:
			return
		}
	}
}

// wrongs are the checks of doctor that are not good, those that fail first.
func (t *tool) wrongs() []check {
	p, err := t.patient()
	if err != nil {
		return []check{{"doctor", resultWarn, err.Error(), ""}}
	}
	p.checkHost(nil)
	var list []check
	for _, r := range []result{resultFail, resultWarn} {
		for _, c := range p.checks {
			if c.result == r {
				list = append(list, c)
			}
		}
	}
	return list
}

// frame asks for all that a frame has.
func (c *collector) frame() *frame {
	f := &frame{at: c.now(), host: c.host, checks: c.checks, checked: c.checked}
	if f.overview, f.err = c.askOverview(); f.err != nil {
		f.overview = nil
		return f
	}
	// The screen is of use without them.
	_ = c.ask(func(ctx context.Context, d daemon) (err error) {
		f.switches, err = d.Switches(ctx)
		return err
	})
	f.switches = f.switches[max(0, len(f.switches)-topSwitches):]
	f.links = c.rates(f.at, f.overview.Links)
	return f
}

// rates are those of links since the last frame, and over lossOver.
func (c *collector) rates(now time.Time, links []control.Link) map[linkName]linkRates {
	s := sample{at: now, probes: map[linkName]linkRates{}}
	// Without counters there are no rates.
	s.octets, _ = c.counters(c.netns)
	for i := range links {
		l := &links[i]
		s.probes[linkName{l.Interface, l.Router}] = linkRates{asked: l.ProbesAnswered + l.ProbesLost, lost: l.ProbesLost}
	}
	for len(c.samples) > 0 && now.Sub(c.samples[0].at) > lossOver {
		c.samples = c.samples[1:]
	}
	rates := map[linkName]linkRates{}
	for name, probes := range s.probes {
		r := linkRates{in: -1, out: -1}
		if len(c.samples) > 0 {
			last, first := &c.samples[len(c.samples)-1], c.samples[0].probes[name]
			r.in, r.out = perSecond(last.octets, s.octets, name.name, now.Sub(last.at))
			// After a restart of shim6d they begin at 0.
			if probes.asked >= first.asked && probes.lost >= first.lost {
				r.asked, r.lost = probes.asked-first.asked, probes.lost-first.lost
			}
		}
		rates[name] = r
	}
	c.samples = append(c.samples, s)
	return rates
}

// perSecond is how much came and went by an interface in a time, -1 if that is not known.
func perSecond(before, after map[string]octets, name string, d time.Duration) (in, out float64) {
	b, was := before[name]
	a, is := after[name]
	if !was || !is || d <= 0 || a.in < b.in || a.out < b.out {
		return -1, -1
	}
	return float64(a.in-b.in) / d.Seconds(), float64(a.out-b.out) / d.Seconds()
}

// countOctets reads the counters of all interfaces of a namespace.
func countOctets(netns string) (map[string]octets, error) {
	all := map[string]octets{}
	err := inNetns(netns, func() error {
		conn, err := rtnetlink.Dial(nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		links, err := conn.Link.List()
		for _, l := range links {
			if a := l.Attributes; a != nil && a.Stats64 != nil {
				all[a.Name] = octets{a.Stats64.RXBytes, a.Stats64.TXBytes}
			}
		}
		return err
	})
	return all, err
}
