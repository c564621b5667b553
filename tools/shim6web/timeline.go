// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"math"
	"slices"
	"time"

	"shim6/daemon/control"
)

// A timeline has a sample each second for ten minutes, and one each minute for a day. With both, the
// timelines of a host take some 12 KiB each: maxActive of the contexts that carried something last, and
// maxDemanded of those that a reader asked for last.
const (
	shortStep, shortSamples = time.Second, 600
	longStep, longSamples   = time.Minute, 24 * 60
	maxActive               = 400
	maxDemanded             = 100
	// idleAfter is for how long a context has carried nothing when its timeline makes room.
	idleAfter = time.Minute
	// maxTimelinePairs is how many pairs of a context are told apart; further ones are the last.
	maxTimelinePairs = 64
)

// sample is the throughput of a context in octets a second, and the index of the locator pair by which
// it sends.
type sample struct {
	in, out compact
	pair    int8
}

// compact is a rate in 16 bits: five of a power of two, and eleven of how many times that.
type compact uint16

const (
	compactBits = 11
	compactMost = 1<<compactBits - 1
)

// compactOf is off by a part in 4000 at most, and by half an octet a second.
func compactOf(v float64) compact {
	power := 0
	v = min(v, math.Ldexp(compactMost, 1<<(16-compactBits)-1))
	for math.Round(v) > compactMost && power < 1<<(16-compactBits)-1 {
		v /= 2
		power++
	}
	return compact(power<<compactBits | min(int(math.Round(v)), compactMost))
}

func (c compact) value() float64 { return math.Ldexp(float64(c&compactMost), int(c>>compactBits)) }

// longestSample is how many seconds a sample may be the mean of.
const longestSample = 60

// noSample is the pair of a moment of which nothing is known.
const noSample = -1

// ring has the last samples of equal steps. at is the number of the newest step since 1970.
type ring struct {
	samples []sample
	at      int64
}

// put adds the sample of a step. Steps in between are moments of which nothing is known; a clock that
// was set back begins a new ring.
func (r *ring) put(step int64, v sample) {
	n := int64(len(r.samples))
	if step <= r.at-n || step >= r.at+n || step < r.at {
		r.clear()
		r.at = step - 1
	}
	for r.at < step {
		r.at++
		r.samples[r.at%n] = sample{pair: noSample}
	}
	r.samples[step%n] = v
}

func (r *ring) clear() {
	for i := range r.samples {
		r.samples[i].pair = noSample
	}
}

// timeline is how a context's throughput went.
type timeline struct {
	pairs       []control.Pair
	short, long ring
	// minute sums up the samples of the step of long that is under way.
	minute struct {
		step    int64
		n       int
		in, out float64
		pair    int8
	}
	// active is when something was last carried, and seen when the context was last among the active
	// ones. was is what it had carried then.
	active, seen time.Time
	was          octets
	known        bool
	// wanted is when a reader last asked for it, if it was made because of that.
	wanted time.Time
}

func newTimeline() *timeline {
	t := &timeline{short: ring{samples: make([]sample, shortSamples)}, long: ring{samples: make([]sample, longSamples)}}
	t.short.clear()
	t.long.clear()
	return t
}

// add adds what was carried lately, in octets a second.
func (t *timeline) add(now time.Time, in, out float64, pair control.Pair) {
	i := int8(slices.Index(t.pairs, pair))
	if i < 0 {
		if len(t.pairs) < maxTimelinePairs {
			t.pairs = append(t.pairs, pair)
		}
		i = int8(len(t.pairs) - 1)
	}
	if in > 0 || out > 0 {
		t.active = now
	}
	// A mean of several seconds is that of each, where a slow machine is asked less often.
	v, second := sample{compactOf(in), compactOf(out), i}, now.Unix()
	for s := max(t.short.at, second-longestSample) + 1; s < second && t.short.at > second-longestSample; s++ {
		t.short.put(s, v)
	}
	t.short.put(second, v)
	m, step := &t.minute, now.Unix()/int64(longStep/time.Second)
	if m.step != step {
		if m.n > 0 {
			t.long.put(m.step, sample{compactOf(m.in / float64(m.n)), compactOf(m.out / float64(m.n)), m.pair})
		}
		m.step, m.n, m.in, m.out = step, 0, 0, 0
	}
	m.n++
	m.in, m.out, m.pair = m.in+in, m.out+out, i
}

// drawn is a timeline as the page draws it. A value of null is one of which nothing is known.
type drawn struct {
	// Times are seconds since 1970. In and Out are bits a second; Pair is an index into Pairs.
	Times []int64              `json:"times"`
	In    []*float64           `json:"in"`
	Out   []*float64           `json:"out"`
	Pair  []int8               `json:"pair"`
	Pairs []control.GlancePair `json:"pairs"`
	// Switches are those of the time that is drawn, the oldest first.
	Switches []control.Switch `json:"switches"`
}

// draw draws the last ten minutes or, if day is set, the last day.
func (t *timeline) draw(day bool) *drawn {
	r, step := &t.short, shortStep
	if day {
		r, step = &t.long, longStep
	}
	d := &drawn{Times: []int64{}, In: []*float64{}, Out: []*float64{}, Pair: []int8{}, Pairs: []control.GlancePair{}, Switches: []control.Switch{}}
	for _, p := range t.pairs {
		d.Pairs = append(d.Pairs, control.GlancePair{Pair: p})
	}
	n := int64(len(r.samples))
	began := false
	for i := r.at - n + 1; i <= r.at; i++ {
		if i <= 0 {
			continue
		}
		v := r.samples[i%n]
		if began = began || v.pair != noSample; !began {
			continue
		}
		d.Times = append(d.Times, i*int64(step/time.Second))
		d.Pair = append(d.Pair, v.pair)
		if v.pair == noSample {
			d.In, d.Out = append(d.In, nil), append(d.Out, nil)
			continue
		}
		in, out := v.in.value()*8, v.out.value()*8
		d.In, d.Out = append(d.In, &in), append(d.Out, &out)
	}
	return d
}

// carried is what a context has carried since it was made, and the pair by which it sends.
type carried struct {
	name control.Name
	pair control.Pair
	octets
}

// timelines are those of contexts that carried something last, and of those that readers ask for.
type timelines struct {
	by       map[control.Name]*timeline
	demanded int
	// at is when the last sample was taken, and passed how many seconds after the one before.
	at     time.Time
	passed float64
	// full: no timeline can make room for another one in this sample.
	full bool
}

func newTimelines() *timelines { return &timelines{by: map[control.Name]*timeline{}} }

// begin begins a sample. The contexts that have carried something since the last one follow by note, and
// end ends it.
func (t *timelines) begin(now time.Time) {
	t.passed = now.Sub(t.at).Seconds()
	if t.passed <= 0 || t.passed > longestSample {
		t.passed = 0
	}
	t.at, t.full = now, false
}

// note takes what a context has carried. From the second time on it is known how much of that is new.
func (t *timelines) note(c *carried, shown map[control.Name]control.Pair) {
	l := t.by[c.name]
	if l == nil {
		if l = t.make(c.name, shown); l == nil {
			return
		}
	}
	if is := c.octets; l.known && t.passed > 0 && is.in >= l.was.in && is.out >= l.was.out {
		l.add(t.at, float64(is.in-l.was.in)/t.passed, float64(is.out-l.was.out)/t.passed, c.pair)
	}
	l.was, l.known, l.seen = c.octets, true, t.at
}

// end samples the contexts that have carried nothing. shown are the current pairs of contexts, as far
// as they are known; their timelines begin if there is room.
func (t *timelines) end(shown map[control.Name]control.Pair) {
	for n := range shown {
		if t.by[n] == nil && len(t.by)-t.demanded < maxActive {
			t.by[n] = newTimeline()
			t.by[n].active = t.at
		}
	}
	if t.passed == 0 {
		return
	}
	for n, l := range t.by {
		if l.seen.Equal(t.at) {
			continue
		}
		if p, ok := shown[n]; ok {
			l.add(t.at, 0, 0, p)
		} else if len(l.pairs) > 0 {
			l.add(t.at, 0, 0, l.pairs[l.minute.pair])
		}
	}
}

// make begins the timeline of a context that is active, or returns nil if there is no room.
func (t *timelines) make(n control.Name, shown map[control.Name]control.Pair) *timeline {
	if len(t.by)-t.demanded >= maxActive {
		if t.full = t.full || !t.forget(shown); t.full {
			return nil
		}
	}
	l := newTimeline()
	l.active = t.at
	t.by[n] = l
	return l
}

// forget makes room by the timeline that has carried nothing for the longest time, if its context is
// not shown. It reports whether there is one.
func (t *timelines) forget(shown map[control.Name]control.Pair) bool {
	var oldest *control.Name
	for n, l := range t.by {
		if _, ok := shown[n]; !ok && l.wanted.IsZero() && t.at.Sub(l.active) > idleAfter && (oldest == nil || l.active.Before(t.by[*oldest].active)) {
			oldest = &n
		}
	}
	if oldest == nil {
		return false
	}
	delete(t.by, *oldest)
	return true
}

// demand is the timeline of a context that a reader asks for. It begins now, if there is none. Those that
// readers ask for make room for each other, and keep none of the others from its own.
func (t *timelines) demand(now time.Time, c *carried) *timeline {
	l := t.by[c.name]
	if l == nil {
		if t.demanded >= maxDemanded {
			var oldest *control.Name
			for n, l := range t.by {
				if !l.wanted.IsZero() && (oldest == nil || l.wanted.Before(t.by[*oldest].wanted)) {
					oldest = &n
				}
			}
			delete(t.by, *oldest)
			t.demanded--
		}
		l = newTimeline()
		l.was, l.known = c.octets, true
		l.add(now, 0, 0, c.pair)
		t.by[c.name] = l
		l.wanted = now
		t.demanded++
	} else if !l.wanted.IsZero() {
		l.wanted = now
	}
	return l
}
