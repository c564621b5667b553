// SPDX-License-Identifier: BSD-3-Clause

//go:build !race

package main

import "testing"

// most are the better ones of two rates; memory is that of the second.
func most(a, b figures) figures {
	return figures{max(a.made, b.made), max(a.updated, b.updated), max(a.recovered, b.recovered), b.memory}
}

// reaches reports whether no rate is less than what is wanted.
func (f figures) reaches(wanted figures) bool {
	return f.made >= wanted.made && f.updated >= wanted.updated && f.recovered >= wanted.recovered
}

// part is f with all rates multiplied by x.
func (f figures) part(x float64) figures {
	return figures{made: f.made * x, updated: f.updated * x, recovered: f.recovered * x}
}

// best measures up to times times, as long as other load of the machine may be the reason that
// the rates are too low: load does not make them less than a quarter.
func best(t *testing.T, way way, n, times int, wanted figures) (f figures) {
	for range times {
		again, err := measure(way, n)
		if err != nil {
			t.Fatal(err)
		}
		if f = most(f, again); f.reaches(wanted) || !f.reaches(wanted.part(0.25)) {
			break
		}
	}
	t.Logf("%s, %d contexts: %+v", way.name, n, f)
	return f
}

// An Engine must make 10,000 contexts a second with trusted prefixes, half of that with HBA, and
// use 4 KiB for a context at most. The rates must not depend much on the number of contexts:
// with a hundred thousand, no rate is less than half of that with a thousand. The figures are
// for one processor that does both ends, which is more than required. make bench-engine prints
// those of this machine.
func TestWanted(t *testing.T) {
	few, many := 1000, 100000
	if testing.Short() {
		many = 20000
	}
	for _, way := range ways {
		rate := map[string]float64{"trusted prefixes": 10000, "HBA": 5000}[way.name]
		wanted := figures{made: rate, updated: rate, recovered: rate}
		f := best(t, way, few, 5, wanted)
		if !f.reaches(wanted) {
			t.Errorf("%s, %d contexts: %+v, and %.0f of each a second are wanted", way.name, few, f, rate)
		}
		if f.memory <= 0 || f.memory > 4096 {
			t.Errorf("%s, %d contexts: %d octets each, 4096 are wanted", way.name, few, f.memory)
		}
		if way.signed {
			// RSA's part is the same for each.
			continue
		}
		wanted = most(wanted, f.part(0.5))
		if g := best(t, way, many, 2, wanted); !g.reaches(wanted) || g.memory > f.memory*5/4 {
			t.Errorf("%s: %+v for %d contexts, and %+v for %d", way.name, f, few, g, many)
		}
	}
}
