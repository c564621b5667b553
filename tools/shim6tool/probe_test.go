// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/wire"
	"shim6/netlink"
	"shim6/tools/conformance/shows"
)

// fakeNetwork is a path to a peer. Time stands still in it: a packet is answered at once or never.
type fakeNetwork struct {
	peer netip.Addr
	// pathMTU is the MTU that the host believes. After an error of router it is carries.
	pathMTU, carries int
	router           netip.Addr
	// The answers of the path to packets that fit.
	shim6, ping func(packet []byte) []arrival
	// limit drops longer control messages, pingLimit longer pings.
	limit, pingLimit int
	queue            []arrival
	sent, pings      int
	// udp is the answer to what is sent in UDP, and datagrams counts that.
	udp       func(packet []byte) []arrival
	datagrams int
	// longest is the length of the longest control message.
	longest int
}

func (n *fakeNetwork) local() netip.Addr { return locatorA }
func (n *fakeNetwork) mtu() (int, error) { return n.pathMTU, nil }
func (n *fakeNetwork) close()            {}

func (n *fakeNetwork) control(b []byte) error {
	n.sent++
	if !wire.IsPayload(b) {
		n.longest = max(n.longest, len(b)+ipv6HeaderLen)
	}
	return n.send(b, n.shim6, n.limit, true)
}

func (n *fakeNetwork) datagram(port uint16, b []byte) error {
	if n.datagrams++; port != netlink.UdpPort {
		return unix.EACCES
	}
	if len(b)+ipv6HeaderLen+wire.UDPHeaderLen > n.pathMTU {
		return unix.EMSGSIZE
	}
	if n.udp != nil {
		for _, a := range n.udp(b) {
			a.udp = true
			n.queue = append(n.queue, a)
		}
	}
	return nil
}

func (n *fakeNetwork) echo(b []byte) error {
	n.pings++
	return n.send(b, n.ping, n.pingLimit, false)
}

func (n *fakeNetwork) send(b []byte, answer func([]byte) []arrival, limit int, control bool) error {
	length := len(b) + ipv6HeaderLen
	switch {
	case length > n.pathMTU:
		return unix.EMSGSIZE
	case n.carries != 0 && length > n.carries:
		n.pathMTU = n.carries
		n.queue = append(n.queue, arrival{from: n.router, control: control, quoted: b, failure: &icmpError{icmpTooBig, 0, uint32(n.carries)}})
	case answer != nil && (limit == 0 || length <= limit):
		n.queue = append(n.queue, answer(b)...)
	}
	return nil
}

func (n *fakeNetwork) receive(time.Duration) (arrival, bool, error) {
	if len(n.queue) == 0 {
		return arrival{}, false, nil
	}
	a := n.queue[0]
	n.queue = n.queue[1:]
	return a, true, nil
}

// r1 is the answer of a host with Shim6, after a message that is not ours: R1 to I1, and R1bis to
// payload.
func r1(b []byte) []arrival {
	if h, err := wire.DecodePayloadHeader(b); err == nil {
		var l []arrival
		for _, tag := range []wire.ContextTag{h.ReceiverContextTag ^ 1, h.ReceiverContextTag} {
			m, err := wire.Append(nil, &wire.R1bis{PacketContextTag: tag})
			if err != nil {
				panic(err)
			}
			l = append(l, arrival{message: m})
		}
		return l
	}
	m, err := wire.Decode(b)
	if err != nil {
		panic(err)
	}
	i := m.(*wire.I1)
	other, err := wire.Append(nil, &wire.R1{InitiatorNonce: i.InitiatorNonce + 1})
	if err != nil {
		panic(err)
	}
	answer, err := wire.Append(nil, &wire.R1{InitiatorNonce: i.InitiatorNonce})
	if err != nil {
		panic(err)
	}
	return []arrival{{message: []byte("noise")}, {message: other}, {message: answer}}
}

// onlyR1 is the answer of a host that does not answer payload.
func onlyR1(b []byte) []arrival {
	if wire.IsPayload(b) {
		return nil
	}
	return r1(b)
}

func pong(b []byte) []arrival { return []arrival{{reply: []byte("other")}, {reply: slices.Clone(b)}} }

// refuses is an ICMPv6 error about our control message, after one about another host's.
func refuses(from netip.Addr, kind, code uint8) func([]byte) []arrival {
	return func(b []byte) []arrival {
		e := &icmpError{kind, code, 6}
		other := slices.Clone(b)
		other[12]++
		return []arrival{{from: from, control: true, quoted: other, failure: e}, {from: from, control: true, quoted: b, failure: e}}
	}
}

// No control message has more than 1280 octets, whatever the path carries.
func TestProbe(t *testing.T) {
	shows.IDs(t, "5533-5.1-04")
	router := netip.MustParseAddr("2001:db8:ffff::1")
	for _, tt := range []struct {
		name    string
		network fakeNetwork
		status  int
		want    []string
	}{
		{"all is well", fakeNetwork{pathMTU: 1500, shim6: r1, ping: pong}, 0,
			[]string{"shim6      length 64 answered", "shim6-full length 1500 answered", "protocol 140 passes, up to packets of 1500 octets"}},
		{"jumbo frames", fakeNetwork{pathMTU: 9000, shim6: r1}, 0, []string{"shim6-full length 9000 answered"}},
		{"a loopback", fakeNetwork{pathMTU: 65576, shim6: r1}, 0, []string{"shim6-full length 65575 answered"}},
		{"payload is not answered", fakeNetwork{pathMTU: 1500, shim6: onlyR1, ping: pong}, 0,
			[]string{"shim6-full length 1500 no answer", "shim6-payload length 48 no answer", "shim6-control length 1280 answered", "up to control messages of 1280 octets"}},
		{"payload and long messages are not answered", fakeNetwork{pathMTU: 1500, shim6: onlyR1, ping: pong, limit: 1200, pingLimit: 1200}, exitRefused,
			[]string{"shim6-control length 1280 no answer", "echo-full  length 1280 no answer", "nothing comes back of packets of 1280 octets"}},
		{"both ways", fakeNetwork{pathMTU: 1500, shim6: r1, udp: r1}, 0,
			[]string{"udp        length 72 answered", "udp-full   length 1500 answered",
				"protocol 140 passes, up to packets of 1500 octets; UDP to port 61140 passes, up to packets of 1500 octets"}},
		{"UDP alone", fakeNetwork{pathMTU: 1500, udp: r1, ping: pong}, 0,
			[]string{"protocol 140 is not answered, but ping is; but UDP to port 61140 passes, up to packets of 1500 octets"}},
		{"UDP alone, without payload", fakeNetwork{pathMTU: 1500, udp: onlyR1, ping: pong}, 0,
			[]string{"udp-control length 1280 answered", "but UDP to port 61140 passes, up to control messages of 1280 octets"}},
		{"a closed port", fakeNetwork{pathMTU: 1500, shim6: r1, udp: refuses(ulidB, icmpUnreachable, 4)}, 0,
			[]string{"udp        length 72 refused by 2001:db8:2::b: port unreachable", "protocol 140 passes, up to packets of 1500 octets"}},
		{"neither", fakeNetwork{pathMTU: 1500, ping: pong}, exitRefused,
			[]string{"udp        length 72 no answer", "protocol 140 is not answered, but ping is; let IP protocol 140 through"}},
		{"a narrow hop", fakeNetwork{pathMTU: 1500, carries: 1400, router: router, shim6: r1}, 0,
			[]string{"mtu 1400", "shim6-full length 1400 answered"}},
		{"a hop that is too narrow", fakeNetwork{pathMTU: 1500, carries: 1000, router: router, shim6: r1}, exitRefused,
			[]string{"refused by 2001:db8:ffff::1: packet too big, MTU 1000", "protocol 140 passes, but not in packets of 1500 octets: 2001:db8:ffff::1 says"}},
		{"a black hole, and UDP is no better", fakeNetwork{pathMTU: 1500, shim6: r1, udp: onlyR1, ping: pong, limit: 1400, pingLimit: 1400}, exitRefused,
			[]string{"shim6-full length 1500 no answer", "a black hole; UDP to port 61140 passes, up to control messages of 1280 octets"}},
		{"a black hole", fakeNetwork{pathMTU: 1500, shim6: r1, ping: pong, limit: 1400, pingLimit: 1400}, exitRefused,
			[]string{"shim6-full length 1500 no answer", "shim6-payload length 48 answered", "echo-full  length 1500 no answer", "a black hole", "let ICMPv6 'packet too big' through"}},
		{"long messages are filtered", fakeNetwork{pathMTU: 1500, shim6: r1, ping: pong, limit: 1400}, exitRefused,
			[]string{"in which ping does", "look for a firewall"}},
		{"no Shim6", fakeNetwork{pathMTU: 1500, shim6: refuses(ulidB, icmpParameter, codeUnknownHeader), ping: pong}, exitRefused,
			[]string{"refused by 2001:db8:2::b: unknown next header", "has no Shim6; load shim6.ko"}},
		{"a router does not know protocol 140", fakeNetwork{pathMTU: 1500, shim6: refuses(router, icmpParameter, codeUnknownHeader)}, exitRefused,
			[]string{"does not pass: 2001:db8:ffff::1 says unknown next header"}},
		{"a filter that says so", fakeNetwork{pathMTU: 1500, shim6: refuses(router, icmpUnreachable, 1)}, exitRefused,
			[]string{"does not pass: 2001:db8:ffff::1 says prohibited by a filter; let IP protocol 140 through there"}},
		{"a filter of ports", fakeNetwork{pathMTU: 1500, shim6: refuses(ulidB, icmpUnreachable, 4)}, exitRefused,
			[]string{"does not pass: 2001:db8:2::b says port unreachable; let IP protocol 140 through there"}},
		{"the address is unreachable", fakeNetwork{pathMTU: 1500, shim6: refuses(router, icmpUnreachable, 3)}, exitRefused,
			[]string{"nothing passes: 2001:db8:ffff::1 says address unreachable; repair the route"}},
		{"a loop", fakeNetwork{pathMTU: 1500, shim6: refuses(router, icmpTimeExceeded, 0)}, exitRefused,
			[]string{"nothing passes: 2001:db8:ffff::1 says time exceeded: the routes make a loop"}},
		{"a filter that says nothing", fakeNetwork{pathMTU: 1500, ping: pong}, exitRefused,
			[]string{"shim6      length 64 no answer", "echo       length 64 answered", "protocol 140 is not answered, but ping is"}},
		{"no answer at all", fakeNetwork{pathMTU: 1500}, exitRefused, []string{"nothing comes back, not even ping"}},
		{"a ping that is refused", fakeNetwork{pathMTU: 1500, ping: func(b []byte) []arrival {
			return []arrival{{from: router, quoted: b, failure: &icmpError{icmpUnreachable, 0, 0}}}
		}}, exitRefused, []string{"nothing passes: 2001:db8:ffff::1 says no route; repair the route"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := callWorld(&world{network: &tt.network}, "path", "probe", ulidB.String(), "from", locatorA.String())
			if status != tt.status {
				t.Errorf("status %d", status)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("lacks %q:\n%s%s", want, out, errs)
				}
			}
			if tt.network.longest > 1280 {
				t.Errorf("a control message of %d octets", tt.network.longest)
			}
			if !tt.network.pair(ulidB) {
				t.Errorf("probed %v", tt.network.peer)
			}
		})
	}
}

func (n *fakeNetwork) pair(peer netip.Addr) bool { return n.peer == peer }

// A lost packet is sent again, an answered one is not.
func TestProbeTries(t *testing.T) {
	n := &fakeNetwork{pathMTU: 1280}
	callWorld(&world{network: n}, "path", "probe", ulidB.String())
	if n.sent != probeTries || n.pings != probeTries {
		t.Errorf("without an answer: %d I1, %d pings", n.sent, n.pings)
	}
	n = &fakeNetwork{pathMTU: 1280, shim6: r1}
	callWorld(&world{network: n}, "path", "probe", ulidB.String())
	if n.sent != 2 || n.pings != 0 {
		t.Errorf("answered: %d packets, %d pings", n.sent, n.pings)
	}
}

// A ping between re-homed ULIDs goes by other locators, so none is sent.
func TestProbeRehomed(t *testing.T) {
	f := newFake()
	f.contexts = []netlink.Context{{ULIDs: netlink.ULIDs{Local: locatorA, Peer: ulidB}, LocatorLocal: ulidA, LocatorPeer: ulidB}}
	n := &fakeNetwork{pathMTU: 1280, ping: pong}
	_, _, errs := callWorld(&world{kernel: f, network: n}, "path", "probe", ulidB.String())
	if n.pings != 0 || !strings.Contains(errs, "the context has left this pair") {
		t.Errorf("%d pings: %s", n.pings, errs)
	}
}

// An I1 can be decoded and has the length that was asked for. No two are the same.
func TestNewI1(t *testing.T) {
	seen := map[uint32]bool{}
	for _, mtu := range []int{64, 1280, 1281, 1499, 1500, 65535} {
		octets := longestMessage(mtu)
		b, nonce, err := newI1(octets)
		if err != nil || len(b) != octets || len(b)+ipv6HeaderLen > min(mtu, 1280) {
			t.Fatalf("MTU %d: %d octets, %v", mtu, len(b), err)
		}
		m, err := wire.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := m.(*wire.I1); !ok || i.InitiatorNonce != nonce || seen[nonce] || binary.BigEndian.Uint32(b[12:]) != nonce {
			t.Errorf("MTU %d: %+v", mtu, m)
		}
		seen[nonce] = true
	}
}

func TestProbeJSON(t *testing.T) {
	n := &fakeNetwork{pathMTU: 1500, shim6: refuses(ulidB, icmpParameter, codeUnknownHeader)}
	status, out, errs := callWorld(&world{network: n}, "-j", "path", "probe", ulidB.String())
	var list []struct {
		Source, Destination netip.Addr
		MTU                 int
		Shim6               struct {
			Length   int
			Answered bool
			Type     int `json:"icmp-type"`
			Code     int `json:"icmp-code"`
		}
		Result, Text, Advice string
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || status != exitRefused {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	l := list[0]
	if l.Source != locatorA || l.Destination != ulidB || l.MTU != 1500 || l.Result != "fail" || l.Shim6.Length != 64 ||
		l.Shim6.Answered || l.Shim6.Type != 4 || l.Shim6.Code != 1 || l.Text == "" || l.Advice == "" {
		t.Errorf("%+v", l)
	}
}

func TestParseICMP(t *testing.T) {
	packet := make([]byte, ipv6HeaderLen, 100)
	packet[6] = wire.Protocol
	a, b := ulidA.As16(), ulidB.As16()
	copy(packet[8:], a[:])
	copy(packet[24:], b[:])
	packet = append(packet, "the control message"...)
	failure := append([]byte{icmpParameter, 1, 0, 0, 0, 0, 0, 6}, packet...)
	ping := slices.Clone(failure)
	ping[8+6] = unix.IPPROTO_ICMPV6
	tcp := slices.Clone(failure)
	tcp[8+6] = unix.IPPROTO_TCP
	reply := []byte{icmpEchoReply, 0, 0, 0, 0x12, 0x34, 0, 1, 'x'}
	for _, tt := range []struct {
		name   string
		b      []byte
		from   netip.Addr
		ok     bool
		quoted string
	}{
		{"about a control message", failure, locatorB, true, "the control message"},
		{"about a ping", ping, locatorB, true, "the control message"},
		{"about TCP", tcp, locatorB, false, ""},
		{"cut short", failure[:47], locatorB, false, ""},
		{"an empty packet", nil, locatorB, false, ""},
		{"a reply", reply, ulidB, true, ""},
		{"a reply of another host", reply, locatorB, false, ""},
		{"a router advertisement", append([]byte{134}, failure[1:]...), locatorB, false, ""},
	} {
		got, ok := parseICMP(tt.b, tt.from, ulidA, ulidB, 0x1234)
		if ok != tt.ok || ok && string(got.quoted) != tt.quoted {
			t.Errorf("%s: %v, %+v", tt.name, ok, got)
		}
	}
	if _, ok := parseICMP(failure, locatorB, ulidA, ulidA, 0); ok {
		t.Error("about a packet to somebody else")
	}
	if _, ok := parseICMP(reply, ulidB, ulidA, ulidB, 0x1235); ok {
		t.Error("a reply to another program")
	}
}
