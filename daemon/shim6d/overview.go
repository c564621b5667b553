// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
	"shim6/daemon/locator"
)

const (
	// overviewSlice is how many contexts the loop looks at before it does other work: that
	// takes a millisecond or two.
	overviewSlice = 200
	// overviewAge is how old an overview is at least when the next one is made, unless something
	// has happened since, and overviewShare how many times as old as it took to make.
	overviewAge   = 250 * time.Millisecond
	overviewShare = 10
)

// overviews makes control.Overview for all readers, one at a time, and gives several readers the
// same one. So many readers and many contexts cost the loop a tenth of its time at most.
type overviews struct {
	mu sync.Mutex
	// last was ready at made, and took so long to make.
	last *control.Overview
	made time.Time
	took time.Duration
	// pages is held while a page of Sessions is made.
	pages sync.Mutex
}

// Overview looks at all contexts, some at a time, so that the loop does other work in between.
func (b backend) Overview(ctx context.Context) (*control.Overview, error) {
	v := &b.d.overviews
	v.mu.Lock()
	defer v.mu.Unlock()
	sequence, err := look(ctx, b.d, func() uint64 { return b.d.history.events.sequence() })
	if err != nil {
		return nil, err
	}
	age := time.Since(v.made)
	if v.last != nil && (age < overviewShare*v.took || age < overviewAge && v.last.Sequence == sequence) {
		return v.last, nil
	}
	began := time.Now()
	o, err := b.overview(ctx)
	if err != nil {
		return nil, err
	}
	v.last, v.made, v.took = o, time.Now(), time.Since(began)
	return o, nil
}

// survey is an overview that is being made.
type survey struct {
	*control.Overview
	lacks map[control.Lack]int // the key has no count
	// outbound counts contexts by the address from which they send.
	outbound map[netip.Addr]int
	// interfaces has the interface of each of our addresses.
	interfaces map[netip.Addr]string
	shown      []shown
}

// shown is a context that may be among the Glances.
type shown struct {
	ulids      engine.ULIDs
	urgent     bool
	switched   time.Time
	protection reap.Protection
}

// compare has the order of Glances; those that are alike keep theirs.
func (s *shown) compare(t *shown) int {
	if s.urgent != t.urgent {
		if s.urgent {
			return -1
		}
		return 1
	}
	return t.switched.Compare(s.switched)
}

func (b backend) overview(ctx context.Context) (*control.Overview, error) {
	status, err := b.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &survey{
		Overview: &control.Overview{
			Time: time.Now().UTC(), Status: status, States: map[string]int{}, ReapStates: map[string]int{},
			Unprotected: []control.Lack{}, Links: []control.Link{}, Glances: []control.Glance{},
		},
		lacks: map[control.Lack]int{}, outbound: map[netip.Addr]int{}, interfaces: map[netip.Addr]string{},
	}
	names, err := look(ctx, b.d, func() []engine.ULIDs {
		s.Sequence = b.d.history.events.sequence()
		s.Switches, s.Outages = b.d.history.tally.told()
		return slices.Collect(b.d.session.engine.Names())
	})
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(names, overviewSlice) {
		if _, err := look(ctx, b.d, func() any { b.d.session.survey(s, some, b.d.history.tally.last); return nil }); err != nil {
			return nil, err
		}
		// No more than needed stay, so that memory does not grow with the contexts.
		slices.SortStableFunc(s.shown, func(x, y shown) int { return x.compare(&y) })
		s.shown = s.shown[:min(len(s.shown), control.MaxGlances)]
	}
	for k, n := range s.lacks {
		k.Contexts = n
		s.Unprotected = append(s.Unprotected, k)
	}
	slices.SortFunc(s.Unprotected, func(x, y control.Lack) int {
		return cmp.Or(-cmp.Compare(x.Contexts, y.Contexts), cmp.Compare(x.Why, y.Why), cmp.Compare(x.Local, y.Local), cmp.Compare(x.Peer, y.Peer))
	})
	_, err = look(ctx, b.d, func() any {
		all := b.d.host.assess()
		for _, l := range all {
			s.interfaces[l.Address] = l.Interface
		}
		now := b.d.now()
		s.Links = linksOf(all, s.outbound, b.d.session.explorer.Links(now), now)
		for i := range s.shown {
			if g, ok := b.d.session.glance(s.interfaces, &s.shown[i]); ok {
				s.Glances = append(s.Glances, g)
			}
		}
		return nil
	})
	return s.Overview, err
}

// survey counts some contexts. Those that are gone in the meantime are left out.
func (s *session) survey(o *survey, names []engine.ULIDs, last map[engine.ULIDs]time.Time) {
	for _, u := range names {
		x, ok := s.engine.Session(u)
		if !ok {
			continue
		}
		c := x.Info()
		o.States[stateName(c.State)]++
		if c.State.Sends() {
			o.ReapStates[reapNames[c.Reap]]++
			o.outbound[c.Current.Local]++
		}
		p := s.protectionOf(u, x)
		if p.Protected() {
			o.Protected++
		} else {
			why, local, peer := p.Lacks()
			o.lacks[control.Lack{Why: why, Local: local, Peer: peer}]++
		}
		urgent := !p.Protected() || c.Reap != engine.ReapOperational
		o.shown = append(o.shown, shown{u, urgent, last[u], p})
	}
}

// glance is a context at a glance, with the interfaces of our addresses; false if it is gone.
func (s *session) glance(interfaces map[netip.Addr]string, w *shown) (control.Glance, bool) {
	x, ok := s.engine.Session(w.ulids)
	if !ok {
		return control.Glance{}, false
	}
	c := x.Info()
	g := control.Glance{
		Name: nameOf(w.ulids), State: stateName(c.State), Protected: w.protection.Protected(), Text: w.protection.String(),
		Pairs: []control.GlancePair{}, Switched: w.switched,
	}
	if !c.State.Sends() {
		return g, true
	}
	g.ReapState = reapNames[c.Reap]
	paths := s.explorer.Paths(x)
	slices.SortStableFunc(paths, func(x, y reap.Path) int {
		return cmp.Compare(rank(&x), rank(&y))
	})
	for i := range paths {
		if i == control.MaxGlancePairs {
			g.More = len(paths) - i
			break
		}
		p := &paths[i]
		g.Pairs = append(g.Pairs, control.GlancePair{
			Pair: pairOf(p.Pair), Interface: interfaces[p.Pair.Local], Current: p.Current, Inbound: p.Inbound,
			State: string(p.State), RTT: float64(p.RTT.Microseconds()) / 1000,
		})
	}
	return g, true
}

// rank has the pairs in use before all others.
func rank(p *reap.Path) int {
	switch {
	case p.Current:
		return 0
	case p.Inbound:
		return 1
	}
	return 2
}

// linkMemory is for how long a link is told of that has no locator any more.
const linkMemory = time.Hour

// linksOf are the links of locators, and those by which Probes have left lately.
func linksOf(all []locator.Locator, outbound map[netip.Addr]int, probes []reap.LinkStats, now time.Duration) []control.Link {
	type key struct {
		name   string
		router netip.Addr
	}
	list, at := []control.Link{}, map[key]int{}
	link := func(name string, router netip.Addr) *control.Link {
		k := key{name, router}
		if _, ok := at[k]; !ok {
			at[k] = len(list)
			list = append(list, control.Link{Interface: name, Router: router, Locators: []netip.Addr{}})
		}
		return &list[at[k]]
	}
	for _, l := range all {
		if !l.Available {
			continue
		}
		j := link(l.Interface, l.Router)
		if l.Operational && !j.Operational {
			j.Operational, j.Why = true, ""
		} else if !j.Operational && j.Why == "" {
			j.Why = l.Why
		}
		j.Policy = l.Policy.String()
		j.Locators = append(j.Locators, l.Address)
		j.Outbound += outbound[l.Address]
	}
	for i := range probes {
		p := &probes[i]
		if _, ok := at[key{p.Interface, p.Router}]; p.Interface == "" || !ok && now-p.Last > linkMemory {
			continue
		}
		j := link(p.Interface, p.Router)
		if len(j.Locators) == 0 {
			j.Why = "this host has no locator there any more"
		}
		j.ProbesAnswered, j.ProbesLost = p.Answered, p.Lost
		j.RTT = float64(p.RTT.Microseconds()) / 1000
	}
	slices.SortFunc(list, func(x, y control.Link) int {
		return cmp.Or(cmp.Compare(x.Interface, y.Interface), x.Router.Compare(y.Router))
	})
	return list
}
