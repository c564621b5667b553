// SPDX-License-Identifier: GPL-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

const nestedTAP = `TAP version 13
1..1
    TAP version 13
    ok 1 it comes up
    not ok 2 it goes on [5533-1.5-01]
    #   3 packets
    #   packets is '3', wanted '4'
    # why: packets is '3', wanted '4'
    ok 3 the other # SKIP ip is not installed
    # a note
    1..3
not ok 1 test_x # 1234 ms (status 1)
0 passed, 1 failed
`

func TestTAP(t *testing.T) {
	r := newTAP(true)
	begin := r.last
	for i, l := range strings.Split(nestedTAP, "\n") {
		r.line(l, begin.Add(time.Duration(i)*time.Second))
	}
	cases := r.end()
	if len(cases) != 3 {
		t.Fatalf("%+v", cases)
	}
	for i, want := range []testCase{
		{Title: "it comes up", Result: "passed", Seconds: 3},
		{Title: "it goes on [5533-1.5-01]", Result: "failed", Seconds: 1},
		{Title: "the other", Result: "skipped", Seconds: 4},
	} {
		c := cases[i]
		if c.Title != want.Title || c.Result != want.Result || c.Seconds != want.Seconds {
			t.Errorf("%+v, wanted %+v", c, want)
		}
	}
	if got := strings.Join(cases[1].reasons(2), "|"); got != "packets is '3', wanted '4'" {
		t.Error(got)
	}
	if len(cases[1].Said) != 2 {
		t.Errorf("%q", cases[1].Said)
	}
}

// The TAP of a part without a guest is not nested, has no marked reasons, and may have seconds.
func TestFlatTAP(t *testing.T) {
	r := newTAP(false)
	for _, l := range strings.Split("ok 1 gofmt # 3 s\nnot ok 2 go vet\n#   a\n#   b\n#   c\n    ok 1 inner\n2 passed, 1 failed", "\n") {
		r.line(l, time.Now())
	}
	cases := r.end()
	if len(cases) != 2 || cases[0].Title != "gofmt" || cases[1].Result != "failed" {
		t.Fatalf("%+v", cases)
	}
	if got := strings.Join(cases[1].reasons(2), "|"); got != "b|c" {
		t.Error(got)
	}
}
