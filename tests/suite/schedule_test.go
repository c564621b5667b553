// SPDX-License-Identifier: GPL-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

// simulated pretends to run parts on so many slots. It returns them in the order in which they
// begin, and how long all took.
func simulated(t *testing.T, parts []*part, slots int) (order []string, total float64) {
	t.Helper()
	ends := map[*part]float64{}
	now := 0.0
	for {
		for p := next(parts, len(ends), slots); p != nil; p = next(parts, len(ends), slots) {
			p.state = running
			ends[p] = now + p.cost
			order = append(order, p.name)
		}
		if len(ends) == 0 {
			break
		}
		var first *part
		for p, end := range ends {
			if first == nil || end < ends[first] {
				first = p
			}
		}
		now = ends[first]
		delete(ends, first)
		first.state = passed
	}
	for _, p := range parts {
		if p.state != passed {
			t.Errorf("%s has never run", p.name)
		}
	}
	return order, now
}

func TestLongestFirst(t *testing.T) {
	parts := []*part{{name: "a", cost: 1}, {name: "b", cost: 5}, {name: "c", cost: 3}, {name: "d", cost: 3}}
	order, total := simulated(t, parts, 2)
	if strings.Join(order, " ") != "b c d a" || total != 6 {
		t.Errorf("%v in %v s", order, total)
	}
}

// A part on which much depends comes before a longer one, and no part before its needs.
func TestWhatOthersNeedFirst(t *testing.T) {
	parts := []*part{
		{name: "long", cost: 40}, {name: "kernel", cost: 20},
		{name: "x", cost: 30, needs: []string{"kernel"}}, {name: "y", cost: 30, needs: []string{"kernel"}},
	}
	order, total := simulated(t, parts, 2)
	if order[0] != "kernel" || total != 70 {
		t.Errorf("%v in %v s", order, total)
	}
}

func TestWholeMachineLast(t *testing.T) {
	parts := []*part{{name: "clock", cost: 100, whole: true}, {name: "a", cost: 1}, {name: "b", cost: 2}, {name: "c", cost: 4, needs: []string{"b"}}}
	order, total := simulated(t, parts, 2)
	if order[3] != "clock" || total != 106 {
		t.Errorf("%v in %v s", order, total)
	}
	parts = []*part{{name: "clock", cost: 100, whole: true, state: running}, {name: "a", cost: 1}}
	if p := next(parts, 1, 2); p != nil {
		t.Errorf("%s runs beside what needs the whole machine", p.name)
	}
}

// Repetitions come last, those of the debug kernel before the others, and so does what only they need.
func TestRepetitionsLast(t *testing.T) {
	parts := []*part{
		{name: "kernel", cost: 50, prepares: true}, {name: "a@6.1", kernel: "6.1", cost: 90, repeats: true, needs: []string{"kernel"}},
		{name: "a@debug", kernel: "debug", cost: 9, repeats: true}, {name: "a", cost: 1}, {name: "b", cost: 2},
		{name: "clock", cost: 100, whole: true},
	}
	order, _ := simulated(t, parts, 1)
	if got := strings.Join(order, " "); got != "b a a@debug kernel a@6.1 clock" {
		t.Error(got)
	}
}

// A part that needs one that failed never begins.
func TestFailedNeed(t *testing.T) {
	parts := []*part{{name: "a", state: failed}, {name: "b", needs: []string{"a"}}}
	if p := next(parts, 0, 2); p != nil {
		t.Errorf("%s begins", p.name)
	}
}

// The real table ends on any number of slots, and two slots are nearly twice as fast as one.
func TestTableIsScheduled(t *testing.T) {
	sum := 0.0
	for _, slots := range []int{1, 2, 3, 16} {
		parts := table([]string{"config", "failover", "tool", "switch"})
		order, total := simulated(t, parts, slots)
		if len(order) != len(parts) {
			t.Errorf("%d of %d ran", len(order), len(parts))
		}
		if slots == 1 {
			sum = total
		}
		if slots == 2 && total > 0.6*sum {
			t.Errorf("two slots take %v s, one takes %v s", total, sum)
		}
	}
}

// All needs exist, names are unique, and the tests and kernels of all plans exist.
func TestTable(t *testing.T) {
	tests, err := selftests("../selftests")
	if err != nil {
		t.Fatal(err)
	}
	parts := table(tests)
	names := map[string]bool{}
	for _, p := range parts {
		if names[p.name] {
			t.Errorf("two parts are %s", p.name)
		}
		names[p.name] = true
	}
	for _, p := range parts {
		for _, n := range p.needs {
			if !names[n] {
				t.Errorf("%s needs %s, which there is not", p.name, n)
			}
		}
		if p.kernel != "" && !slices.Contains(kernels, p.kernel) {
			t.Errorf("%s is on kernel %s, which there is not", p.name, p.kernel)
		}
	}
	for test := range plans {
		if !slices.Contains(tests, test) {
			t.Errorf("there is a plan for %s, and no such test", test)
		}
	}
	for _, test := range tests {
		// These need several processors, or modules that only Debian's own kernels have.
		if test == "races" && names["races@smp"] || (test == "firewall" || test == "masters") && names[test+"@6.12"] {
			continue
		}
		if !names[test+"@latest"] && !names[test+"@latest-1of2"] && !names[test+"@latest-1of4"] {
			t.Errorf("%s does not run on latest", test)
		}
	}
}
