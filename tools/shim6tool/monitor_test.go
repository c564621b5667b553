// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/control"
	"shim6/netlink"
)

var errEnd = errors.New("the end")

// someNews has an event of each kind.
func someNews() []netlink.Notification {
	config := newFake().config
	rule := netlink.Policy{Preference: ptr(uint32(5)), Action: netlink.PolicyActionBypass}
	context := fullContext()
	context.TagLocal, context.TagPeer = nil, nil
	return []netlink.Notification{{Config: &config}, {Policy: &rule}, {Policy: &rule, Deleted: true}, {Context: &context, Deleted: true}}
}

func TestMonitor(t *testing.T) {
	localTime(t)
	indented := "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
	f := newFake()
	for _, tt := range []struct {
		words  string
		groups []string
		want   string
	}{
		{"monitor policy", []string{"policy"}, "config\n" + indented + "policy preference 5 action bypass\ndeleted policy preference 5 action bypass\n"},
		{"-ts mon config", []string{"config"}, "[2026-11-24T12:00:00.123456] config\n" + indented +
			"[2026-11-24T12:00:00.123456] policy preference 5 action bypass\n[2026-11-24T12:00:00.123456] deleted policy preference 5 action bypass\n"},
		{"-t m con", []string{"config"}, "Timestamp: Tue Nov 24 12:00:00 2026 .123456 UTC\nconfig\n" + indented +
			"Timestamp: Tue Nov 24 12:00:00 2026 .123456 UTC\npolicy preference 5 action bypass\n" +
			"Timestamp: Tue Nov 24 12:00:00 2026 .123456 UTC\ndeleted policy preference 5 action bypass\n"},
	} {
		w := &world{kernel: f, watcher: &fakeWatcher{news: someNews(), err: errEnd}}
		status, out, errs := callWorld(w, strings.Fields(tt.words)...)
		if status != exitRefused || errs != "shim6tool: the end\n" || out != tt.want {
			t.Errorf("%s: status %d, %s\n%s", tt.words, status, errs, cmp.Diff(tt.want, out))
		}
		if !slices.Equal(w.groups, tt.groups) {
			t.Errorf("%s: groups %v", tt.words, w.groups)
		}
	}
	w := &world{kernel: f, watcher: &fakeWatcher{news: someNews()[3:], err: errEnd}}
	_, out, _ := callWorld(w, "monitor", "context")
	if want := "deleted context 2001:db8:1::a 2001:db8:2::b fii 7\n    state established"; !strings.HasPrefix(out, want) {
		t.Error(out)
	}
	w = &world{kernel: f, watcher: &fakeWatcher{err: netlink.ErrOverflow}}
	if status, _, errs := callWorld(w, "monitor", "context"); status != exitRefused || !strings.Contains(errs, "too much happens at once") {
		t.Errorf("status %d, %s", status, errs)
	}
}

// Each line is an object: the names of monitor come first, then those of the specification.
func TestMonitorJSON(t *testing.T) {
	w := &world{kernel: newFake(), watcher: &fakeWatcher{news: someNews(), err: errEnd}}
	_, out, _ := callWorld(w, "-j", "-ts", "monitor", "context")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 {
		t.Fatal(out)
	}
	for i, want := range []struct {
		event   string
		deleted bool
	}{{"config", false}, {"policy", false}, {"policy", true}, {"context", true}} {
		var o map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &o); err != nil {
			t.Fatal(err)
		}
		if o["event"] != want.event || (o["deleted"] == true) != want.deleted || o["timestamp"] == nil {
			t.Errorf("%v", o)
		}
		for k := range o {
			if !slices.Contains([]string{"event", "deleted", "timestamp"}, k) && !slices.Contains(specSet(t, want.event), k) {
				t.Errorf("%s: the specification has no %q", want.event, k)
			}
		}
	}
}

// moves are of a context that comes to another pair, stays there, is deleted, and is made again.
func moves() []netlink.Notification {
	at := func(p control.Pair) *netlink.Context {
		return &netlink.Context{ULIDs: netlink.ULIDs{Local: ulidA, Peer: ulidB, FII: 7}, LocatorLocal: p.LocatorLocal, LocatorPeer: p.LocatorPeer}
	}
	return []netlink.Notification{{Context: at(ulids)}, {Context: at(other)}, {Context: at(other)}, {Context: at(other), Deleted: true}, {Context: at(ulids)}}
}

// Without shim6d, the contexts of the kernel tell which pair they have.
func TestMonitorKernelPaths(t *testing.T) {
	const want = `path 2001:db8:1::a 2001:db8:2::b fii 7 outbound
    from 2001:db8:1::a 2001:db8:2::b
    to   2001:db8:3::a 2001:db8:4::b
`
	w := &world{kernel: newFake(), watcher: &fakeWatcher{news: moves(), err: errEnd}}
	_, out, errs := callWorld(w, "monitor", "path")
	if out != want || !strings.Contains(errs, "is shim6d running?") || !strings.Contains(errs, "reasons of switches are not told") {
		t.Errorf("%s\n%s", errs, cmp.Diff(want, out))
	}
	// The pair that a context has at the beginning is no news.
	f := newFake()
	f.contexts = []netlink.Context{*moves()[1].Context}
	w = &world{kernel: f, watcher: &fakeWatcher{news: moves()[1:2], err: errEnd}}
	if _, out, _ := callWorld(w, "monitor", "path"); out != "" {
		t.Errorf("news: %s", out)
	}
}

// Switches that the daemon had before the beginning are not told; later ones are told once.
func TestMonitorSwitches(t *testing.T) {
	localTime(t)
	synctest.Test(t, func(t *testing.T) {
		old, one, two := fullSwitch(), fullSwitch(), fullSwitch()
		one.Time, two.Time = now.Add(time.Second), now.Add(2*time.Second)
		two.Trigger = "operator"
		d := newDaemon()
		d.switches = [][]control.Switch{{old}, {old}, {old, one}, {old, one}, {one, two}}
		end := make(chan struct{})
		w := &world{kernel: newFake(), daemon: d, watcher: &fakeWatcher{news: moves(), err: errEnd, end: end}}
		time.AfterFunc(6*time.Second, func() { close(end) })
		_, out, errs := callWorld(w, "monitor", "all")
		if errs != "shim6tool: the end\n" || !slices.Equal(w.groups, []string{"config", "context", "policy"}) {
			t.Errorf("%s, groups %v", errs, w.groups)
		}
		var paths []string
		for _, l := range strings.Split(out, "\n") {
			if strings.HasPrefix(l, "path ") {
				paths = append(paths, l)
			}
		}
		want := []string{
			"path 2001:db8:1::a 2001:db8:2::b fii 7 outbound trigger send-timeout outage 15400ms",
			"path 2001:db8:1::a 2001:db8:2::b fii 7 outbound trigger operator outage 15400ms",
		}
		if diff := cmp.Diff(want, paths); diff != "" {
			t.Error(diff)
		}
	})
}

// The list says which switches are new. The clock of the tool and the times of switches, here set
// back and far ahead, do not.
func TestMonitorSwitchesClocks(t *testing.T) {
	localTime(t)
	at := func(after time.Duration, trigger string) control.Switch {
		s := fullSwitch()
		s.Time, s.Trigger = now.Add(after), trigger
		return s
	}
	behind := func(s control.Switch, fii uint32) control.Switch {
		s.Name.FII = fii
		return s
	}
	old, back, further, ahead := at(time.Hour, "old"), at(-time.Hour, "back"), at(-2*time.Hour, "further"), at(48*time.Hour, "ahead")
	for _, tt := range []struct {
		name  string
		lists [][]control.Switch
		want  []string
	}{
		{"set back", [][]control.Switch{{old}, {old, back}, {old, back, further}, {old, back, further}}, []string{"back", "further"}},
		{"ahead", [][]control.Switch{{ahead}, {ahead, back}, {ahead, back}}, []string{"back"}},
		{"none at first", [][]control.Switch{{}, {}, {back}, {back}}, []string{"back"}},
		{"the same time", [][]control.Switch{{old, back}, {old, back, behind(back, 1), behind(back, 2)}}, []string{"back", "back"}},
		{"shim6d restarts", [][]control.Switch{{old, back}, {}, {further}, {further}}, []string{"further"}},
		{"all are new", [][]control.Switch{{old}, {back, further}, {back, further}}, []string{"back", "further"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDaemon()
			d.switches = tt.lists
			end := make(chan struct{})
			w := &world{kernel: newFake(), daemon: d, watcher: &fakeWatcher{err: errEnd, end: end}}
			time.AfterFunc(6*time.Second, func() { close(end) })
			_, out, _ := callWorld(w, "monitor", "all")
			var triggers []string
			for _, l := range strings.Split(out, "\n") {
				if words := strings.Fields(l); len(words) > 0 && words[0] == "path" {
					triggers = append(triggers, words[slices.Index(words, "trigger")+1])
				}
			}
			if !slices.Equal(triggers, tt.want) {
				t.Errorf("%s: %q is told, want %q", tt.name, triggers, tt.want)
			}
		})
	}
}

// A change of what protects a context is printed once.
func TestMonitorProtection(t *testing.T) {
	name := control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: 7}
	other := control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: 8}
	bare := control.Protection{Name: name, LackLocal: "we have one provider", Text: "not protected: we have one provider"}
	safe := control.Protection{Name: name, Protected: true, Pairs: 3, NetworksLocal: 2, NetworksPeer: 2, Text: "protected by 3 other pairs"}
	young := control.Protection{Name: other, Protected: true, Pairs: 1, NetworksLocal: 2, NetworksPeer: 1, Text: "protected by 1 other pair"}
	run := func(t *testing.T, words ...string) (out, errs string) {
		synctest.Test(t, func(t *testing.T) {
			d := newDaemon()
			d.contexts = []control.Context{{Name: name}, {Name: other}}
			d.later = [][]control.Protection{{bare}, {bare}, {safe}, {safe, young}, {young}, {safe, young}, nil, nil, {bare, young}}
			end := make(chan struct{})
			time.AfterFunc(20*time.Second, func() { close(end) })
			_, out, errs = callWorld(&world{kernel: newFake(), daemon: d, watcher: &fakeWatcher{err: errEnd, end: end}}, words...)
		})
		return out, errs
	}
	const want = `protection 2001:db8:1::a 2001:db8:2::b fii 7 protected by 3 other pairs
protection 2001:db8:1::a 2001:db8:2::b fii 8 protected by 1 other pair
protection 2001:db8:1::a 2001:db8:2::b fii 7 protected by 3 other pairs
protection 2001:db8:1::a 2001:db8:2::b fii 7 not protected: we have one provider
`
	out, errs := run(t, "monitor", "all")
	if out != want || errs != "shim6tool: it is away; shim6d is asked again\nshim6tool: the end\n" {
		t.Errorf("%s\n%s", errs, cmp.Diff(want, out))
	}
	out, _ = run(t, "-j", "monitor", "all")
	line, _, _ := strings.Cut(out, "\n")
	const first = `{"event":"protection","ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:2::b","fii":7,"protected":true,"pairs":3,` +
		`"networks-local":2,"networks-peer":2,"text":"protected by 3 other pairs"}`
	if line != first {
		t.Error(cmp.Diff(first, line))
	}
}

// With more contexts than are watched, one that moves up in the list is not told as a change.
func TestMonitorProtectionOfMany(t *testing.T) {
	d := newDaemon()
	for i := range mostProtected + 1 {
		n := control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: uint32(i + 1)}
		d.contexts = append(d.contexts, control.Context{Name: n})
		d.protections = append(d.protections, control.Protection{Name: n, Protected: true, Pairs: 1, Text: "protected"})
	}
	var errs strings.Builder
	w := &world{kernel: newFake(), daemon: d}
	m := &monitoring{tool: &tool{err: &errs, system: w.system()}}
	told := 0
	tell := func(control.Protection) error { told++; return nil }
	for _, want := range []int{mostProtected, 0} {
		told = 0
		if err := m.pollProtection(tell); err != nil || told != want {
			t.Errorf("%d are told, wanted %d: %v", told, want, err)
		}
		d.contexts = d.contexts[1:]
	}
	if got := errs.String(); strings.Count(got, "too many to watch") != 1 {
		t.Errorf("%q", got)
	}
	if d.most > control.MaxProtections {
		t.Errorf("%d are asked about at once", d.most)
	}
}

// Pairs that shim6d gives up are told, though they have no context any more; those of before are not.
func TestMonitorGivenUp(t *testing.T) {
	d := newDaemon()
	pair := func(fii uint32) control.Name { return control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: fii} }
	for i, to := range []string{"no-support", "established", "e-failed", "no-support"} {
		n := pair(uint32(i))
		d.changes = append(d.changes, control.Change{Time: now.Add(time.Duration(i) * time.Second), Name: n, To: to})
		d.protections = append(d.protections, control.Protection{Name: n, Text: "not protected"})
	}
	w := &world{kernel: newFake(), daemon: d}
	m := &monitoring{tool: &tool{err: io.Discard, system: w.system()}}
	var told []uint32
	tell := func(p control.Protection) error { told = append(told, p.FII); return nil }
	all := d.changes
	for _, n := range []int{1, 3, 4, 4} {
		d.changes = all[:n]
		if err := m.pollProtection(tell); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(told, []uint32{2, 3}) {
		t.Error(told)
	}
}

// Without shim6d, monitor says that it knows nothing of protection, and goes on.
func TestMonitorProtectionWithoutDaemon(t *testing.T) {
	w := &world{kernel: newFake(), watcher: &fakeWatcher{err: errEnd}}
	if _, out, errs := callWorld(w, "monitor", "all"); out != "" || !strings.Contains(errs, "protection is told when shim6d answers") {
		t.Errorf("%q, %s", out, errs)
	}
}
