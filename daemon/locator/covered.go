// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// fewPending is how many changes are put into the lists one by one. For more than that the lists
// are made again, which takes 20 ms for a hundred thousand routes.
const fewPending = 32

// compute brings everything up to date.
func (s *specifics) compute() {
	if len(s.pending) == 0 {
		return
	}
	if len(s.pending) <= fewPending {
		for k, hops := range s.pending {
			s.put(specificRoute{k, hops})
		}
	} else {
		s.merge()
	}
	s.pending = nil
	var c cover
	for i := range s.sorted {
		c.add(blockOf(&s.sorted[i].key))
	}
	s.covered = s.covered[:0]
	for _, b := range c {
		s.covered = append(s.covered, b.prefix())
	}
}

// merge puts what is pending into sorted, and makes by.
func (s *specifics) merge() {
	news := make([]specificRoute, 0, len(s.pending))
	for k, hops := range s.pending {
		news = append(news, specificRoute{k, hops})
	}
	slices.SortFunc(news, func(a, b specificRoute) int { return a.key.compare(b.key) })
	all := make([]specificRoute, 0, len(s.sorted)+len(news))
	old := s.sorted
	for _, r := range news {
		n, same := slices.BinarySearchFunc(old, r.key, specificRoute.compare)
		all = append(all, old[:n]...)
		if same {
			n++
		}
		old = old[n:]
		if len(r.hops) > 0 {
			all = append(all, r)
		}
	}
	s.sorted = append(all, old...)
	counts := map[uint32]int{}
	for i := range s.sorted {
		for _, h := range s.sorted[i].hops {
			counts[h.index]++
		}
	}
	s.by = make(map[uint32][]Specific, len(counts))
	for index, n := range counts {
		s.by[index] = make([]Specific, 0, n)
	}
	for i := range s.sorted {
		r := &s.sorted[i]
		for _, h := range r.hops {
			if h.plain {
				s.by[h.index] = append(s.by[h.index], Specific{r.key.prefix(), h.index, h.router})
			}
		}
	}
}

// put puts one change into sorted and by.
func (s *specifics) put(r specificRoute) {
	n, there := slices.BinarySearchFunc(s.sorted, r.key, specificRoute.compare)
	var old []specificHop
	if there {
		old = s.sorted[n].hops
	}
	switch {
	case there && len(r.hops) > 0:
		s.sorted[n].hops = r.hops
	case there:
		s.sorted = slices.Delete(s.sorted, n, n+1)
	case len(r.hops) > 0:
		s.sorted = slices.Insert(s.sorted, n, r)
	}
	if s.by == nil {
		s.by = map[uint32][]Specific{}
	}
	// The routes to this destination, with any metric.
	first := r.key
	first.metric = 0
	from, _ := slices.BinarySearchFunc(s.sorted, first, specificRoute.compare)
	p := r.key.prefix()
	for _, h := range slices.Concat(old, r.hops) {
		var now []Specific
		for _, same := range s.sorted[from:] {
			if same.key.destination != r.key.destination || same.key.bits != r.key.bits {
				break
			}
			for _, x := range same.hops {
				if x.plain && x.index == h.index {
					now = append(now, Specific{p, x.index, x.router})
				}
			}
		}
		list := s.by[h.index]
		i, _ := slices.BinarySearchFunc(list, p, Specific.compare)
		j := i
		for j < len(list) && list[j].Destination == p {
			j++
		}
		s.by[h.index] = slices.Replace(list, i, j, now...)
	}
}

func (r specificRoute) compare(k specificKey) int { return r.key.compare(k) }

func (s Specific) compare(p netip.Prefix) int {
	if c := s.Destination.Addr().Compare(p.Addr()); c != 0 {
		return c
	}
	return s.Destination.Bits() - p.Bits()
}

// cover are blocks that together have all destinations that were added, in order, as few as
// possible.
type cover []block

// block is a prefix, in a form that is quick to compute with.
type block struct {
	high, low uint64
	bits      uint8
}

func blockOf(k *specificKey) block {
	return block{binary.BigEndian.Uint64(k.destination[:8]), binary.BigEndian.Uint64(k.destination[8:]), k.bits}
}

func (b block) prefix() netip.Prefix {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], b.high)
	binary.BigEndian.PutUint64(a[8:], b.low)
	return netip.PrefixFrom(netip.AddrFrom16(a), int(b.bits))
}

// cut is the block with the first bits of b.
func (b block) cut(bits uint8) block {
	if bits <= 64 {
		return block{b.high &^ (^uint64(0) >> bits), 0, bits}
	}
	return block{b.high, b.low &^ (^uint64(0) >> (bits - 64)), bits}
}

// add adds the next block in order. Two halves become one whole, unless that would count as a
// default route.
func (c *cover) add(b block) {
	list := *c
	for n := len(list); n > 0; n = len(list) {
		last := list[n-1]
		if last.bits <= b.bits && b.cut(last.bits) == last {
			return
		}
		if last.bits != b.bits || b.bits <= DefaultBits+1 {
			break
		}
		whole := b.cut(b.bits - 1)
		if last.cut(b.bits-1) != whole {
			break
		}
		list, b = list[:n-1], whole
	}
	*c = append(list, b)
}
