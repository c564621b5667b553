// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"strings"
	"testing"
	"time"

	"shim6/daemon/control"
)

// The verdict answers whether everything is protected, and the worst decides.
func TestJudge(t *testing.T) {
	of := func(sessions int, change func(*control.Overview)) *control.Overview {
		o := overviewOf(sessions)
		if change != nil {
			change(o)
		}
		return o
	}
	for _, x := range []struct {
		name   string
		o      *control.Overview
		failed string
		level  level
		text   string
	}{
		{"not asked yet", nil, "", idle, "has not answered yet"},
		{"gone", of(3, nil), "nobody listens", bad, "shim6d does not answer: nobody listens"},
		{"no module", of(0, func(o *control.Overview) { o.Status.Kernel = false }), "", bad, "module is not loaded"},
		{"no session", of(0, nil), "", idle, "no session"},
		{"no session and a dead link", of(0, func(o *control.Overview) { o.Links[0].Operational = false }), "", warn, "up1 (router fe80::1) is down"},
		{"one", of(1, nil), "", good, "The only session is protected"},
		{"many", of(300, nil), "", good, "All 300 sessions are protected"},
		{"one exploring", of(3, func(o *control.Overview) { o.ReapStates["operational"]-- }), "", bad, "1 session looks for another way"},
		{"one not there yet", of(3, func(o *control.Overview) {
			o.States["i1-sent"], o.States["established"], o.ReapStates["operational"], o.Protected = 1, 2, 2, 2
		}), "", warn, "1 session is not protected, of 3"},
		{"none protected", of(3, func(o *control.Overview) { o.Protected = 0 }), "", warn, "No session is protected, of 3"},
		{"links down", of(3, func(o *control.Overview) { o.Links[0].Operational, o.Links[1].Operational = false, false }), "", warn, "are down; all sessions go on"},
	} {
		if v := judge(x.o, x.failed); v.Level != x.level || !strings.Contains(v.Text, x.text) {
			t.Errorf("%s: %+v", x.name, v)
		}
	}
}

// A switch changes what is shown of its context, and nothing that others read already.
func TestMoveOn(t *testing.T) {
	o := overviewOf(2)
	s := moved()
	n := moveOn(o, &s)
	if !o.Glances[0].Pairs[0].Current || o.Glances[0].Pairs[1].Current {
		t.Error("the old one has changed")
	}
	if g := n.Glances[0]; g.Pairs[0].Current || !g.Pairs[1].Current || !g.Pairs[0].Inbound || g.Switched.IsZero() {
		t.Errorf("%+v", g)
	}
	if !n.Glances[1].Pairs[0].Current {
		t.Error("another context has changed")
	}
	s.Direction = "inbound"
	s.Time = s.Time.Add(time.Second)
	if g := moveOn(n, &s).Glances[0]; !g.Pairs[1].Inbound || g.Pairs[0].Inbound || !g.Pairs[1].Current {
		t.Errorf("%+v", g)
	}
	if moveOn(nil, &s) != nil {
		t.Error("nothing has become something")
	}
}

// Names of interfaces may have anything but a slash and a space.
func TestParseTraffic(t *testing.T) {
	got := parseTraffic("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n  " + hostile + ":x: 18446744073709551615 2 0 0 0 0 0 0 5 4 0 0 0 0 0 0\nbad: 1 2\nworse: a b c d e f g h i j\n")
	if len(got) != 2 || got["lo"] != (octets{1, 3}) || got[hostile+":x"] != (octets{1<<64 - 1, 5}) {
		t.Errorf("%v", got)
	}
}
