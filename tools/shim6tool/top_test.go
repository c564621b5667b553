// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"shim6/daemon/control"
)

// overviewOf is an overview of two links and so many peers, of which the last is not protected.
func overviewOf(peers int) *control.Overview {
	a := netip.MustParseAddr
	o := &control.Overview{
		Time:   now,
		Status: control.Status{Version: "1.2.3", Kernel: true, Uptime: 3_720_000, HoldDowns: 2},
		States: map[string]int{"established": peers},
		Links: []control.Link{
			{Interface: "up1", Router: a("fe80::1"), Operational: true, Policy: "normal", Locators: []netip.Addr{a("2001:db8:1::a")}, Outbound: peers, ProbesAnswered: 30, ProbesLost: 10, RTT: 12.34},
			{Interface: `a<b>"&` + "\x1b[2J", Policy: "backup", Why: "it has no\ncarrier\u202e", Locators: []netip.Addr{a("2001:db8:2::a")}},
		},
		Protected: max(0, peers-1),
	}
	for i := range peers {
		peer := a(fmt.Sprintf("2001:db8:f::%x", i+1))
		g := control.Glance{
			Name: control.Name{ULIDLocal: a("2001:db8:1::a"), ULIDPeer: peer}, State: "established", ReapState: "operational", Protected: i < peers-1,
			Pairs: []control.GlancePair{
				{Pair: control.Pair{LocatorLocal: a("2001:db8:1::a"), LocatorPeer: peer}, Interface: "up1", Current: true, State: "working", RTT: 5.5},
				{Pair: control.Pair{LocatorLocal: a("2001:db8:2::a"), LocatorPeer: peer, Encapsulation: "udp"}, Interface: o.Links[1].Interface, Inbound: true, State: "failed"},
			},
		}
		if !g.Protected {
			g.ReapState = "exploring"
			o.Unprotected = []control.Lack{{Local: "we have one provider", Peer: "the peer has told of no other provider", Contexts: 1}}
		}
		o.Glances = append(o.Glances, g)
	}
	return o
}

func frameOf(peers int) *frame {
	f := &frame{at: now, host: "here", overview: overviewOf(peers), checked: true, links: map[linkName]linkRates{
		{"up1", netip.MustParseAddr("fe80::1")}: {in: 1.5e6, out: 100, asked: 40, lost: 10},
	}}
	for i := range min(peers, 1) * 12 {
		f.switches = append(f.switches, control.Switch{
			Time: now.Add(time.Duration(i) * time.Second), Name: f.overview.Glances[0].Name, Direction: "outbound", Trigger: "ulp",
			Why: fmt.Sprintf("TCP retransmits %d", i), Outage: 420, From: f.overview.Glances[0].Pairs[0].Pair, To: f.overview.Glances[0].Pairs[1].Pair,
		})
	}
	f.checks = []check{{"module", resultFail, "it is gone", "'modprobe shim6'"}, {"firewall", resultWarn, strings.Repeat("it drops all ", 20), ""}}
	return f
}

// simulated is a screen of a size.
func simulated(t *testing.T, width, height int) tcell.SimulationScreen {
	t.Helper()
	s := tcell.NewSimulationScreen("UTF-8")
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Fini)
	s.SetSize(width, height)
	return s
}

// drawn is what a screen shows.
func drawn(s tcell.SimulationScreen) string {
	cells, width, height := s.GetContents()
	var b strings.Builder
	for y := range height {
		for x := range width {
			b.WriteString(string(cells[y*width+x].Runes))
		}
		b.WriteByte('\n')
	}
	return regexp.MustCompile(` +\n`).ReplaceAllString(b.String(), "\n")
}

// The first screen, on the terminal of 1978, has what matters: the verdict, the links, the peers, the
// last switches, and what is wrong. Nothing obeys a name of somebody else's.
func TestTopScreen(t *testing.T) {
	s := simulated(t, 80, 24)
	v := &view{}
	v.draw(s)
	if got := drawn(s); !strings.HasPrefix(got, "asking shim6d\n") {
		t.Errorf("at first:\n%s", got)
	}
	v.show(frameOf(3))
	v.draw(s)
	got := drawn(s)
	clock := now.Local().Format("15:04:05")
	for _, want := range []string{
		"NOT PROTECTED  1 of 3 contexts without another way", " here " + clock + "\n",
		"shim6d 1.2.3, 3 established, 2 without Shim6, up 1h2m\n",
		"up1       fe80::1                   up         12ms   25%   12Mb/s   800b/s    3\n  2001:db8:1::/48\n",
		`a<b>"&?[~ none                      down          -     -`, "  2001:db8:2::/48 backup (it has no?carrier?)\n",
		"NOT PROTECTED 1: we have one provider; the peer has told of no other provider\n",
		"2001:db8:f::1 established protected by 1 pair\n", " >  up1 to 2001:db8:f::1 working 5.5ms\n", `  < a<b>"&?[2J to 2001:db8:f::1 udp failed`,
		"... and 1 more: 'shim6tool context'", ":11 2001:db8:f::1 TCP retransmits 11, 420ms lost\n",
		"fail module: it is gone: 'modprobe shim6'\n", "q quit  space pause  s switches  d doctor",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 24 || strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("%d lines:\n%q", n, got)
	}
	t.Log("\n" + got)
}

// The verdict says the worst.
func TestTopVerdict(t *testing.T) {
	all := frameOf(1)
	all.overview.Protected, all.overview.Unprotected = 7, nil
	none := frameOf(0)
	waits := frameOf(3)
	waits.overview.Status.Kernel = false
	for _, c := range []struct {
		f    *frame
		want string
	}{
		{all, "PROTECTED all of 7 contexts"},
		{none, "NOTHING TO PROTECT there is no context"},
		{waits, "NOT PROTECTED shim6d waits for the kernel module: 'modprobe shim6'"},
		{&frame{at: now, err: errors.New("x")}, "UNKNOWN shim6d does not answer"},
	} {
		word, text := c.f.verdict()
		if got := word.text + " " + text; got != c.want {
			t.Errorf("%q, wanted %q", got, c.want)
		}
	}
}

// Keys turn the pages, scroll, pause and end.
func TestTopKeys(t *testing.T) {
	s := simulated(t, 80, 24)
	v := &view{}
	v.show(frameOf(30))
	press := func(key tcell.Key, r rune) bool {
		quit := v.key(tcell.NewEventKey(key, r, tcell.ModNone))
		v.draw(s)
		return quit
	}
	press(tcell.KeyRune, 's')
	if got := drawn(s); !strings.Contains(got, "SWITCHES, the newest first\n") || !strings.Contains(got, "why TCP retransmits 11\n") || strings.Contains(got, "retransmits 0\n") {
		t.Errorf("the switches:\n%s", got)
	}
	press(tcell.KeyEnd, 0)
	if got := drawn(s); !strings.Contains(got, "why TCP retransmits 0\n") {
		t.Errorf("their end:\n%s", got)
	}
	press(tcell.KeyUp, 0)
	press(tcell.KeyPgUp, 0)
	at := v.offset
	if press(tcell.KeyDown, 0); v.offset != at+1 {
		t.Errorf("line %d, wanted %d", v.offset, at+1)
	}
	if press(tcell.KeyHome, 0); v.offset != 0 {
		t.Errorf("line %d at home", v.offset)
	}
	press(tcell.KeyRune, 'd')
	if got := drawn(s); !strings.Contains(got, "warn firewall: it drops all it drops") || strings.Contains(got, "LINK") {
		t.Errorf("doctor:\n%s", got)
	}
	press(tcell.KeyEscape, 0)
	press(tcell.KeyRune, ' ')
	v.show(&frame{at: now, err: errors.New("nobody listens")})
	v.draw(s)
	if got := drawn(s); !strings.Contains(got, "NOT PROTECTED  1 of 30") || !strings.Contains(got, "PAUSED") {
		t.Errorf("while it is paused:\n%s", got)
	}
	press(tcell.KeyRune, ' ')
	if got := drawn(s); !strings.Contains(got, "UNKNOWN  shim6d does not answer") || !strings.Contains(got, "nobody listens") {
		t.Errorf("after that:\n%s", got)
	}
	if press(tcell.KeyRune, 'x') || !press(tcell.KeyRune, 'q') || !press(tcell.KeyCtrlC, 0) {
		t.Error("q and Ctrl-C end, and no other key does")
	}
}

// There is a screen of any size.
func TestTopSizes(t *testing.T) {
	s := simulated(t, 80, 24)
	v := &view{}
	v.show(frameOf(200))
	for _, size := range [][2]int{{1, 1}, {2, 2}, {10, 3}, {40, 5}, {80, 24}, {300, 100}} {
		s.SetSize(size[0], size[1])
		for p := pageAll; p <= pageDoctor; p++ {
			v.page = p
			v.draw(s)
		}
	}
}

// Traffic is told by the second, and the loss of Probes over the last minutes.
func TestTopRates(t *testing.T) {
	d := &fakeDaemon{overview: overviewOf(1), switches: [][]control.Switch{make([]control.Switch, topSwitches+5)}}
	at, count := now, octets{}
	w := &world{daemon: d}
	system := w.system()
	system.now = func() time.Time { return at }
	system.counters = func(string) (map[string]octets, error) { return map[string]octets{"up1": count}, nil }
	c := &collector{tool: &tool{system: system}}
	name := linkName{"up1", netip.MustParseAddr("fe80::1")}
	f := c.frame()
	if r := f.links[name]; f.err != nil || r.in != -1 || r.asked != 0 || len(f.switches) != topSwitches {
		t.Errorf("%v, %+v, %d switches", f.err, r, len(f.switches))
	}
	step := func(after time.Duration, answered, lost uint64) linkRates {
		at = at.Add(after)
		count = octets{count.in + 4000, count.out + 2000}
		l := &d.overview.Links[0]
		l.ProbesAnswered, l.ProbesLost = l.ProbesAnswered+answered, l.ProbesLost+lost
		return c.frame().links[name]
	}
	if r := step(2*time.Second, 3, 1); r != (linkRates{in: 2000, out: 1000, asked: 4, lost: 1}) {
		t.Errorf("%+v", r)
	}
	if r := step(lossOver-time.Second, 1, 0); r.asked != 1 || r.lost != 0 {
		t.Errorf("after some minutes %+v", r)
	}
	d.overview.Links[0].ProbesAnswered, d.overview.Links[0].ProbesLost = 0, 0
	if r := step(time.Second, 1, 1); r.asked != 0 || r.lost != 0 {
		t.Errorf("after a restart of shim6d %+v", r)
	}
	d.err = &control.Error{Status: 404, Message: "shim6d answers 404 Not Found"}
	if f := c.frame(); f.overview != nil || f.err == nil || !strings.Contains(f.err.Error(), "older than shim6tool") {
		t.Errorf("with an older shim6d: %v", f.err)
	}
}

func TestTopText(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{rate(-1), "-"}, {rate(0), "0b/s"}, {rate(100), "800b/s"}, {rate(200), "1.6kb/s"}, {rate(1.5e6), "12Mb/s"}, {rate(1.25e8), "1.0Gb/s"}, {rate(1e13), "80Tb/s"},
		{millis(0.25), "0.2ms"}, {millis(420), "420ms"}, {millis(31000), "31s"},
		{coarse(5 * time.Second), "5s"}, {coarse(65 * time.Second), "1m5s"}, {coarse(50 * time.Hour), "2d2h"},
		{fit("abc", 5), "abc  "}, {fit("abcdef", 5), "abcd~"}, {short("日本語", 5), "日本~"}, {short("abc", 0), ""},
		{clean("a\x1b[31mb\u202ec\xffe\u0301\x7f"), "a?[31mb?c?e??"},
	} {
		if c.got != c.want {
			t.Errorf("%q, wanted %q", c.got, c.want)
		}
	}
}
