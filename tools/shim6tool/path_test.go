// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"shim6/daemon/control"
	"shim6/netlink"
	"shim6/tools/conformance/shows"
)

var (
	name  = control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: 7}
	plain = control.Name{ULIDLocal: ulidA, ULIDPeer: locatorB}
	ulids = control.Pair{LocatorLocal: ulidA, LocatorPeer: ulidB}
	other = control.Pair{LocatorLocal: locatorA, LocatorPeer: locatorB}
)

func fullSwitch() control.Switch {
	return control.Switch{
		Time: now.Add(-time.Minute), Name: name, Direction: "outbound", Trigger: "send-timeout",
		Why: "nothing was heard for 15s", From: ulids, To: other,
		Probed:   []control.Probed{{Pair: ulids, Time: now.Add(-62 * time.Second)}, {Pair: other, Time: now.Add(-61 * time.Second)}},
		Answered: []control.Pair{other}, Outage: 15400,
		LastGood: []control.LastGood{{Pair: ulids, Time: now.Add(-75 * time.Second)}},
	}
}

func newDaemon() *fakeDaemon {
	lifetime := int64(90000)
	return &fakeDaemon{
		status: control.Status{
			Version: "1.2", PID: 77, Uptime: 61500, Config: "/etc/shim6d.conf", Kernel: true, Contexts: 2, HoldDowns: 1, Records: 3,
			Locators: 4, EventsLost: 5, SendErrors: 6, Sent: map[string]uint64{"R1": 2, "I1": 1}, Received: map[string]uint64{"I2": 3},
			Dropped: map[string]uint64{},
		},
		locators: []control.Locator{
			{Address: ulidA, Interface: "up1", Available: true, Operational: true, ValidLifetime: &lifetime, HBA: true,
				Preference: control.Preference{Priority: 1, Weight: 2, Broken: true, Transient: true}},
			{Address: locatorA, Interface: "up2", Router: netip.MustParseAddr("fe80::1"), Available: true, Why: "the link is down"},
			{Address: ulidB, Interface: "up2", Why: "tentative", CGA: true},
		},
		paths: []control.Path{
			{Name: name, Pair: ulids, State: "failed", Policy: "normal"},
			{Name: name, Pair: other, Current: true, Inbound: true, State: "working", LastGood: now.Add(-1500 * time.Millisecond),
				RTT: 12.34, Policy: "backup", PreferencePeer: control.Preference{Priority: 9}},
			{Name: plain, Pair: ulids, State: "unknown", Policy: "normal"},
		},
		switches: [][]control.Switch{{fullSwitch(), {Time: now, Name: plain, Direction: "inbound", Trigger: "peer", From: other, To: ulids}}},
	}
}

func localTime(t *testing.T) {
	old := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = old })
}

func TestDaemonText(t *testing.T) {
	localTime(t)
	const history = `2026-11-24 11:59:00.123 2001:db8:1::a 2001:db8:2::b fii 7 outbound trigger send-timeout outage 15400ms
    why nothing was heard for 15s
    from 2001:db8:1::a 2001:db8:2::b
    to   2001:db8:3::a 2001:db8:4::b
`
	for _, tt := range []struct{ words, want string }{
		{"path", `2001:db8:1::a 2001:db8:2::b fii 7
    2001:db8:1::a 2001:db8:2::b failed
    2001:db8:3::a 2001:db8:4::b working current inbound last-good 1500ms rtt 12.3ms
2001:db8:1::a 2001:db8:4::b
    2001:db8:1::a 2001:db8:2::b unknown
`},
		{"-s path show 2001:db8:1::a 2001:db8:4::b", `2001:db8:1::a 2001:db8:4::b
    2001:db8:1::a 2001:db8:2::b unknown
        policy normal preference-local priority 0 weight 0 preference-peer priority 0 weight 0
`},
		{"path h", history + `    probed 2 answered 1
2026-11-24 12:00:00.123 2001:db8:1::a 2001:db8:4::b inbound trigger peer outage 0s
    from 2001:db8:3::a 2001:db8:4::b
    to   2001:db8:1::a 2001:db8:2::b
`},
		{"-s pa hi 2001:db8:1::a 2001:db8:2::b fii 7", history + `    probed 11:58:58.123 2001:db8:1::a 2001:db8:2::b
    probed 11:58:59.123 2001:db8:3::a 2001:db8:4::b answered
    last-good 2026-11-24 11:58:45.123 2001:db8:1::a 2001:db8:2::b
`},
		{"locator", `2001:db8:1::a dev up1 hba
2001:db8:3::a dev up2 via fe80::1 not-operational (the link is down)
2001:db8:2::b dev up2 unavailable cga (tentative)
`},
		{"-s l", `2001:db8:1::a dev up1 hba
    priority 1 weight 2 broken transient valid-lifetime 90s
2001:db8:3::a dev up2 via fe80::1 not-operational (the link is down)
    priority 0 weight 0 valid-lifetime forever
2001:db8:2::b dev up2 unavailable cga (tentative)
    priority 0 weight 0 valid-lifetime forever
`},
		{"daemon", `shim6d 1.2 pid 77 uptime 61500ms config /etc/shim6d.conf
    kernel true contexts 2 hold-downs 1 records 3 locators 4
`},
		{"-s d s", `shim6d 1.2 pid 77 uptime 61500ms config /etc/shim6d.conf
    kernel true contexts 2 hold-downs 1 records 3 locators 4
    events-lost 5 send-errors 6
    sent I1: 1, R1: 2
    received I2: 3
    dropped nothing
`},
	} {
		status, out, errs := callWorld(&world{daemon: newDaemon()}, strings.Fields(tt.words)...)
		if status != 0 || errs != "" || out != tt.want {
			t.Errorf("%s: status %d, %s\n%s", tt.words, status, errs, cmp.Diff(tt.want, out))
		}
	}
}

// jsonKeys are the keys that a type of the control socket has in JSON.
func jsonKeys(r reflect.Type) []string {
	var keys []string
	for i := range r.NumField() {
		f := r.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			keys = append(keys, jsonKeys(f.Type)...)
			continue
		}
		keys = append(keys, tag)
	}
	return keys
}

// The JSON has the keys of the control socket, and no others.
func TestDaemonSchema(t *testing.T) {
	for _, tt := range []struct {
		words string
		of    reflect.Type
	}{
		{"daemon", reflect.TypeFor[control.Status]()},
		{"locator", reflect.TypeFor[control.Locator]()},
		{"path", reflect.TypeFor[control.Path]()},
		{"path history", reflect.TypeFor[control.Switch]()},
	} {
		_, out, errs := callWorld(&world{daemon: newDaemon()}, append([]string{"-j"}, strings.Fields(tt.words)...)...)
		var list []map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) == 0 {
			t.Fatalf("%s: %v: %s%s", tt.words, err, out, errs)
		}
		seen := map[string]bool{}
		for _, o := range list {
			for k := range o {
				seen[k] = true
			}
		}
		for _, k := range jsonKeys(tt.of) {
			if !seen[k] {
				t.Errorf("%s: no key %q in\n%s", tt.words, k, out)
			}
			delete(seen, k)
		}
		if len(seen) > 0 {
			t.Errorf("%s: the control socket does not have %v", tt.words, seen)
		}
		// An empty list is printed as a list.
		if tt.words != "daemon" {
			if _, out, _ := callWorld(&world{daemon: &fakeDaemon{}}, append([]string{"-j"}, strings.Fields(tt.words)...)...); out != "[]\n" {
				t.Errorf("%s: nothing is %q", tt.words, out)
			}
		}
	}
}

func TestDaemonRequests(t *testing.T) {
	shows.IDs(t, "boeing-3.2-01")
	const pair = " 2001:db8:1::a 2001:db8:2::b fii 7 "
	for _, tt := range []struct {
		words string
		want  any
	}{
		{"context trigger" + pair, control.OpenRequest{Name: name}},
		{"c t" + pair + "f locator-p 2001:db8:4::b locator-l 2001:db8:3::a",
			control.OpenRequest{Name: name, LocatorLocal: locatorA, LocatorPeer: locatorB, Force: true}},
		{"context add" + pair, control.OpenRequest{Name: name}},
		{"context add" + pair + "locator-local 2001:db8:3::a locator-peer 2001:db8:4::b",
			control.OpenRequest{Name: name, LocatorLocal: locatorA, LocatorPeer: locatorB}},
		{"context update" + pair, name},
		{"context del" + pair, name},
		{"path use" + pair + "local 2001:db8:3::a peer 2001:db8:4::b", control.UseRequest{Name: name, LocatorLocal: locatorA, LocatorPeer: locatorB}},
		{"path use" + pair + "ulids", control.UseRequest{Name: name, LocatorLocal: ulidA, LocatorPeer: ulidB}},
		{"path doubt" + pair, name},
	} {
		d := newDaemon()
		status, out, errs := callWorld(&world{daemon: d}, strings.Fields(tt.words)...)
		if status != 0 || out+errs != "" {
			t.Errorf("%s: status %d, %s%s", tt.words, status, out, errs)
		}
		if diff := cmp.Diff(tt.want, d.asked, addrCmp); diff != "" {
			t.Errorf("%s:\n%s", tt.words, diff)
		}
		// The reason of a refusal is printed.
		d.err = &control.Error{Status: 409, Message: "a hold-down lasts"}
		if status, _, errs := callWorld(&world{daemon: d}, strings.Fields(tt.words)...); status != exitRefused || errs != "shim6tool: a hold-down lasts\n" {
			t.Errorf("%s: status %d, %s", tt.words, status, errs)
		}
		if strings.HasPrefix(tt.words, "context del") {
			continue
		}
		if status, _, errs := callWorld(&world{}, strings.Fields(tt.words)...); status != exitRefused || !strings.Contains(errs, "is shim6d running?") {
			t.Errorf("%s, without shim6d: status %d, %s", tt.words, status, errs)
		}
	}
}

// The JSON of path use says whether the pair is used, and if not, why.
func TestPathUseJSON(t *testing.T) {
	words := strings.Fields("-j path use 2001:db8:1::a 2001:db8:2::b local 2001:db8:3::a peer 2001:db8:4::b")
	const of = `[{"ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:2::b","fii":0,"locator-local":"2001:db8:3::a","locator-peer":"2001:db8:4::b",`
	d := newDaemon()
	if status, out, errs := callWorld(&world{daemon: d}, words...); status != 0 || out != of+`"result":"ok"}]`+"\n" || errs != "" {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	d.err = &control.Error{Status: 409, Message: "no Probe was answered"}
	if status, out, errs := callWorld(&world{daemon: d}, words...); status != exitRefused ||
		out != of+`"result":"fail","text":"no Probe was answered"}]`+"\n" || errs != "shim6tool: no Probe was answered\n" {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

// The JSON of path doubt says whether the pair is asked, and if not, why.
func TestPathDoubtJSON(t *testing.T) {
	words := strings.Fields("-j path doubt 2001:db8:1::a 2001:db8:2::b")
	const of = `[{"ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:2::b","fii":0,`
	d := newDaemon()
	if status, out, errs := callWorld(&world{daemon: d}, words...); status != 0 || out != of+`"result":"ok"}]`+"\n" || errs != "" {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	d.err = &control.Error{Status: 409, Message: "a moment ago"}
	if status, out, errs := callWorld(&world{daemon: d}, words...); status != exitRefused ||
		out != of+`"result":"fail","text":"a moment ago"}]`+"\n" || errs != "shim6tool: a moment ago\n" {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

// The kernel deletes a context that shim6d does not know, but not one that shim6d may not close.
func TestContextDel(t *testing.T) {
	del := []string{"context", "del", "2001:db8:1::a", "2001:db8:2::b"}
	for _, tt := range []struct {
		name   string
		err    error
		kernel bool
		status int
	}{
		{"done", nil, false, 0},
		{"not known", &control.Error{Status: 404, Message: "no such context"}, true, 0},
		{"no daemon", errors.New("nobody listens"), true, 0},
		{"not allowed", &control.Error{Status: 403, Message: "only root"}, false, exitRefused},
	} {
		f := newFake()
		status, _, errs := callWorld(&world{kernel: f, daemon: &fakeDaemon{err: tt.err}}, del...)
		if asked := f.asked != nil; asked != tt.kernel || status != tt.status {
			t.Errorf("%s: status %d, the kernel was asked: %v, %s", tt.name, status, asked, errs)
		}
	}
}

func TestDaemonUsageErrors(t *testing.T) {
	const pair = "2001:db8:1::a 2001:db8:2::b "
	for _, tt := range []struct{ words, want string }{
		{"path show here", "needs the local and the peer's ULID"},
		{"path show " + pair + "now", `takes no "now"`},
		{"path history " + pair + "now", `takes no "now"`},
		{"path use " + pair, "needs 'local ADDR peer ADDR', or 'ulids'"},
		{"path use " + pair + "local 2001:db8:3::a", "needs 'local ADDR peer ADDR', or 'ulids'"},
		{"path use " + pair + "ulids local 2001:db8:3::a peer 2001:db8:4::b", "needs 'local ADDR peer ADDR', or 'ulids'"},
		{"path probe", "needs the address"},
		{"path probe here", `"here" is not an IPv6 address`},
		{"path probe 2001:db8:1::a to 2001:db8:2::b", `no key of path probe "to"`},
		{"context trigger " + pair + "locator-local 2001:db8:3::a", "locator-local and locator-peer, both"},
		{"context update " + pair + "now", `takes no "now"`},
		{"locator show all", `takes no "all"`},
		{"daemon status all", `takes no "all"`},
		{"daemon reload all", `takes no "all"`},
		{"doctor check all", `takes no "all"`},
		{"doctor peer", "needs the address"},
		{"monitor all of it", `takes no "of"`},
		{"completion bash now", `takes no "now"`},
		{"completion tcsh", `no command of completion "tcsh": take one of bash, fish, zsh`},
	} {
		d := newDaemon()
		status, out, errs := callWorld(&world{kernel: newFake(), daemon: d}, strings.Fields(tt.words)...)
		if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) || d.asked != nil {
			t.Errorf("%s: status %d, %q, %q", tt.words, status, out, errs)
		}
	}
}

// The daemon of the namespace is asked, never that of another namespace.
func TestSocketPath(t *testing.T) {
	w := &world{daemon: newDaemon()}
	w.write(t, "etc/netns/blue/shim6d.conf", "[control]\nsocket = \"/run/blue\"\n")
	w.write(t, "etc/netns/bad/shim6d.conf", "colour = 1\n")
	for _, tt := range []struct{ options, socket, errs string }{
		{"", "/run/shim6d/control.sock", ""},
		{"-n blue", "/run/blue", ""},
		{"-n blue -socket /else", "/else", ""},
		{"-socket /else", "/else", ""},
		{"-n red", "", `the shim6d of namespace "red" listens is not known`},
		{"-n bad", "", "colour: there is no such key"},
		{"-n /proc/1/ns/net", "", "name it by -socket PATH"},
		{"-n /proc/1/ns/net -socket /else", "/else", ""},
	} {
		w.socket = ""
		_, _, errs := callWorld(w, append(strings.Fields(tt.options), "daemon")...)
		if w.socket != tt.socket || !strings.Contains(errs, tt.errs) || (errs == "") != (tt.errs == "") {
			t.Errorf("%q: asked at %q, %s", tt.options, w.socket, errs)
		}
	}
	w.write(t, "etc/shim6d.conf", "[control]\nsocket = \"/own\"\n")
	if callWorld(w, "daemon"); w.socket != "/own" {
		t.Errorf("asked at %q", w.socket)
	}
	// The configuration may have been good when shim6d started.
	w.write(t, "etc/shim6d.conf", "nonsense\n")
	if callWorld(w, "daemon"); w.socket != "/run/shim6d/control.sock" {
		t.Errorf("asked at %q", w.socket)
	}
}

// A daemon of another namespace gets no request, unless its socket was named.
func TestOtherNamespace(t *testing.T) {
	d := newDaemon()
	w := &world{kernel: newFake(), daemon: d, host: &fakeHost{}}
	trigger := strings.Fields("context trigger 2001:db8:1::a 2001:db8:2::b")
	if status, _, errs := callWorld(w, trigger...); status != exitRefused || d.asked != nil || !strings.Contains(errs, "process 77) serves another network namespace") {
		t.Errorf("status %d, asked %v, %s", status, d.asked, errs)
	}
	if status, _, errs := callWorld(w, append([]string{"-socket", "/s"}, trigger...)...); status != 0 || d.asked == nil {
		t.Errorf("status %d, %s", status, errs)
	}
	// The kernel still deletes its context.
	d.asked = nil
	if status, _, errs := callWorld(w, strings.Fields("context del 2001:db8:1::a 2001:db8:2::b")...); status != 0 || d.asked != nil || w.kernel.asked == nil {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestReload(t *testing.T) {
	var sent []unix.Signal
	var refuse error
	kill = func(pid int, s unix.Signal) error {
		if pid != 77 {
			t.Errorf("process %d", pid)
		}
		sent = append(sent, s)
		return refuse
	}
	t.Cleanup(func() { kill = unix.Kill })
	w := &world{daemon: newDaemon()}
	for _, tt := range []struct {
		comm, config string
		err          error
		sent         bool
		want         string
	}{
		{"shim6d\n", "", nil, true, ""},
		{"shim6d\n", "[log]\nlevel = \"debug\"\n", nil, true, ""},
		{"shim6d\n", "colour = 1\n", nil, false, "/etc/shim6d.conf:1: colour: there is no such key"},
		{"init\n", "", nil, false, "process 77, which is another program here"},
		{"shim6d\n", "", fs.ErrPermission, true, "systemctl reload shim6d"},
	} {
		sent, refuse = nil, tt.err
		w.write(t, "proc/77/comm", tt.comm)
		w.write(t, "proc/77/root/etc/shim6d.conf", tt.config)
		status, _, errs := callWorld(w, "daemon", "reload")
		if slices.Contains(sent, unix.SIGHUP) != tt.sent || !strings.Contains(errs, tt.want) || (status == 0) != (tt.want == "") {
			t.Errorf("%+v: status %d, sent %v, %s", tt, status, sent, errs)
		}
	}
}

func TestStatus(t *testing.T) {
	localTime(t)
	f := newFake()
	f.contexts = []netlink.Context{fullContext(), {ULIDs: netlink.ULIDs{Local: ulidA, Peer: ulidB}, State: netlink.ContextStateI1Sent,
		LocatorLocal: ulidA, LocatorPeer: ulidB, ReapState: netlink.ReapStateOperational}}
	d := newDaemon()
	d.protections = []control.Protection{{Name: control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: 7}, Text: "not protected: one provider"}}
	const want = `module    loaded
daemon    shim6d 1.2, process 77, 4 locators, 1 hold-downs
contexts  1 established, 1 i1-sent
    2001:db8:1::a 2001:db8:2::b fii 7 by 2001:db8:3::a 2001:db8:4::b
        established inbound-ok switches 3, not protected: one provider
    2001:db8:1::a 2001:db8:2::b by its ULIDs
        i1-sent operational switches 0
switches  the last 2: 'shim6tool path history' has more
    2026-11-24 11:59:00 2001:db8:1::a 2001:db8:2::b fii 7 outbound to 2001:db8:3::a 2001:db8:4::b, trigger send-timeout
    2026-11-24 12:00:00 2001:db8:1::a 2001:db8:4::b inbound to 2001:db8:1::a 2001:db8:2::b, trigger peer
`
	if status, out, errs := callWorld(&world{kernel: f, daemon: d}); status != 0 || out != want {
		t.Errorf("status %d, %s\n%s", status, errs, cmp.Diff(want, out))
	}
	if _, out, _ := callWorld(&world{kernel: f, daemon: newDaemon()}, "-s"); !strings.Contains(out, "sent      I1: 1, R1: 2\n") {
		t.Error(out)
	}
	// A part that is not there is no error.
	status, out, _ := callWorld(&world{})
	if status != 0 || !strings.Contains(out, "module    not loaded: 'modprobe shim6'") || !strings.Contains(out, "is shim6d running?") {
		t.Errorf("status %d, %s", status, out)
	}
	// The output fits on a screen.
	for range 100 {
		f.contexts = append(f.contexts, f.contexts[1])
	}
	_, out, _ = callWorld(&world{kernel: f, daemon: newDaemon()})
	if n := strings.Count(out, "\n"); n > 35 || !strings.Contains(out, "and 92 more") {
		t.Errorf("%d lines:\n%s", n, out)
	}
	var list []map[string]any
	_, out, _ = callWorld(&world{kernel: f, daemon: newDaemon()}, "-j")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0]["module"] != true ||
		len(list[0]["contexts"].([]any)) != 102 || len(list[0]["switches"].([]any)) != 2 {
		t.Errorf("%v: %s", err, out)
	}
	_, out, _ = callWorld(&world{}, "-j")
	if err := json.Unmarshal([]byte(out), &list); err != nil || list[0]["module"] != false || list[0]["error"] == nil {
		t.Errorf("%v: %s", err, out)
	}
}
