// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/control"
	"shim6/netlink"
)

func ptr[T any](v T) *T { return &v }

var (
	ulidA    = netip.MustParseAddr("2001:db8:1::a")
	ulidB    = netip.MustParseAddr("2001:db8:2::b")
	locatorA = netip.MustParseAddr("2001:db8:3::a")
	locatorB = netip.MustParseAddr("2001:db8:4::b")
	addrCmp  = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
)

// fullContext has a value in each field.
func fullContext() netlink.Context {
	return netlink.Context{
		ULIDs:    netlink.ULIDs{Local: ulidA, Peer: ulidB, FII: 7},
		TagLocal: ptr(uint64(0xa)), TagPeer: ptr(uint64(0x7fffffffffff)),
		State:        netlink.ContextStateEstablished,
		LocatorLocal: locatorA, LocatorPeer: locatorB, Encapsulation: netlink.EncapsulationNative,
		LocatorsLocal: []netip.Addr{locatorA}, LocatorsPeer: []netip.Addr{locatorB, ulidA},
		InboundLocatorLocal: locatorA, InboundLocatorPeer: locatorB,
		SendTimeout: 15 * time.Second, KeepaliveTimeout: 10500 * time.Millisecond,
		ReapState: netlink.ReapStateInboundOk,
		LastSent:  ptr(1500 * time.Millisecond), LastHeard: ptr(2 * time.Second),
		Switches: 3, MTU: 1492, Header: 1, SentOctets: 1 << 40, HeardOctets: 77,
	}
}

func fullPolicy() netlink.Policy {
	return netlink.Policy{
		Preference: ptr(uint32(10)),
		Local:      netip.MustParsePrefix("2001:db8:1::/48"), Peer: netip.MustParsePrefix("2001:db8:2::b/128"),
		Protocol:  ptr(uint8(6)),
		PortLocal: ptr(uint16(22)), PortPeer: ptr(uint16(23)), Port: ptr(uint16(24)),
		Mark: ptr(uint32(1)), MarkMask: ptr(uint32(0xff)), MPTCP: true,
		Action:         netlink.PolicyActionShim,
		TriggerPackets: ptr(uint32(5)), TriggerTime: ptr(3 * time.Second),
	}
}

func TestContextShow(t *testing.T) {
	f := newFake()
	plain := netlink.Context{
		ULIDs: netlink.ULIDs{Local: ulidA, Peer: ulidB}, State: netlink.ContextStateI1Sent,
		LocatorLocal: ulidA, LocatorPeer: ulidB, InboundLocatorLocal: ulidA, InboundLocatorPeer: ulidB,
		SendTimeout: 15 * time.Second, KeepaliveTimeout: 15 * time.Second, ReapState: netlink.ReapStateOperational,
	}
	f.contexts = []netlink.Context{fullContext(), plain}
	const want = `2001:db8:1::a 2001:db8:2::b fii 7
    state established reap-state inbound-ok switches 3 mtu 1492 header 1
    locator-local 2001:db8:3::a locator-peer 2001:db8:4::b
    inbound-locator-local 2001:db8:3::a inbound-locator-peer 2001:db8:4::b
    locators-local 2001:db8:3::a
    locators-peer 2001:db8:4::b,2001:db8:1::a
    tag-local 0x00000000000a tag-peer 0x7fffffffffff
    sent-octets 1099511627776 heard-octets 77
    send-timeout 15s keepalive-timeout 10500ms last-sent 1500ms last-heard 2s
2001:db8:1::a 2001:db8:2::b
    state i1-sent reap-state operational switches 0
    locator-local 2001:db8:1::a locator-peer 2001:db8:2::b
    sent-octets 0 heard-octets 0
    send-timeout 15s keepalive-timeout 15s last-sent never last-heard never
`
	for _, words := range []string{"context show", "context", "c", "c s"} {
		if status, out, errs := call(f, strings.Fields(words)...); status != 0 || errs != "" || out != want {
			t.Errorf("%s: status %d, %q:\n%s", words, status, errs, cmp.Diff(want, out))
		}
	}
	// Only an encapsulation that is not native is printed.
	f.contexts[1].Encapsulation = netlink.EncapsulationNative + 1
	if _, out, _ := call(f, "context"); !strings.HasSuffix(out, "\n    locator-local 2001:db8:1::a locator-peer 2001:db8:2::b encapsulation udp\n"+
		"    sent-octets 0 heard-octets 0\n    send-timeout 15s keepalive-timeout 15s last-sent never last-heard never\n") {
		t.Errorf("a pair that is not native: %s", out)
	}
	f.contexts[1].Encapsulation = netlink.EncapsulationNative
	_, out, _ := call(f, strings.Fields("context show 2001:db8:1::a 2001:db8:2::b fii 7")...)
	if !strings.HasPrefix(want, out) || len(out) == 0 {
		t.Errorf("one context: %s", out)
	}
	if d := cmp.Diff([]any{"get", netlink.ULIDs{Local: ulidA, Peer: ulidB, FII: 7}}, f.asked, addrCmp); d != "" {
		t.Error(d)
	}
	call(f, strings.Fields("context show ulid-peer 2001:db8:2::b state established reap-state exploring ulid-l 2001:db8:1::a")...)
	state, reap := netlink.ContextStateEstablished, netlink.ReapStateExploring
	filter := netlink.ContextFilter{Local: &ulidA, Peer: &ulidB, State: &state, ReapState: &reap}
	if d := cmp.Diff(filter, f.filter, addrCmp); d != "" {
		t.Error(d)
	}
	f.contexts = nil
	if _, out, _ := call(f, "-j", "context"); out != "[]\n" {
		t.Errorf("no context is %q", out)
	}
}

// A context is shown with its protection, if shim6d knows it.
func TestContextProtection(t *testing.T) {
	f, d := newFake(), newDaemon()
	other := fullContext()
	other.FII = 8
	f.contexts = []netlink.Context{fullContext(), other}
	d.protections = []control.Protection{{
		Name:      control.Name{ULIDLocal: ulidA, ULIDPeer: ulidB, FII: 8},
		Protected: true, Pairs: 3, NetworksLocal: 2, NetworksPeer: 1, Text: "protected by 3 other pairs",
	}}
	_, out, _ := callWorld(&world{kernel: f, daemon: d}, "context")
	if !strings.HasSuffix(out, "last-heard 2s\n    protected by 3 other pairs\n") || strings.Count(out, "protected") != 1 {
		t.Error(out)
	}
	_, out, _ = callWorld(&world{kernel: f, daemon: d}, "-j", "context")
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 || list[0]["protection"] != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := map[string]any{"protected": true, "pairs": 3., "networks-local": 2., "networks-peer": 1., "text": "protected by 3 other pairs"}
	if diff := cmp.Diff(want, list[1]["protection"]); diff != "" {
		t.Error(diff)
	}
	// One question is about a limited number of contexts.
	for range 2 * control.MaxProtections {
		f.contexts = append(f.contexts, other)
	}
	if status, _, errs := callWorld(&world{kernel: f, daemon: d}, "context"); status != 0 || errs != "" || d.most > control.MaxProtections {
		t.Errorf("status %d, %s; asked for %d at once", status, errs, d.most)
	}
}

// A list that may be incomplete is shown, and the tool says so.
func TestInterrupted(t *testing.T) {
	f := newFake()
	f.contexts = []netlink.Context{fullContext()}
	f.policies = []netlink.Policy{fullPolicy()}
	f.err = netlink.ErrInterrupted
	for _, object := range []string{"context", "policy"} {
		status, out, errs := call(f, object)
		if status != exitRefused || out == "" || !strings.Contains(errs, "may be incomplete") {
			t.Errorf("%s: status %d, %q, %q", object, status, out, errs)
		}
	}
}

func TestObjectRequests(t *testing.T) {
	ulids := netlink.ULIDs{Local: ulidA, Peer: ulidB}
	forked := netlink.ULIDs{Local: ulidA, Peer: ulidB, FII: 9}
	const pair = " 2001:db8:1::a 2001:db8:2::b "
	for _, tt := range []struct {
		words string
		want  []any
	}{
		{"context add" + pair + "tag-local 0xa", []any{"new", ulids, uint64(10), netlink.ContextUpdate{}}},
		{"c a" + pair + "fii 9 tag-l 1 tag-p 2 state established locator-l 2001:db8:3::a locator-p 2001:db8:4::b " +
			"locators-l 2001:db8:3::a,2001:db8:4::b locators-p none inbound-locator-l 2001:db8:3::a " +
			"inbound-locator-p 2001:db8:4::b send 20s keep 10s reap-s exploring reap-t send encap native",
			[]any{"new", forked, uint64(1), netlink.ContextUpdate{
				TagPeer: ptr(uint64(2)), State: ptr(netlink.ContextStateEstablished),
				LocatorLocal: &locatorA, LocatorPeer: &locatorB,
				LocatorsLocal: &[]netip.Addr{locatorA, locatorB}, LocatorsPeer: &[]netip.Addr{},
				InboundLocatorLocal: &locatorA, InboundLocatorPeer: &locatorB,
				SendTimeout: ptr(20 * time.Second), KeepaliveTimeout: ptr(10 * time.Second),
				ReapState: ptr(netlink.ReapStateExploring), ReapTimer: ptr(netlink.ReapTimerSend),
				Encapsulation: ptr(netlink.EncapsulationNative),
			}}},
		{"context set" + pair + "locator-peer 2001:db8:4::b", []any{"set", ulids, netlink.ContextUpdate{LocatorPeer: &locatorB}}},
		{"context del" + pair + "fii 9", []any{"del", forked}},
		{"context flush", []any{"flush"}},
		{"policy add " + policyText(fullPolicy()), []any{"new", fullPolicy()}},
		{"policy add peer 2001:db8:2::b mark 3 proto 47 action bypass", []any{"new", netlink.Policy{
			Peer: netip.PrefixFrom(ulidB, 128), Mark: ptr(uint32(3)), Protocol: ptr(uint8(47)), Action: netlink.PolicyActionBypass}}},
		{"policy del preference 32700", []any{"del", uint32(32700)}},
		{"policy flush", []any{"flush"}},
	} {
		f := newFake()
		if status, out, errs := call(f, strings.Fields(tt.words)...); status != 0 || out+errs != "" {
			t.Errorf("%s: status %d, %q, %q", tt.words, status, out, errs)
		}
		if d := cmp.Diff(tt.want, f.asked, addrCmp); d != "" {
			t.Errorf("%s:\n%s", tt.words, d)
		}
	}
}

func TestObjectUsageErrors(t *testing.T) {
	const pair = "2001:db8:1::a 2001:db8:2::b "
	for _, tt := range []struct{ words, want string }{
		{"context add", "needs the local and the peer's ULID"},
		{"context add here there", `local ULID: "here" is not an IPv6 address`},
		{"context add 2001:db8:1::a 192.0.2.1", `peer's ULID: "192.0.2.1" is not`},
		{"context add fe80::1%eth0 2001:db8:2::b", "is not an IPv6 address"},
		{"context add " + pair + "state established", "needs tag-local to set state"},
		{"context add " + pair + "tag-local 0x800000000000", "not a number from 0 to 140737488355327"},
		{"context add " + pair + "fii", "fii needs a value"},
		{"context add " + pair + "fii x", `"x" is not a number`},
		{"context set " + pair, "needs a key and a value"},
		{"context set " + pair + "state dead", `"dead" is no context-state: take one of i1-sent`},
		{"context set " + pair + "s established", `"s" may be state or send-timeout`},
		{"context set " + pair + "locators-peer 1::1,,", `"" is not an IPv6 address`},
		{"context set " + pair + "tag-local 1", "no key of context"},
		{"context set " + pair + "send-timeout 15", "and its unit"},
		{"context del " + pair + "now", `takes no "now"`},
		{"context show " + pair + "now", `takes no "now"`},
		{"context flush now", `takes no "now"`},
		{"policy add port 22", "needs an action"},
		{"policy add action drop", `"drop" is no policy-action: take one of shim, ignore, bypass`},
		{"policy add protocol ip action shim", `"ip" is neither a number`},
		{"policy add peer 10.0.0.0/8 action shim", "not an IPv6 prefix"},
		{"policy add peer wall action shim", "not an IPv6 prefix"},
		{"policy add port 65536 action shim", "from 0 to 65535"},
		{"policy add mark 1/x action shim", `"x" is not a number`},
		{"policy del", "needs the preference"},
		{"policy show 1", `takes no "1"`},
		{"policy flush 1", `takes no "1"`},
		{"stats show 1", `takes no "1"`},
	} {
		f := newFake()
		status, out, errs := call(f, strings.Fields(tt.words)...)
		if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) || f.asked != nil {
			t.Errorf("%s: status %d, %q, %q, asked %v", tt.words, status, out, errs, f.asked)
		}
	}
}

func TestPolicyAndStatsShow(t *testing.T) {
	f := newFake()
	f.policies = []netlink.Policy{fullPolicy(), {Preference: ptr(uint32(11)), Protocol: ptr(uint8(200)), Action: netlink.PolicyActionIgnore}}
	const want = `preference 10 local 2001:db8:1::/48 peer 2001:db8:2::b/128 protocol tcp port-local 22 port-peer 23 port 24 mark 0x1/0xff mptcp action shim trigger-packets 5 trigger-time 3s
preference 11 protocol 200 action ignore
`
	if _, out, _ := call(f, "policy"); out != want {
		t.Error(cmp.Diff(want, out))
	}
	f.stats = []netlink.Stat{{Name: "contexts", Value: 1}, {Name: "out-rehomed", Value: 18446744073709551615}}
	if _, out, _ := call(f, "stats"); out != "contexts            1\nout-rehomed         18446744073709551615\n" {
		t.Errorf("%q", out)
	}
}

// docs/counters.md has a row for each counter, and no others.
func TestCountersPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/counters.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, l := range strings.Split(string(b), "\n") {
		cells := strings.Split(l, "|")
		if len(cells) != 5 || strings.Contains(l, "---") || strings.Contains(l, " counter ") {
			continue
		}
		for _, name := range strings.Split(cells[1], ",") {
			rows = append(rows, strings.TrimSpace(name))
		}
	}
	// The specification has counters in the order of their numbers, the page in that of their
	// subjects.
	want := specSet(t, "stats")
	slices.Sort(want)
	slices.Sort(rows)
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}
