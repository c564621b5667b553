// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file counts, for people and graphs, how Probes go by each router. REAP does not decide by
// it: what REAP remembers of a Probe it forgets when the question is settled, and answers that
// come later are counted here all the same.

const (
	// answerTime is after what time a Probe without an answer is lost.
	answerTime = 2 * time.Second
	// maxLinks is of how many routers there are counters. A host that goes from network to
	// network forgets the router by which it has not probed for the longest time.
	maxLinks = 64
	// maxUnderway is how many Probes are watched at a time: those that the pace lets out in
	// answerTime.
	maxUnderway = int(DefaultRate*answerTime/time.Second) + DefaultBurst
)

// LinkStats is how those Probes went that want an answer and left by a router of a link. The
// counters only grow, and begin at 0 with each Explorer.
type LinkStats struct {
	// Interface has the link's name. Router is not valid if none is known.
	Interface string
	Router    netip.Addr
	// Answered are the Probes that the peer has said to have got. Lost are those of which it has
	// not said so within two seconds; the fault may be the peer's, or that of any network between.
	Answered, Lost uint64
	// RTT is how long answers took lately, 0 if there was none. Each new one counts for an eighth.
	RTT time.Duration
	// Last is when the last of the Probes was sent.
	Last time.Duration
}

// probeName names a Probe that was sent.
type probeName struct {
	source, destination netip.Addr
	nonce               uint32
}

// probeSent is when a Probe was sent, and by which router.
type probeSent struct {
	at time.Duration
	by *LinkStats
}

// links counts the Probes of all contexts.
type links struct {
	// by has the counters, those of the last Probe at the end.
	by []*LinkStats
	// underway are the Probes without an answer. order has their names, the oldest first, and
	// those of Probes that were answered in the meantime.
	underway map[probeName]probeSent
	order    []orderedProbe
}

// orderedProbe is a Probe and when it was sent.
type orderedProbe struct {
	name probeName
	at   time.Duration
}

// Links returns how Probes went until a time, by interface and router.
func (r *Explorer) Links(now time.Duration) []LinkStats {
	r.links.expire(now)
	list := make([]LinkStats, 0, len(r.links.by))
	for _, l := range r.links.by {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b LinkStats) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Router.Compare(b.Router))
	})
	return list
}

// asked notes a Probe that was sent and wants an answer.
func (t *links) asked(s *engine.Session, p wire.ProbeReport) {
	t.expire(s.Now())
	a, ok := s.Local(p.Source)
	if !ok || len(t.order) >= maxUnderway {
		return
	}
	if t.underway == nil {
		t.underway = make(map[probeName]probeSent)
	}
	name := probeName{p.Source, p.Destination, p.Nonce}
	l := t.link(a.Interface, a.Router)
	l.Last = s.Now()
	t.underway[name] = probeSent{s.Now(), l}
	t.order = append(t.order, orderedProbe{name, s.Now()})
}

// link returns the counters of a router.
func (t *links) link(name string, router netip.Addr) *LinkStats {
	l := &LinkStats{Interface: name, Router: router}
	at := slices.IndexFunc(t.by, func(l *LinkStats) bool { return l.Interface == name && l.Router == router })
	switch {
	case at >= 0:
		l = t.by[at]
		t.by = slices.Delete(t.by, at, at+1)
	case len(t.by) >= maxLinks:
		t.by = slices.Delete(t.by, 0, 1)
	}
	t.by = append(t.by, l)
	return l
}

// reported notes that the peer has got these Probes.
func (t *links) reported(now time.Duration, reports []wire.ProbeReport) {
	t.expire(now)
	for _, p := range reports {
		name := probeName{p.Source, p.Destination, p.Nonce}
		sent, ok := t.underway[name]
		if !ok {
			continue
		}
		delete(t.underway, name)
		l, rtt := sent.by, now-sent.at
		if l.Answered++; l.RTT == 0 {
			l.RTT = rtt
		} else {
			l.RTT += (rtt - l.RTT) / 8
		}
	}
}

// expire counts the Probes that have had no answer for too long.
func (t *links) expire(now time.Duration) {
	n := 0
	for n < len(t.order) && now-t.order[n].at >= answerTime {
		if sent, ok := t.underway[t.order[n].name]; ok {
			sent.by.Lost++
			delete(t.underway, t.order[n].name)
		}
		n++
	}
	t.order = t.order[n:]
}
