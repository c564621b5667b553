// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
)

var (
	ulidA    = netip.MustParseAddr("2001:db8:1::a")
	ulidB    = netip.MustParseAddr("2001:db8:2::b")
	locatorA = netip.MustParseAddr("2001:db8:3::a")
	locatorB = netip.MustParseAddr("2001:db8:4::b")
	addrCmp  = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
	pair = ULIDs{Local: ulidA, Peer: ulidB, FII: 7}
)

// requested runs do against a kernel that answers with an acknowledgement, and
// returns the attributes of what it was asked.
func requested(t *testing.T, command uint8, do func(*Client) error) []byte {
	t.Helper()
	var got []byte
	c := kernel(t, genltest.CheckRequest(familyID, command, netlink.Request|netlink.Acknowledge,
		func(greq genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			got = greq.Data
			return []genetlink.Message{{}}, nil
		}))
	if err := do(c); err != nil {
		t.Fatal(err)
	}
	return got
}

// The attributes that NewContext sends read back as the context.
func TestNewContext(t *testing.T) {
	b := requested(t, cmdContextNew, func(c *Client) error {
		return c.NewContext(pair, 1<<47-1, ContextUpdate{
			TagPeer: pointer(uint64(5)), State: pointer(ContextStateEstablished),
			LocatorLocal: &locatorA, LocatorPeer: &locatorB, Encapsulation: pointer(Encapsulation(7)),
			LocatorsLocal: &[]netip.Addr{locatorA, locatorB}, LocatorsPeer: &[]netip.Addr{},
			InboundLocatorLocal: &locatorA, InboundLocatorPeer: &locatorB, InboundEncapsulation: pointer(EncapsulationUdp),
			SendTimeout: pointer(10 * time.Second), KeepaliveTimeout: pointer(time.Second),
			ReapState: pointer(ReapStateInboundOk),
		})
	})
	got, err := parseContext(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Context{
		ULIDs: pair, TagLocal: pointer(uint64(1<<47 - 1)), TagPeer: pointer(uint64(5)),
		State: ContextStateEstablished, LocatorLocal: locatorA, LocatorPeer: locatorB, Encapsulation: 7,
		LocatorsLocal:       []netip.Addr{locatorA, locatorB},
		InboundLocatorLocal: locatorA, InboundLocatorPeer: locatorB, InboundEncapsulation: EncapsulationUdp,
		SendTimeout: 10 * time.Second, KeepaliveTimeout: time.Second, ReapState: ReapStateInboundOk,
	}
	if d := cmp.Diff(want, got, addrCmp); d != "" {
		t.Error(d)
	}
	// The empty list is in the request, too: otherwise the kernel would leave its own list.
	lists := map[uint16][]byte{}
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		t.Fatal(err)
	}
	for ad.Next() {
		if ad.TypeFlags()&netlink.Nested != 0 {
			lists[ad.Type()] = ad.Bytes()
		}
	}
	first, second := locatorA.As16(), locatorB.As16()
	if d := cmp.Diff(map[uint16][]byte{
		attrContextLocatorsLocal: slices.Concat([]byte{20, 0, 1, 0}, first[:], []byte{20, 0, 1, 0}, second[:]),
		attrContextLocatorsPeer:  {},
	}, lists); d != "" {
		t.Error(d)
	}
}

func TestContextRequests(t *testing.T) {
	want := Context{ULIDs: pair, LocatorPeer: locatorB, Encapsulation: EncapsulationNative, InboundEncapsulation: EncapsulationNative}
	b := requested(t, cmdContextSet, func(c *Client) error {
		return c.SetContext(pair, ContextUpdate{LocatorPeer: &locatorB})
	})
	if got, err := parseContext(b); err != nil || !cmp.Equal(want, got, addrCmp) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got, addrCmp))
	}
	b = requested(t, cmdContextDel, func(c *Client) error { return c.DeleteContext(ULIDs{Local: ulidA, Peer: ulidB}) })
	if len(b) != 2*20 {
		t.Errorf("an FII of 0 is sent: %x", b)
	}
	if b = requested(t, cmdContextFlush, (*Client).FlushContexts); len(b) != 0 {
		t.Errorf("flush has attributes: %x", b)
	}
}

func TestContextGet(t *testing.T) {
	e := newEncoder(contextAttributes)
	e.ulids(pair)
	e.Uint64(attrContextLastSent, 1500)
	e.Uint64(attrContextLastHeard, 1<<64-1)
	e.Uint64(attrContextSentOctets, 1<<40)
	e.Uint64(attrContextHeardOctets, 77)
	e.Uint32(attrContextSwitches, 3)
	e.Uint32(attrContextMtu, 1492)
	e.Uint32(100, 1) // of a newer kernel
	reply, _ := e.encode()
	c := kernel(t, genltest.CheckRequest(familyID, cmdContextGet, netlink.Request,
		func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
			return []genetlink.Message{{Data: reply}}, nil
		}))
	got, err := c.Context(pair)
	if err != nil {
		t.Fatal(err)
	}
	if *got.LastSent != 1500*time.Millisecond || *got.LastHeard < 0 || got.Switches != 3 || got.MTU != 1492 ||
		got.SentOctets != 1<<40 || got.HeardOctets != 77 || got.Encapsulation != EncapsulationNative {
		t.Errorf("%+v", got)
	}
}

func TestDump(t *testing.T) {
	e := newEncoder(contextAttributes)
	e.ulids(pair)
	one, _ := e.encode()
	c := kernel(t, genltest.CheckRequest(familyID, cmdContextGet, netlink.Request|netlink.Dump,
		func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
			return []genetlink.Message{{Data: one}, {Data: one}}, nil
		}))
	list, err := c.Contexts()
	if err != nil || len(list) != 2 || list[1].ULIDs != pair {
		t.Errorf("%v, %v", list, err)
	}
}

func TestDumpFilter(t *testing.T) {
	state, reap := ContextStateEstablished, ReapStateExploring
	want := newEncoder(contextAttributes)
	want.addr(attrContextUlidLocal, pair.Local)
	want.addr(attrContextUlidPeer, pair.Peer)
	want.Uint32(attrContextState, uint32(state))
	want.Uint32(attrContextReapState, uint32(reap))
	b, _ := want.encode()
	c := kernel(t, genltest.CheckRequest(familyID, cmdContextGet, netlink.Request|netlink.Dump,
		func(m genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			if !cmp.Equal(m.Data, b) {
				t.Errorf("asked for %x, wanted %x", m.Data, b)
			}
			return []genetlink.Message{{Data: b}}, nil
		}))
	if _, err := c.ContextsWith(ContextFilter{Local: &pair.Local, Peer: &pair.Peer, State: &state, ReapState: &reap}); err != nil {
		t.Error(err)
	}
}

func TestPolicy(t *testing.T) {
	want := Policy{
		Preference: pointer(uint32(10)),
		Local:      netip.MustParsePrefix("2001:db8::/32"), Peer: netip.MustParsePrefix("::/0"),
		Protocol: pointer(uint8(0)), PortLocal: pointer(uint16(0)), PortPeer: pointer(uint16(65535)), Port: pointer(uint16(1)),
		Mark: pointer(uint32(1)), MarkMask: pointer(uint32(2)), MPTCP: true, Action: PolicyActionShim,
		TriggerPackets: pointer(uint32(0)), TriggerTime: pointer(time.Duration(0)),
	}
	b := requested(t, cmdPolicyNew, func(c *Client) error { return c.NewPolicy(want) })
	got, err := parsePolicy(b)
	if d := cmp.Diff(want, got, addrCmp); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if b := requested(t, cmdPolicyNew, func(c *Client) error { return c.NewPolicy(Policy{Action: PolicyActionBypass}) }); len(b) != 8 {
		t.Errorf("values that are not set are sent: %x", b)
	}
	if b := requested(t, cmdPolicyDel, func(c *Client) error { return c.DeletePolicy(7) }); !cmp.Equal(b, attributes(1, 7)) {
		t.Errorf("%x", b)
	}
	requested(t, cmdPolicyFlush, (*Client).FlushPolicies)
}

func TestStats(t *testing.T) {
	e := newEncoder(statsAttributes)
	e.Uint32(attrStatsContexts, 4)
	e.Bytes(attrStatsPad, nil)
	e.Uint64(attrStatsOutRehomed, 1<<63)
	e.Uint64(999, 5)
	reply, _ := e.encode()
	c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return []genetlink.Message{{Data: reply}}, nil
	})
	got, err := c.Stats()
	want := []Stat{{"contexts", 4}, {"out-rehomed", 1 << 63}, {"999", 5}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

// A value that the kernel could not take is refused before the kernel is asked, by its name.
func TestBadValues(t *testing.T) {
	c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		t.Error("the kernel was asked")
		return nil, nil
	})
	v4 := netip.MustParseAddr("192.0.2.1")
	for want, err := range map[string]error{
		"ulid-peer: 192.0.2.1 is no IPv6 address":            c.DeleteContext(ULIDs{Local: ulidA, Peer: v4}),
		"ulid-local: invalid IP is no IPv6 address":          c.DeleteContext(ULIDs{Peer: ulidB}),
		"locators-peer: locator: fe80::1%eth0 is no IPv6":    c.SetContext(pair, ContextUpdate{LocatorsPeer: &[]netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}),
		"send-timeout: 1ns is not a whole number":            c.SetContext(pair, ContextUpdate{SendTimeout: pointer(time.Duration(1))}),
		"trigger-time: -1s is negative":                      c.NewPolicy(Policy{TriggerTime: pointer(-time.Second)}),
		"local: 192.0.2.0 is no IPv6 address without a zone": c.NewPolicy(Policy{Local: netip.MustParsePrefix("192.0.2.0/24")}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestBadReplies(t *testing.T) {
	for name, b := range map[string][]byte{
		"short address":  {6, 0, 2, 0, 1, 2, 0, 0},
		"short locator":  {12, 0, attrContextLocatorsPeer, 0x80, 8, 0, 1, 0, 1, 2, 3, 4},
		"cut-off list":   {12, 0, attrContextLocatorsPeer, 0x80, 20, 0, 1, 0, 1, 2, 3, 4},
		"no ULIDs":       attributes(attrContextFii, 1),
		"short number":   {6, 0, attrContextFii, 0, 1, 2, 0, 0},
		"past the end":   {200, 0, 2, 0},
		"half a header":  {8, 0, 2},
		"long attribute": {8, 0, attrContextLastSent, 0, 1, 2, 3, 4},
	} {
		if _, err := parseContext(b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := parsePolicy(attributes(attrPolicyAction, 1)); err == nil {
		t.Error("a policy without preference is taken")
	}
}

func TestContextErrno(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{syscall.ENOENT: fs.ErrNotExist, syscall.EEXIST: fs.ErrExist, syscall.EPERM: fs.ErrPermission} {
		c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
			return nil, genltest.Error(int(errno))
		})
		if _, err := c.Context(pair); !errors.Is(err, want) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func FuzzParseObject(f *testing.F) {
	e := newEncoder(contextAttributes)
	e.ulids(pair)
	b, _ := e.encode()
	f.Add(b)
	f.Add(configMessage())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseContext(b); err == nil && (!c.Local.Is6() || !c.Peer.Is6()) {
			t.Errorf("ULIDs %v %v", c.Local, c.Peer)
		}
		parsePolicy(b)
		parseConfig(b)
		parseFlow(b)
	})
}
