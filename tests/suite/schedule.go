// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bufio"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// slots is how many parts run at once: one for each processor, if there is memory for as
// many guests, which have 2 GiB each at most.
func slots() int {
	const guest, others = 2 << 20, 1 << 20 // KiB
	n := runtime.NumCPU()
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return n
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			if err == nil {
				n = min(n, (kib-others)/guest)
			}
			break
		}
	}
	return max(n, 1)
}

// next returns the part that is to begin now, or nil if one that runs has to end first. Of those
// whose needs have passed it is one of the first rank, and there the most urgent: the one on which
// most depends, or the longest. busy is how many parts run.
func next(parts []*part, busy, slots int) *part {
	if busy >= slots {
		return nil
	}
	passedParts := map[string]bool{}
	for _, p := range parts {
		if p.state == running && p.whole {
			return nil
		}
		passedParts[p.name] = p.state == passed
	}
	urgent, rank := urgencies(parts, slots), ranks(parts)
	before := func(p, q *part) bool {
		if rank[p.name] != rank[q.name] {
			return rank[p.name] < rank[q.name]
		}
		return urgent[p.name] > urgent[q.name]
	}
	var best *part
	for _, p := range parts {
		ready := p.state == waiting && !slices.ContainsFunc(p.needs, func(n string) bool { return !passedParts[n] })
		if ready && (best == nil || before(p, best)) {
			best = p
		}
	}
	if best != nil && best.whole && (busy > 0 || unfinished(parts)) {
		return nil
	}
	return best
}

// The ranks of parts, in their order.
const (
	rankFirst   = iota // its cases run nowhere before
	rankDebug          // a repetition that the debug kernel's checkers watch
	rankRepeats        // a repetition on another kernel
	rankWhole          // it needs the whole machine, and waits until all others have begun
)

// ranks returns the rank of each part. A part that prepares has the rank of the first one that
// needs it.
func ranks(parts []*part) map[string]int {
	r := map[string]int{}
	var of func(p *part) int
	of = func(p *part) int {
		switch {
		case p.whole:
			return rankWhole
		case p.repeats && p.kernel == "debug":
			return rankDebug
		case p.repeats:
			return rankRepeats
		case !p.prepares:
			return rankFirst
		}
		rank := rankWhole
		for _, q := range parts {
			if slices.Contains(q.needs, p.name) {
				rank = min(rank, of(q))
			}
		}
		return rank
	}
	for _, p := range parts {
		r[p.name] = of(p)
	}
	return r
}

// leaveOut lets no repetition begin any more, nor what only repetitions need.
func leaveOut(parts []*part) {
	rank := ranks(parts)
	for _, p := range parts {
		if r := rank[p.name]; p.state == waiting && (r == rankDebug || r == rankRepeats) {
			p.state = leftOut
		}
	}
}

// unfinished reports whether a part that can share the machine is still to begin.
func unfinished(parts []*part) bool {
	return slices.ContainsFunc(parts, func(p *part) bool { return p.state == waiting && !p.whole })
}

// urgencies returns, for each part, the least number of seconds from its begin to the end of
// all parts. That is its own cost, plus the longest chain of parts that need it, or the share of
// one slot in the cost of all parts that need it.
func urgencies(parts []*part, slots int) map[string]float64 {
	u := map[string]float64{}
	var of func(p *part) float64
	of = func(p *part) float64 {
		if v, ok := u[p.name]; ok {
			return v
		}
		longest, sum := 0.0, 0.0
		for _, q := range parts {
			if slices.Contains(q.needs, p.name) {
				longest = max(longest, of(q))
				sum += q.cost
			}
		}
		u[p.name] = p.cost + max(longest, sum/float64(slots))
		return u[p.name]
	}
	for _, p := range parts {
		of(p)
	}
	return u
}

// left is an estimate of the seconds until all parts have ended. spent returns how many
// seconds a part has been running.
func left(parts []*part, slots int, spent func(*part) float64) float64 {
	sum, longest, whole := 0.0, 0.0, 0.0
	for _, p := range parts {
		rest := p.cost
		switch p.state {
		case running:
			// It is not known how long a part takes that takes longer than the last time.
			rest = max(p.cost-spent(p), 5)
		case waiting:
		default:
			continue
		}
		if p.whole {
			whole += rest
			continue
		}
		sum += rest
		longest = max(longest, rest)
	}
	return max(sum/float64(slots), longest) + whole
}
