// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
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
	if last != shortSamples-1 || *d.Out[last] != 8*(3*3600-1) || *d.In[0] != 8000 || d.Pair[0] != 1 || len(d.Pairs) != 2 || d.Times[last] != at.Unix()+3*3600-1 {
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

// Octets count from the second sight of a connection on, and for the context of its addresses.
func TestTimelinesSample(t *testing.T) {
	y := newTimelines()
	n := control.Name{ULIDLocal: a1, ULIDPeer: b1}
	pairs := map[control.Name]control.Pair{n: pair(a1, b1)}
	at := time.Unix(1_800_000_000, 0)
	list := func(carried uint64) []connection {
		return []connection{{1, a1, b1, octets{carried, 2 * carried}}, {2, a1, b1, octets{carried, carried}}, {3, a2, b1, octets{carried, carried}}}
	}
	y.sample(at, list(1e9), pairs)
	if len(y.by) != 0 {
		t.Error("the past is of an unknown time")
	}
	y.sample(at.Add(2*time.Second), list(1e9+1000), pairs)
	if d := y.by[n].draw(false); len(d.Times) != 1 || *d.In[0] != 8000 || *d.Out[0] != 12000 {
		t.Errorf("%+v", d)
	}
	// A connection that is gone counts no more, and one with a smaller number is another one.
	y.sample(at.Add(3*time.Second), list(5), pairs)
	if d := y.by[n].draw(false); *d.In[1] != 0 {
		t.Errorf("%+v", d)
	}
}

// There are so many timelines; those of contexts that are shown stay.
func TestTimelinesAreLimited(t *testing.T) {
	y := newTimelines()
	at := time.Unix(1_800_000_000, 0)
	y.sample(at, nil, nil)
	many := map[control.Name]control.Pair{}
	for i := range 3 * maxTimelines {
		peer := netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)})
		n := control.Name{ULIDLocal: a1, ULIDPeer: peer}
		many[n] = pair(a1, peer)
		y.sample(at.Add(time.Duration(i+1)*time.Second), nil, map[control.Name]control.Pair{n: many[n]})
	}
	if len(y.by) != maxTimelines {
		t.Errorf("%d timelines", len(y.by))
	}
	y.sample(at.Add(time.Hour), nil, many)
	if len(y.by) != maxTimelines {
		t.Errorf("%d timelines", len(y.by))
	}
}
