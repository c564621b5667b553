// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"slices"
)

// tableStep is between the numbers of the tables of one link.
const tableStep = 100000

// tables gives numbers to the tables of a plan. A link whose prefixes all leave by the same
// router has one table, with the link's own number. Where they leave by different routers of the
// link, each first router has a table: a further one has a number that is higher by tableStep, or
// by several. A table keeps its number as long as its first router stays.
type tables struct {
	base  uint32
	ways  []way
	taken map[uint32]bool
}

// way is a link and its routers, in the order in which they are to be used.
type way struct {
	index   uint32
	routers []netip.Addr
	table   uint32
}

func (w way) same(o way) bool { return w.index == o.index && slices.Equal(w.routers, o.routers) }

// add adds a way, unless it is known.
func (t *tables) add(index uint32, routers []netip.Addr) {
	if w := (way{index: index, routers: routers}); !slices.ContainsFunc(t.ways, w.same) {
		t.ways = append(t.ways, w)
	}
}

// number gives each way a table: first those that have one now.
func (t *tables) number(now Routes) {
	t.taken = map[uint32]bool{}
	type first struct {
		index  uint32
		router netip.Addr
	}
	there := map[first][]uint32{}
	for r := range now {
		// A reload may have changed where the numbers begin.
		ours := r.Table >= t.base+r.Index && (r.Table-t.base-r.Index)%tableStep == 0
		if ours && !r.Throw && !r.Destination.IsValid() && r.Metric == metric {
			at := first{r.Index, r.Router}
			there[at] = append(there[at], r.Table)
		}
	}
	for i := range t.ways {
		w := &t.ways[i]
		list := there[first{w.index, w.routers[0]}]
		slices.Sort(list)
		for _, n := range list {
			if w.table == 0 && !t.taken[n] {
				w.table, t.taken[n] = n, true
			}
		}
	}
	for i := range t.ways {
		w := &t.ways[i]
		for n := t.base + w.index; w.table == 0; n += tableStep {
			if !t.taken[n] {
				w.table, t.taken[n] = n, true
			}
		}
	}
}

// several reports whether a link has several tables.
func (t *tables) several(index uint32) bool {
	n := 0
	for _, w := range t.ways {
		if w.index == index {
			n++
		}
	}
	return n > 1
}

// of is the table of a way.
func (t *tables) of(index uint32, routers []netip.Addr) uint32 {
	w := way{index: index, routers: routers}
	return t.ways[slices.IndexFunc(t.ways, w.same)].table
}
