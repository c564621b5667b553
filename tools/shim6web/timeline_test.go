// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"math"
	"testing"
	"time"

	"shim6/daemon/control"
)

// A timeline says how much went by which pair, at each second and, for a day, at each minute.
func TestTimeline(t *testing.T) {
	l := newTimeline()
	at := time.Unix(1_800_000_000, 0)
	for i := range 3 * 3600 {
		p := pair(a1, b1)
		if i >= 3600 {
			p = pair(a2, b2)
		}
		l.add(at.Add(time.Duration(i)*time.Second), 1000, float64(i), p)
	}
	d := l.draw(false)
	last := len(d.Times) - 1
	if last != shortSamples-1 || !near(d.Out[last], 8*(3*3600-1)) || *d.In[0] != 8000 || d.Pair[0] != 1 || len(d.Pairs) != 2 || d.Times[last] != at.Unix()+3*3600-1 {
		t.Errorf("%d samples, %v %v %v", len(d.Times), d.Times[0], *d.Out[last], d.Pairs)
	}
	d = l.draw(true)
	if n := len(d.Times); n != 3*60-1 || d.Pair[0] != 0 || d.Pair[n-1] != 1 || *d.In[3] != 8000 {
		t.Errorf("%d minutes: %+v", n, d.Pair)
	}
}

// A sample is the mean of the time since the last one. Moments of which nothing is known are gaps, and
// a clock that is set back does no harm.
func TestTimelineGaps(t *testing.T) {
	l := newTimeline()
	at := time.Unix(1_800_000_000, 0)
	l.add(at, 1, 1, pair(a1, b1))
	l.add(at.Add(10*time.Second), 2, 2, pair(a1, b1))
	if d := l.draw(false); len(d.Times) != 11 || *d.In[0] != 8 || *d.In[1] != 16 || *d.In[10] != 16 {
		t.Errorf("%+v", d.Times)
	}
	l.add(at.Add(200*time.Second), 2, 2, pair(a1, b1))
	if d := l.draw(false); len(d.Times) != 201 || d.In[100] != nil || d.In[200] == nil || d.Pair[100] != noSample {
		t.Errorf("%+v", d.Times)
	}
	l.add(at.Add(-time.Hour), 3, 3, pair(a1, b1))
	if d := l.draw(false); len(d.Times) != 1 || *d.In[0] != 24 {
		t.Errorf("%+v", d.Times)
	}
	l.add(at.Add(100*time.Hour), 4, 4, pair(a1, b1))
	if d := l.draw(false); len(d.Times) != 1 || *d.In[0] != 32 {
		t.Errorf("%+v", d.Times)
	}
}

// near reports whether a rate is what it should be, as far as 16 bits can say.
func near(got *float64, want float64) bool { return got != nil && math.Abs(*got-want) <= want/2000+4 }

func TestCompact(t *testing.T) {
	for v := 0.0; v < 1e12; v = v*1.37 + 1 {
		if got := compactOf(v).value(); !near(&got, v) {
			t.Errorf("%v is %v", v, got)
		}
	}
	if got := compactOf(1e30).value(); got < 4e12 {
		t.Errorf("too much is %v", got)
	}
}

// sampled gives timelines a sample of contexts that have carried something.
func sampled(y *timelines, at time.Time, shown map[control.Name]control.Pair, list ...carried) {
	y.begin(at)
	for i := range list {
		y.note(&list[i], shown)
	}
	y.end(shown)
}

// Octets count from the second sight of a context on. One that is not among the active ones carries
// nothing.
func TestTimelinesSample(t *testing.T) {
	y := newTimelines()
	at := time.Unix(1_800_000_000, 0)
	c := func(n uint64) carried { return carried{farName(1), pair(a1, b1), octets{n, 2 * n}} }
	sampled(y, at, nil, c(1e9))
	sampled(y, at.Add(2*time.Second), nil, c(1e9+1000))
	if d := y.by[farName(1)].draw(false); len(d.Times) != 1 || *d.In[0] != 4000 || *d.Out[0] != 8000 {
		t.Errorf("%+v", d)
	}
	sampled(y, at.Add(3*time.Second), nil)
	// A smaller number is that of another context with the same ULIDs.
	sampled(y, at.Add(4*time.Second), nil, c(5))
	sampled(y, at.Add(5*time.Second), nil, c(6))
	if d := y.by[farName(1)].draw(false); len(d.Times) != 4 || *d.In[1] != 0 || *d.In[3] != 8 {
		t.Errorf("%+v", d)
	}
}

// There are so many timelines: those of contexts that are active stay, and a reader can ask for others.
func TestTimelinesAreLimited(t *testing.T) {
	y := newTimelines()
	at := time.Unix(1_800_000_000, 0)
	some := func(from, n int) (list []carried) {
		for i := range n {
			list = append(list, carried{farName(from + i), pair(a1, b1), octets{uint64(at.Unix()), 1}})
		}
		return list
	}
	for range 3 {
		sampled(y, at, nil, some(0, 3*maxActive)...)
		at = at.Add(time.Second)
	}
	if len(y.by) != maxActive || y.by[farName(0)] == nil {
		t.Errorf("%d timelines", len(y.by))
	}
	// Others are active for a while.
	for range 2 * int(idleAfter/time.Second) {
		sampled(y, at, nil, some(5000, 3)...)
		at = at.Add(time.Second)
	}
	if len(y.by) != maxActive || y.by[farName(5002)] == nil {
		t.Errorf("%d timelines", len(y.by))
	}
	for i := range 3 * maxDemanded {
		y.demand(at.Add(time.Duration(i)*time.Millisecond), &carried{name: farName(10000 + i), pair: pair(a1, b1)})
	}
	if len(y.by) != maxActive+maxDemanded || y.demanded != maxDemanded || y.by[farName(10000+3*maxDemanded-1)] == nil || y.by[farName(5002)] == nil {
		t.Errorf("%d timelines", len(y.by))
	}
	last := carried{farName(10000 + 3*maxDemanded - 1), pair(a1, b1), octets{500, 0}}
	sampled(y, at, nil, last)
	if d := y.by[last.name].draw(false); len(d.Times) == 0 || *d.In[len(d.In)-1] != 4000 {
		t.Errorf("%+v", d)
	}
}
