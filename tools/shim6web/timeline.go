// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"slices"
	"time"

	"shim6/daemon/control"
)

// A timeline has a sample each second for ten minutes, and one each minute for a day. With both, the
// timelines of a host take maxTimelines times some 20 KiB.
const (
	shortStep, shortSamples = time.Second, 600
	longStep, longSamples   = time.Minute, 24 * 60
	maxTimelines            = 200
	// maxTimelinePairs is how many pairs of a context are told apart; further ones are the last.
	maxTimelinePairs = 64
)

// sample is the throughput of a context's TCP connections in octets a second, and the index of the
// locator pair by which the context sends.
type sample struct {
	in, out float32
	pair    int8
}

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
	// active is when something was last carried.
	active time.Time
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
	if in > 0 || out > 0 || t.active.IsZero() {
		t.active = now
	}
	// A mean of several seconds is that of each, where a slow machine is asked less often.
	v, second := sample{float32(in), float32(out), i}, now.Unix()
	for s := max(t.short.at, second-longestSample) + 1; s < second && t.short.at > second-longestSample; s++ {
		t.short.put(s, v)
	}
	t.short.put(second, v)
	m, step := &t.minute, now.Unix()/int64(longStep/time.Second)
	if m.step != step {
		if m.n > 0 {
			t.long.put(m.step, sample{float32(m.in / float64(m.n)), float32(m.out / float64(m.n)), m.pair})
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
		in, out := float64(v.in)*8, float64(v.out)*8
		d.In, d.Out = append(d.In, &in), append(d.Out, &out)
	}
	return d
}

// timelines are those of the contexts that carried something last. Sampling them is what costs:
// each second for each TCP connection of the host some microseconds.
type timelines struct {
	by map[control.Name]*timeline
	// carried is what each connection had carried when it was last seen, at a time.
	carried map[uint64]octets
	at      time.Time
}

func newTimelines() *timelines {
	return &timelines{by: map[control.Name]*timeline{}, carried: map[uint64]octets{}}
}

// sample takes the connections of this moment. pairs are the current pairs of contexts, as far as they
// are known; contexts without a connection are sampled too, as carrying nothing.
func (t *timelines) sample(now time.Time, list []connection, pairs map[control.Name]control.Pair) {
	passed := now.Sub(t.at).Seconds()
	t.at = now
	sums, seen := map[control.Name]octets{}, make(map[uint64]octets, len(list))
	for i := range list {
		c := &list[i]
		seen[c.cookie] = c.octets
		was, ok := t.carried[c.cookie]
		if !ok || c.in < was.in || c.out < was.out {
			// The octets of before are of an unknown time.
			continue
		}
		n := control.Name{ULIDLocal: c.local, ULIDPeer: c.peer}
		s := sums[n]
		sums[n] = octets{s.in + c.in - was.in, s.out + c.out - was.out}
	}
	t.carried = seen
	if passed <= 0 || passed > longestSample {
		return
	}
	for n, p := range pairs {
		s, l := sums[n], t.by[n]
		if l == nil {
			if len(t.by) >= maxTimelines && !t.forget(pairs) {
				continue
			}
			l = newTimeline()
			t.by[n] = l
		}
		l.add(now, float64(s.in)/passed, float64(s.out)/passed, p)
	}
}

// forget makes room by the timeline that has carried nothing for the longest time, if its context is
// not shown. It reports whether there is one.
func (t *timelines) forget(shown map[control.Name]control.Pair) bool {
	var oldest *control.Name
	for n, l := range t.by {
		if _, ok := shown[n]; !ok && (oldest == nil || l.active.Before(t.by[*oldest].active)) {
			oldest = &n
		}
	}
	if oldest == nil {
		return false
	}
	delete(t.by, *oldest)
	return true
}
