// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/tools/conformance/shows"
)

// step is a part of the recording: the messages that followed a command.
type step struct {
	command  string
	messages []netlink.Message
}

// recording reads testdata/recorded.txt.
func recording(t *testing.T) []step {
	t.Helper()
	b, err := os.ReadFile("testdata/recorded.txt")
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for block := range strings.SplitSeq(string(b), "\n\n") {
		var s step
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			if c, ok := strings.CutPrefix(line, "# "); ok {
				if s.command == "" {
					s.command = c
				}
				continue
			}
			kind, data, _ := strings.Cut(line, " ")
			n, err := strconv.Atoi(kind)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			octets, err := hex.DecodeString(data)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			s.messages = append(s.messages, netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(n)}, Data: octets})
		}
		steps = append(steps, s)
	}
	return steps
}

// replay takes over the recording up to the step that begins with a command, that step
// included.
func replay(t *testing.T, until string) *Table {
	t.Helper()
	table, started := &Table{}, false
	for _, s := range recording(t) {
		switch {
		case len(s.messages) == 0:
		case !started || s.command == "ip -6 route":
			started = true
			do := func() error { return table.Dump(0, s.messages) }
			if s.command == "ip -6 route" {
				do = func() error { return table.SetRoutes(s.messages) }
			}
			if err := do(); err != nil {
				t.Fatal(err)
			}
		default:
			for _, m := range s.messages {
				if _, err := table.Apply(0, m); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s.command == until {
			return table
		}
	}
	t.Fatalf("the recording has no %q", until)
	return nil
}

const begin = "ip addr add 2001:db8:1::a/64 dev up1 nodad"

// brief is a list in short: address, interface, quality, why.
func brief(list []Locator) []string {
	var out []string
	for _, l := range list {
		s := fmt.Sprintf("%v %s %v/%v", l.Address, l.Interface, l.Available, l.Operational)
		if l.Preference.Flags != 0 || l.Preference.Priority != 0 {
			s += fmt.Sprintf(" flags %d priority %d", l.Preference.Flags, l.Preference.Priority)
		}
		if l.ValidUntil != 0 {
			s += " until " + l.ValidUntil.String()
		}
		if l.Why != "" {
			s += ": " + l.Why
		}
		out = append(out, s)
	}
	return out
}

func assess(t *Table, now time.Duration) []Locator {
	c := config.Default()
	c.Locators.UniqueLocal = true
	return Assess(t, c, now)
}

func TestAvailable(t *testing.T) {
	shows.IDs(t, "5534-3.1-01 5534-3.1-02 5534-3.1-03")
	table := replay(t, begin)
	want := []string{
		"2001:db8:1::a up1 true/true",
		"2001:db8:1::b up1 true/true flags 2 priority 128 until 59m56s: deprecated: its preferred lifetime has ended",
		"2001:db8:2::a up2 true/true until 16m36s",
		"2001:db8:2::d up2 false/false: another host has the address (duplicate address detection)",
		"2001:db8:2::e up2 false/false: tentative: duplicate address detection goes on",
		"2001:db8:3::a up2 true/true",
		"2001:db8:9::a lo true/true",
		"fd00::a up2 true/true",
	}
	if d := cmp.Diff(want, brief(assess(table, 0))); d != "" {
		t.Error(d)
	}

	// Lifetimes end without a message of rtnetlink.
	want[1] = "2001:db8:1::b up1 false/false until 59m56s: its valid lifetime has ended"
	want[2] = "2001:db8:2::a up2 false/false until 16m36s: its valid lifetime has ended"
	if d := cmp.Diff(want, brief(assess(table, time.Hour))); d != "" {
		t.Error("after an hour:", d)
	}

	// An address becomes good, another goes.
	table = replay(t, "ip addr del 2001:db8:1::a/64 dev up1")
	list := brief(assess(table, 0))
	if list[0] != lineOf(list, "2001:db8:1::b") || lineOf(list, "2001:db8:2::e") != "2001:db8:2::e up2 true/true" {
		t.Errorf("later: %q", list)
	}
}

// lineOf is the line of a brief list about an address.
func lineOf(list []string, address string) string {
	for _, l := range list {
		if strings.HasPrefix(l, address+" ") {
			return l
		}
	}
	return ""
}

func TestPolicy(t *testing.T) {
	shows.IDs(t, "5534-3.1-01")
	table := replay(t, begin)
	c, err := config.Parse("f", `
[locators]
deny = ["2001:db8:3::/64"]
[[interface]]
name = "up1"
use = false
[[interface]]
name = "up*"
priority = 10
weight = 3
policy = "backup"
`)
	if err != nil {
		t.Fatal(err)
	}
	list := Assess(table, c, 0)
	got := brief(list)
	for address, want := range map[string]string{
		"2001:db8:1::a": "2001:db8:1::a up1 false/false: the configuration does not use interface up1",
		"2001:db8:2::a": "2001:db8:2::a up2 true/true flags 0 priority 10 until 16m36s",
		"2001:db8:3::a": "2001:db8:3::a up2 false/false: denied by locators.deny",
		"fd00::a":       "fd00::a up2 false/false: unique local addresses are not used (locators.unique-local)",
	} {
		if g := lineOf(got, address); g != want {
			t.Errorf("got %q, wanted %q", g, want)
		}
	}
	told := false
	for _, l := range available(list) {
		if l.Address != netip.MustParseAddr("2001:db8:2::a") {
			continue
		}
		told = true
		if l.Preference.Priority != 10 || l.Preference.Weight != 3 || l.Policy != config.PolicyBackup {
			t.Errorf("it is %+v", l)
		}
	}
	if !told {
		t.Error("it is not available")
	}
	for _, l := range list {
		if l.Interface == "lo" && l.Policy != config.PolicyNormal {
			t.Errorf("nothing is said of lo, and it is %v", l.Policy)
		}
	}
}

func TestOperational(t *testing.T) {
	shows.IDs(t, "5534-3.2-01 5534-3.2-02")
	const up1, up2 = "2001:db8:1::a up1 ", "2001:db8:2::a up2 "
	good1, good2 := up1+"true/true", up2+"true/true until 16m36s"
	broken2 := up2 + "true/false flags 1 priority 0 until 16m36s: the link is down"
	for _, c := range []struct{ until, up1, up2 string }{
		{begin, good1, good2},
		// The cable is pulled: the address stays, and is BROKEN.
		{"ip -n r link set p2 down", good1, broken2},
		{"ip -n r link set p2 up", good1, good2},
		// The router is silent, and Neighbor Unreachability Detection fails.
		{"ip -n r addr flush dev p1", up1 + "true/false flags 1 priority 0: the default router does not answer (Neighbor Unreachability Detection)", good2},
		{"ip -n r addr add fe80::1/64 dev p1 nodad", good1, good2},
		// No router is left; the other link never had one.
		{"ip -6 route del default", up1 + "true/false flags 1 priority 0: there is no default router any more", good2},
		// One route, two routers.
		{"ip -6 route", good1, good2},
		// The kernel removes the addresses of an interface that is down.
		{"ip link set up1 down", "", good2},
	} {
		list := brief(assess(replay(t, c.until), 0))
		if g := lineOf(list, "2001:db8:1::a"); g != c.up1 {
			t.Errorf("%s:\n got %q\nwant %q", c.until, g, c.up1)
		}
		if g := lineOf(list, "2001:db8:2::a"); g != c.up2 {
			t.Errorf("%s:\n got %q\nwant %q", c.until, g, c.up2)
		}
	}
}

func TestDumpForgets(t *testing.T) {
	table := replay(t, "ip -6 route del default")
	// After messages were lost everything is dumped. It is still known that the link had a
	// router.
	if err := table.Dump(0, recordingOf(t, begin, unix.RTM_NEWLINK, unix.RTM_NEWADDR)); err != nil {
		t.Fatal(err)
	}
	list := brief(assess(table, 0))
	if g := lineOf(list, "2001:db8:1::a"); !strings.HasSuffix(g, "there is no default router any more") {
		t.Errorf("got %q", g)
	}
	if err := table.Dump(0, nil); err != nil || len(assess(table, 0)) != 0 {
		t.Errorf("an empty dump: %v, %q", err, brief(assess(table, 0)))
	}
}

// recordingOf are the messages of a step that have one of these types.
func recordingOf(t *testing.T, command string, types ...netlink.HeaderType) []netlink.Message {
	var out []netlink.Message
	for _, s := range recording(t) {
		for _, m := range s.messages {
			for _, kind := range types {
				if s.command == command && m.Header.Type == kind {
					out = append(out, m)
				}
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func neighbour(state uint16) netlink.Message {
	b, err := (&rtnetlink.NeighMessage{Family: unix.AF_INET6, Index: 4, State: state,
		Attributes: &rtnetlink.NeighAttributes{Address: netip.MustParseAddr("fe80::1").AsSlice()}}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNEIGH}, Data: b}
}

func TestNeighbourStates(t *testing.T) {
	shows.IDs(t, "5534-3.2-02")
	table := replay(t, begin)
	operational := func() bool {
		return strings.HasPrefix(lineOf(brief(assess(table, 0)), "2001:db8:1::a"), "2001:db8:1::a up1 true/true")
	}
	for i, c := range []struct {
		state uint16
		want  bool
	}{
		{0x01, true}, // INCOMPLETE: it is looked for, for the first time
		{0x20, false},
		{0x01, false}, // it is looked for again
		{0x02, true},
		{0x20, false},
		{0x04, true}, // STALE: it was heard of
		{0x08, true}, // DELAY and PROBE: perhaps not
		{0x10, true},
		{0x20, false},
		{0x80, true}, // PERMANENT
	} {
		if _, err := table.Apply(0, neighbour(c.state)); err != nil {
			t.Fatal(err)
		}
		if operational() != c.want {
			t.Errorf("step %d, state %#x: operational is %v", i, c.state, !c.want)
		}
	}
	if _, err := table.Apply(0, neighbour(0x20)); err != nil {
		t.Fatal(err)
	}
	gone := neighbour(0x20)
	gone.Header.Type = unix.RTM_DELNEIGH
	if c, err := table.Apply(0, gone); err != nil || c != Locators || !operational() {
		t.Errorf("forgotten by the kernel: %v, %v, operational %v", c, err, operational())
	}
}

func TestApplySaysWhatChanged(t *testing.T) {
	table := replay(t, begin)
	again := recordingOf(t, begin, unix.RTM_NEWLINK)
	for _, m := range again {
		if c, err := table.Apply(0, m); c != 0 || err != nil {
			t.Errorf("the same link again: %v, %v", c, err)
		}
	}
	for _, m := range recordingOf(t, begin, unix.RTM_NEWROUTE) {
		isDefault, want := m.Data[1] == 0, Changed(0)
		if isDefault {
			want = Locators
		}
		// It is there already.
		if c, err := table.Apply(0, m); err != nil || isDefault && c != 0 {
			t.Errorf("route %x again: %v, %v", m.Data, c, err)
		}
		for _, kind := range []netlink.HeaderType{unix.RTM_DELROUTE, unix.RTM_NEWROUTE} {
			m.Header.Type = kind
			if c, err := table.Apply(0, m); err != nil || isDefault && c != want {
				t.Errorf("route %x, %v: %v, %v", m.Data, kind, c, err)
			}
		}
	}
	if c, err := table.Apply(0, netlink.Message{Header: netlink.Header{Type: 999}}); c != 0 || err != nil {
		t.Errorf("a message of another kind: %v, %v", c, err)
	}
}

// Nothing panics, and a malformed message changes nothing.
func FuzzApply(f *testing.F) {
	for _, kind := range []uint16{unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH} {
		f.Add(kind, []byte{10, 64, 0, 0, 4, 0, 0, 0, 20, 0, 1, 0, 0x20, 1})
		f.Add(kind, []byte{})
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		var table Table
		m := netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind)}, Data: data}
		if c, err := table.Apply(0, m); err != nil && c != 0 {
			t.Errorf("%v and %v", c, err)
		}
		_ = table.Dump(0, []netlink.Message{m})
		assess(&table, 0)
	})
}

func TestCutShort(t *testing.T) {
	for _, m := range recordingOf(t, begin, unix.RTM_NEWLINK, unix.RTM_NEWADDR, unix.RTM_NEWROUTE) {
		for n := range m.Data {
			var table Table
			m := netlink.Message{Header: m.Header, Data: m.Data[:n]}
			if c, err := table.Apply(0, m); err != nil && c != 0 {
				t.Errorf("%d octets of %d: %v and %v", n, m.Header.Type, c, err)
			}
		}
	}
}

// An interface with an optimistic address, as the kernel tells it.
func TestOptimistic(t *testing.T) {
	table := replay(t, begin)
	key := assignment{5, netip.MustParseAddr("2001:db8:2::e")}
	table.addresses[key] = address{flags: unix.IFA_F_TENTATIVE | unix.IFA_F_OPTIMISTIC}
	want := "2001:db8:2::e up2 true/true flags 0 priority 64: optimistic: duplicate address detection goes on"
	if g := lineOf(brief(assess(table, 0)), "2001:db8:2::e"); g != want {
		t.Errorf("got %q", g)
	}
}

func TestSameAddressTwice(t *testing.T) {
	table := replay(t, "ip -n r link set p2 down")
	// An address on a link that is down is also on one that is up.
	table.addresses[assignment{4, netip.MustParseAddr("2001:db8:2::a")}] = address{}
	want := "2001:db8:2::a up1 true/true"
	if g := lineOf(brief(assess(table, 0)), "2001:db8:2::a"); g != want {
		t.Errorf("got %q", g)
	}
}

func available(list []Locator) []Locator {
	return slices.DeleteFunc(slices.Clone(list), func(l Locator) bool { return !l.Available })
}

func TestProof(t *testing.T) {
	table := replay(t, begin)
	prefixes := []cga.SubnetPrefix{cga.PrefixOf(netip.MustParseAddr("2001:db8:1::")), cga.PrefixOf(netip.MustParseAddr("2001:db8:2::"))}
	set, err := cga.GenerateHBA(context.Background(), rand.Reader, prefixes, cga.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range set {
		table.addresses[assignment{uint32(4 + i), a.Addr}] = address{}
	}
	c := config.Default()
	// Another program's file has no addresses.
	bare := []cga.Address{{PDS: set[0].PDS}}
	for _, addresses := range [][]cga.Address{set, bare} {
		key := &rsa.PrivateKey{}
		c.Sets = []config.Set{{Addresses: addresses, PrivateKey: key}}
		proved := 0
		for _, l := range available(Assess(table, c, 0)) {
			if l.PDS != nil {
				proved++
				if l.Key != key {
					t.Errorf("%v is not told with the key that signs for it", l.Address)
				}
				if err := l.PDS.VerifyULID(l.Address); err != nil {
					t.Error(err)
				}
			}
		}
		if proved != 2 {
			t.Errorf("%d addresses have a PDS, not 2", proved)
		}
	}
	if n := len(available(Assess(table, c, 0))); n != 7 {
		t.Errorf("%d of the addresses are available", n)
	}
}

// Temporary addresses that shim6d has made become deprecated together. Peers are not told.
func TestTemporary(t *testing.T) {
	table := replay(t, begin)
	prefixes := []cga.SubnetPrefix{cga.PrefixOf(netip.MustParseAddr("2001:db8:1::")), cga.PrefixOf(netip.MustParseAddr("2001:db8:2::"))}
	set, err := cga.GenerateHBA(context.Background(), rand.Reader, prefixes, cga.Options{})
	if err != nil {
		t.Fatal(err)
	}
	table.addresses[assignment{4, set[0].Addr}] = address{}
	table.addresses[assignment{5, set[1].Addr}] = address{flags: unix.IFA_F_DEPRECATED}
	kernels := netip.MustParseAddr("2001:db8:1::face")
	table.addresses[assignment{4, kernels}] = address{flags: unix.IFA_F_TEMPORARY}
	c := config.Default()
	c.Sets = []config.Set{{Addresses: set, PrivateKey: &rsa.PrivateKey{}, Temporary: true}}
	why := map[netip.Addr]string{
		set[0].Addr: "temporary, for new sessions",
		set[1].Addr: "temporary, only for sessions that began with it",
		kernels:     "temporary, so that no peer is told of it",
	}
	for _, l := range Assess(table, c, 0) {
		want, temporary := why[l.Address]
		if l.Temporary != temporary || temporary && (l.Why != want || (l.Preference.Priority != 0 || l.Preference.Flags != 0) || l.Told(0).Temporary != temporary) {
			t.Errorf("%+v, wanted %q", l, want)
		}
	}
}
