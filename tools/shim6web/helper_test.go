// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

var (
	a1 = netip.MustParseAddr("2001:db8:1::a")
	a2 = netip.MustParseAddr("2001:db8:2::a")
	b1 = netip.MustParseAddr("2001:db8:3::b")
	b2 = netip.MustParseAddr("2001:db8:4::b")
	// hostile is a name that an interface can have.
	hostile = `a<b>"&'`
)

func pair(local, peer netip.Addr) control.Pair {
	return control.Pair{LocatorLocal: local, LocatorPeer: peer}
}

// glance is a protected session whose payload goes by the first of four pairs.
func glance(fii uint32) control.Glance {
	return control.Glance{
		Name: control.Name{ULIDLocal: a1, ULIDPeer: b1, FII: fii}, State: "established", ReapState: "operational", Protected: true,
		Text: "protected by 3 other pairs, of 2 networks here and 2 networks there",
		Pairs: []control.GlancePair{
			{Pair: pair(a1, b1), Interface: "up1", Current: true, Inbound: true, State: "working", RTT: 20.4},
			{Pair: pair(a2, b2), Interface: hostile, State: "working", RTT: 31},
			{Pair: pair(a1, b2), Interface: "up1", State: "unknown"},
			{Pair: pair(a2, b1), Interface: hostile, State: "failed"},
		},
	}
}

// overviewOf is the overview of a host with so many sessions, on two links.
func overviewOf(sessions int) *control.Overview {
	o := &control.Overview{
		Time: time.Now().UTC(), Status: control.Status{Version: "1", PID: 2, Kernel: true, Uptime: 3000, Sent: map[string]uint64{"I1": 3}},
		States: map[string]int{}, ReapStates: map[string]int{}, Protected: sessions, Unprotected: []control.Lack{}, Glances: []control.Glance{},
		Links: []control.Link{
			{Interface: "up1", Router: netip.MustParseAddr("fe80::1"), Operational: true, Policy: "normal", Locators: []netip.Addr{a1}, Outbound: sessions,
				ProbesAnswered: 99, ProbesLost: 1, RTT: 20.4},
			{Interface: hostile, Router: netip.MustParseAddr("fe80::2"), Operational: true, Policy: "backup", Locators: []netip.Addr{a2}},
		},
		Switches: []control.SwitchCount{{Direction: "outbound", Trigger: "local", Count: 2}},
		Outages:  control.Outages{Bounds: []int64{50, 1000}, Counts: []uint64{1, 1, 0}, Sum: 200},
	}
	if sessions > 0 {
		o.States["established"], o.ReapStates["operational"] = sessions, sessions
	}
	for i := range min(sessions, control.MaxGlances) {
		o.Glances = append(o.Glances, glance(uint32(i)))
	}
	return o
}

// moved is a switch to the other link because the first one has failed.
func moved() control.Switch {
	return control.Switch{
		Time: time.Now(), Name: glance(0).Name, Direction: "outbound", Trigger: "local", Why: "our locator in use is gone or broken",
		From: pair(a1, b1), To: pair(a2, b2), Outage: 70,
	}
}

// fake is a host whose shim6d says what a test wants.
type fake struct {
	mu       sync.Mutex
	overview *control.Overview
	err      error
	list     []control.Event
	carried  uint64
	// active is how many contexts of farName are active, beside the first one.
	active   int
	examined int
	// stalls has shim6d not answer until the asker gives up.
	stalls bool
	came   chan struct{}
}

var farPeers = netip.MustParsePrefix("2001:db8::/104")

// farName is the name of one of many contexts.
func farName(i int) control.Name {
	return control.Name{ULIDLocal: a1, ULIDPeer: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})}
}

func newFake(sessions int) *fake {
	return &fake{overview: overviewOf(sessions), came: make(chan struct{})}
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// happen has an event come.
func (f *fake) happen(s control.Switch) {
	f.set(func() {
		f.list = append(f.list, control.Event{Sequence: uint64(len(f.list) + 1), Switch: &s})
		close(f.came)
		f.came = make(chan struct{})
	})
}

func (f *fake) host() host {
	return host{
		overview: func(ctx context.Context) (*control.Overview, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.stalls {
				f.mu.Unlock()
				<-ctx.Done()
				f.mu.Lock()
				return nil, ctx.Err()
			}
			return f.overview, f.err
		},
		events: func(ctx context.Context, after uint64) (control.Events, error) {
			for {
				f.mu.Lock()
				list, came, err := f.list[min(int(after), len(f.list)):], f.came, f.err
				f.mu.Unlock()
				if len(list) > 0 || err != nil {
					return control.Events{Sequence: after + uint64(len(list)), Events: list}, err
				}
				select {
				case <-came:
				case <-ctx.Done():
					return control.Events{}, ctx.Err()
				}
			}
		},
		sessions: func(_ context.Context, r control.SessionsRequest) (*control.Sessions, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			all := 0
			for _, n := range f.overview.States {
				all += n
			}
			s := &control.Sessions{From: min(r.From, all), Glances: []control.Glance{}}
			for i := range all {
				g := glance(0)
				g.Name = farName(i)
				if !strings.Contains(g.ULIDPeer.String(), r.Find) {
					continue
				}
				if s.Total++; s.Total > r.From && len(s.Glances) < control.MaxGlances {
					s.Glances = append(s.Glances, g)
				}
			}
			return s, f.err
		},
		traffic: func() (map[string]octets, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.carried += 125_000
			return map[string]octets{"up1": {f.carried, 2 * f.carried}, hostile: {5, 6}, "lo": {7, 8}}, nil
		},
		active: func(_ time.Duration, do func(*carried)) error {
			f.mu.Lock()
			n := f.carried
			list := f.active
			by := pair(a1, b1)
			for _, e := range f.list {
				if e.Switch != nil {
					by = e.Switch.To
				}
			}
			f.mu.Unlock()
			do(&carried{glance(0).Name, by, octets{n, n / 2}})
			for i := range list {
				do(&carried{farName(i), pair(a1, b1), octets{n, n / 2}})
			}
			return nil
		},
		context: func(n control.Name) (*carried, error) {
			if n != glance(0).Name && !farPeers.Contains(n.ULIDPeer) {
				return nil, fs.ErrNotExist
			}
			return &carried{n, pair(n.ULIDLocal, n.ULIDPeer), octets{7, 7}}, nil
		},
		counters: func() ([]netlink.Stat, error) {
			return []netlink.Stat{{Name: "contexts", Value: 1}, {Name: "out-rehomed", Value: 7}}, nil
		},
		examine: func(context.Context) ([]finding, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.examined++
			return []finding{
				{"module", "ok", "shim6.ko is loaded", ""},
				{"firewall", "fail", `rule "drop" of ` + hostile + " drops IP protocol 140", "let it through: examples/firewall"},
			}, nil
		},
	}
}

// browse serves a fake for a browser, and returns the address of the page.
func browse(t testing.TB, f *fake, o options) (*watcher, string) {
	t.Helper()
	g, err := newGuard(&o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := newWatcher(f.host(), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { w.run(ctx); close(done) }()
	s := httptest.NewServer(newSite(w, g, slog.New(slog.DiscardHandler)).handler)
	t.Cleanup(func() {
		cancel()
		s.CloseClientConnections()
		s.Close()
		<-done
	})
	return w, s.URL
}

// eventually waits until something holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprintf("not within %v: ", within) + what)
		}
	}
}
