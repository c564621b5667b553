# SPDX-License-Identifier: GPL-2.0
"""Leaving packets, octet by octet. host.py explains the cases. The program prints a line for
each case, of which test_packets.sh makes TAP."""

import socket
import struct
import time

import pkt
from host import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, ROUTING, SHIM6, TCP, UDP, ip


@case("without re-homing packets leave untouched", "5533-11-03", "5534-3.4-01")
def out_home():
    home()
    s = udp_socket()
    with Counted(out_ulid=1):
        s.sendto(b"hello", (B, 9))
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"hello")))


@case("re-homed UDP: locators, header, tag, and the ULIDs' checksum",
      "5533-5.2-01", "5533-5.2-02", "5533-5.2-03", "5533-5.2-04", "5533-11.1-01", "5533-11.1-02",
      "5533-11.1-04", "5533-1.6-03", "5533-12.4-11")
def out_udp():
    rehome()
    s = udp_socket()
    with Counted(out_rehomed=1):
        s.sendto(b"hello", (B, 9))
        sent(rehomed(UDP, pkt.udp(a, b, PORT, 9, b"hello")))


@case("source and destination are chosen independently", "5533-3-02")
def out_half():
    s = udp_socket()
    data = pkt.payload_header(CT_PEER, UDP) + pkt.udp(a, b, PORT, 9, b"x")
    context(locator_local=LA, locator_peer=B)
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(la, b, SHIM6, data))
    context(locator_local=A, locator_peer=LB)
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(a, lb, SHIM6, data))


@case("every flow goes by the one pair that is current, however many would do, and comes back by the tag",
      "5534-3.5-01", "6629-5.2-01", "boeing-1.2-03")
def out_one_pair():
    flows = [udp_socket(PORT + i) for i in range(8)]
    for local, peer in ((LA, LB), (A, LB), (LA, B)):
        context(locator_local=local, locator_peer=peer)
        for i in range(80):
            flows[i % 8].sendto(b"x", (B, 9))
            p = tun.get()
            same("pair", p and (p[8:24], p[24:40]), (ip(local), ip(peer)))
        for i in range(8):
            arrive(UDP, pkt.udp(b, a, 9, PORT + i, b"hello"))
            received(flows[i])
    home()


@case("receiving on a forked context does not change which context or pair sends", "5533-4.2-03")
def out_fork():
    fork = ("fii", "7")
    home()
    tool("context", "add", A, B, *fork, "tag-local", str(CT_LOCAL ^ 2), "tag-peer", str(CT_PEER ^ 2), "state", "established",
         "locators-local", LA, "locators-peer", LB)
    try:
        tool("context", "set", A, B, *fork, "locator-local", LA, "locator-peer", LB)
        s = udp_socket()
        datagram = pkt.udp(a, b, PORT, 9, b"x")
        for _ in range(3):
            with Counted(in_payload=1):
                arrive(UDP, HELLO, tag=CT_LOCAL ^ 2)
                received(s)
            s.sendto(b"x", (B, 9))
            sent(pkt.ipv6(a, b, UDP, datagram))
        context(locator_local=A, locator_peer=LB)
        arrive(UDP, HELLO, tag=CT_LOCAL ^ 2)
        received(s)
        s.sendto(b"x", (B, 9))
        sent(pkt.ipv6(a, lb, SHIM6, pkt.payload_header(CT_PEER, UDP) + datagram))
    finally:
        tool("context", "del", A, B, *fork)
        home()


X = pkt.udp(a, b, PORT, 9, b"x")


@case("back on the ULIDs the header stays until it is removed by command")
def out_back():
    rehome()
    back()
    s = udp_socket()
    with Counted(out_ulid_header=1):
        s.sendto(b"x", (B, 9))
        sent(at_home(UDP, X))
    assert "mtu 1492 header 1" in tool("context"), tool("context")
    switches = stats()["switches"]
    context(header=0)
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(a, b, UDP, X))
    context(header=1)
    s.sendto(b"x", (B, 9))
    sent(at_home(UDP, X))
    context(tag_peer=CT_PEER ^ 1)
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(a, b, SHIM6, pkt.payload_header(CT_PEER ^ 1, UDP) + X), "with another tag")
    context(tag_peer=CT_PEER)
    same("switches", stats()["switches"], switches)
    home()


@case("the peer's header on any pair brings the header, though nothing was re-homed here")
def out_heard():
    home()
    s = udp_socket()
    for pair in ((lb, la), (b, a)):
        s.sendto(b"x", (B, 9))
        sent(pkt.ipv6(a, b, UDP, X))
        arrive(UDP, HELLO, *pair)
        received(s)
        assert "header 1" in tool("context"), tool("context")
        with Counted(out_ulid_header=2):
            for _ in range(2):
                s.sendto(b"x", (B, 9))
                sent(at_home(UDP, X))
        # The context leaves for another pair, and finds the pair of the ULIDs again.
        rehome()
        s.sendto(b"x", (B, 9))
        sent(rehomed(UDP, X))
        back()
        s.sendto(b"x", (B, 9))
        sent(at_home(UDP, X))
        home()


@case("when nothing was heard for half a minute packets go with and without the header, by turns")
def out_turns():
    home()
    rehome()
    back()
    s = udp_socket()
    plain = pkt.ipv6(a, b, UDP, X)
    for _ in range(2):
        for _ in range(3):
            s.sendto(b"x", (B, 9))
            sent(at_home(UDP, X))
        time.sleep(31)
        for want in (at_home(UDP, X), plain) * 3:
            s.sendto(b"x", (B, 9))
            sent(want)
        # An answer of either kind ends this, and so does an answered Probe.
        tun.put(pkt.ipv6(b, a, UDP, HELLO))
        received(s)
    time.sleep(31)
    context(reap_timer="none")
    for _ in range(3):
        s.sendto(b"x", (B, 9))
        sent(at_home(UDP, X))
    home()


@case("a peer that does not know Shim6 any more is sent no header on the ULIDs")
def out_refused():
    rehome()
    back()
    s = udp_socket()
    s.sendto(b"x", (B, 9))
    sent(at_home(UDP, X))

    def problem(code, pointer, tag=CT_PEER):
        quoted = pkt.ipv6(a, b, SHIM6, pkt.payload_header(tag, UDP) + X)
        m = struct.pack("!BBHI", 4, code, 0, pointer) + quoted
        m = m[:2] + struct.pack("!H", pkt.checksum(b, a, ICMPV6, m)) + m[4:]
        tun.put(pkt.ipv6(b, a, ICMPV6, m))
        try:
            s.sendto(b"x", (B, 9))
        except OSError:  # the error is told first
            s.sendto(b"x", (B, 9))

    problem(0, 6)
    sent(at_home(UDP, X), "after another problem")
    problem(1, 6, CT_PEER ^ 2)
    sent(at_home(UDP, X), "after an error with another tag")
    problem(1, 6)
    sent(pkt.ipv6(a, b, UDP, X), "after the error")
    # A peer that has given us a tag knows Shim6.
    context(tag_peer=CT_PEER ^ 1)
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(a, b, SHIM6, pkt.payload_header(CT_PEER ^ 1, UDP) + X))
    context(tag_peer=CT_PEER)
    home()


@case("IPsec for the ULIDs is applied once, and our header is before it")
def out_back_ipsec():
    rehome()
    back()
    s = udp_socket()
    key = "0x000102030405060708090a0b0c0d0e0f10111213"
    for src, dst, spi in ((A, B, "0x100"), (B, A, "0x200")):
        run("ip", "xfrm", "state", "add", "src", src, "dst", dst, "proto", "esp", "spi", spi, "mode", "transport",
            "aead", "rfc4106(gcm(aes))", key, "128")
    for src, dst, way in ((A, B, "out"), (B, A, "in")):
        run("ip", "xfrm", "policy", "add", "src", src, "dst", dst, "dir", way, "tmpl", "src", src, "dst", dst,
            "proto", "esp", "mode", "transport")
    try:
        with Counted(out_ulid_header=1):
            s.sendto(b"x", (B, 9))
            p = tun.get()
        same("what leaves", p and (p[6], p[8:24], p[24:40], p[40:48], p[48:52]),
             (SHIM6, a, b, pkt.payload_header(CT_PEER, 50), bytes.fromhex("00000100")))
        nothing_sent()
        # Without encryption it is refused, with a header and without.
        arrive(UDP, HELLO, b, a)
        nothing_received(s)
    finally:
        run("ip", "xfrm", "policy", "flush")
        run("ip", "xfrm", "state", "flush")
        home()
    arrive(UDP, HELLO, b, a)
    received(s)
    home()


@case("hop limit and traffic class are kept")
def out_fields():
    rehome()
    s = udp_socket()
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 7)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x28)
    s.sendto(b"x", (B, 9))
    sent(rehomed(UDP, pkt.udp(a, b, PORT, 9, b"x"), hops=7, tclass=0x28))


@case("packets of any protocol are re-homed", "5533-1.3-02")
def out_raw():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 253)
    s.bind((A, 0))
    s.sendto(b"payload of something", (B, 0))
    sent(rehomed(253, b"payload of something"))


HOPOPT = pkt.options(0)[1:]


@case("the header is after Hop-by-Hop Options, before Destination Options", "5533-4.6-01", "5533-11.1-03")
def out_options():
    rehome()
    s = udp_socket()
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, b"\0" + HOPOPT)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, b"\0" + HOPOPT)
    s.sendto(b"x", (B, 9))
    sent(rehomed(DEST, pkt.options(UDP) + pkt.udp(a, b, PORT, 9, b"x"),
                 before=pkt.options(SHIM6), first=HOP))


@case("after a Routing header and the Destination Options before it; the final segment is re-homed",
      "5533-4.6-01", "5533-11.1-03", "5533-11.1-07")
def out_routing():
    rehome()
    s = udp_socket()
    via = ip("2001:db8:c::1")
    header = pkt.srh(0, [b, via], 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, header)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDRDSTOPTS, b"\0" + HOPOPT)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, b"\0" + HOPOPT)
    s.sendto(b"x", (B, 9))
    sent(rehomed(DEST, pkt.options(UDP) + pkt.udp(a, b, PORT, 9, b"x"),
                 before=pkt.options(ROUTING) + pkt.srh(SHIM6, [lb, via], 1), first=DEST, dst=via))


@case("fragments: a header each, before the Fragment header", "5533-1.6-01", "5533-1.6-02", "5533-4.6-01")
def out_fragments():
    rehome()
    s = udp_socket()
    data = bytes(range(256)) * 12
    with Counted(out_fragments=3):
        s.sendto(data, (B, 9))
        whole, ident, offset = pkt.udp(a, b, PORT, 9, data), None, 0
        for i in range(3):
            p = tun.get()
            assert p is not None, f"fragment {i} is missing"
            assert len(p) <= MTU, f"fragment {i} is {len(p)} octets long"
            got = struct.unpack("!I", p[52:56])[0]
            assert ident in (None, got), "another Identification"
            ident = got
            part = p[56:]
            more = offset + len(part) < len(whole)
            same(f"fragment {i}", without_label(p),
                 rehomed(FRAGMENT, pkt.fragment(UDP, offset, more, ident) + whole[offset:offset + len(part)]))
            offset += len(part)
        same("all fragments", offset, len(whole))


@case("senders of packets longer than the MTU less 8 are told at once", "5533-15.4-02", "boeing-1.4-05")
def out_mtu():
    rehome()
    s = udp_socket()
    s.connect((B, 9))
    s.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO

    def told(where):
        for _ in range(2):
            try:
                s.send(bytes(MTU - 48 - 7))
                raise AssertionError("one octet too many is taken " + where)
            except OSError as e:
                same("errno", e.errno, 90)
            same("IPV6_MTU " + where, s.getsockopt(socket.IPPROTO_IPV6, 24), MTU - 8)
        s.send(bytes(MTU - 48 - 8))
        same("length " + where, len(tun.get()), MTU)

    told("re-homed")
    back()
    same("IPV6_MTU back on the ULIDs, until it is told again", s.getsockopt(socket.IPPROTO_IPV6, 24), MTU)
    told("back on the ULIDs")
    home()
    same("IPV6_MTU on the ULIDs", s.getsockopt(socket.IPPROTO_IPV6, 24), MTU)
    s.send(bytes(MTU - 48))
    same("length on the ULIDs", len(tun.get()), MTU)


@case("a path of 1280 octets carries ULPs that send 1280", "5533-8-15")
def out_small():
    run("ip", "-6", "route", "replace", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1280")
    try:
        rehome()
        s = udp_socket()
        s.connect((B, 9))
        s.setsockopt(socket.IPPROTO_IPV6, 23, 2)
        s.send(bytes(1280 - 48))
        same("IPV6_MTU", s.getsockopt(socket.IPPROTO_IPV6, 24), 1280)
        sizes = [len(tun.get()) for _ in range(2)]
        assert max(sizes) <= 1280 and sum(sizes) == 1232 + 8 + 2 * (40 + 8 + 8), sizes
    finally:
        home()
        run("ip", "-6", "route", "del", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1280")


@case("a packet is not sent if, for its extension headers, no fragment could hold data")
def out_no_room():
    rehome()
    s, _, _ = tcp_open()
    # The least path there is to where it goes first, after the connection is made: no SYN
    # would get through.
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, pkt.srh(0, [b] + 75 * [ip("2001:db8:c::1")], 75))
    run("ip", "-6", "route", "replace", "2001:db8:c::/64", "dev", "tun0", "mtu", "1280")
    before = stats()["out-too-big"]
    try:
        s.send(bytes(4000))
        assert stats()["out-too-big"] > before, "nothing is said to be too big"
        nothing_sent()
    finally:
        s.close()
        home()
        run("ip", "-6", "route", "del", "2001:db8:c::/64", "dev", "tun0", "mtu", "1280")
        tun.drain()


@case("without an established context packets are unaffected", "5533-11-02")
def out_state():
    rehome()
    s = udp_socket()
    for state in ("i1-sent", "i2-sent"):
        context(state=state)
        s.sendto(b"x", (B, 9))
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"x")), state)
    for state in ("i2bis-sent", "established"):
        context(state=state)
        s.sendto(b"x", (B, 9))
        sent(rehomed(UDP, pkt.udp(a, b, PORT, 9, b"x")), state)


@case("other pairs and multicast are unaffected", "5533-11-01", "5533-1.4-01")
def out_others():
    rehome()
    s = udp_socket()
    with Counted():
        s.sendto(b"x", ("2001:db8:b:1::2", 9))
        sent(pkt.ipv6(a, ip("2001:db8:b:1::2"), UDP, pkt.udp(a, ip("2001:db8:b:1::2"), PORT, 9, b"x")))
        m = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        m.bind((A, 4001))
        m.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("tun0"))
        m.sendto(b"x", ("ff0e::1234", 9))
        got = tun.get(want=lambda p: p[24:40] == ip("ff0e::1234"))
        same("multicast", got and without_label(got),
             pkt.ipv6(a, ip("ff0e::1234"), UDP, pkt.udp(a, ip("ff0e::1234"), 4001, 9, b"x"), hops=1))


@case("a bypass rule keeps packets on their ULIDs")
def out_bypass():
    rehome()
    tool("policy", "add", "preference", "1", "protocol", "udp", "port-peer", "99", "action", "bypass")
    s = udp_socket()
    with Counted(out_bypassed=1, out_rehomed=1):
        s.sendto(b"x", (B, 99))
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 99, b"x")))
        s.sendto(b"x", (B, 98))
        sent(rehomed(UDP, pkt.udp(a, b, PORT, 98, b"x")))
    tool("policy", "del", "preference", "1")


@case("Neighbour Discovery is not re-homed, whatever its addresses")
def out_neighbour():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMPV6)
    s.bind((A, 0))
    for kind in range(133, 138):
        s.sendto(bytes([kind, 0]) + bytes(22), (B, 0))
        got = tun.get(want=lambda p: p[6] in (ICMPV6, SHIM6) and p[24] != 0xFF)
        assert got and got[:40][8:] == a + b and got[6] == ICMPV6 and got[40] == kind, got
    s.sendto(bytes([128, 0]) + bytes(6), (B, 0))
    got = tun.get(want=lambda p: p[6] in (ICMPV6, SHIM6) and p[24] != 0xFF)
    assert got and got[6] == SHIM6, got


@case("locators without a route: counted, the sender is told")
def out_no_route():
    context(locator_peer="2001:db9::1")
    s = udp_socket()
    try:
        with Counted(out_no_route=1):
            try:
                s.sendto(b"x", (B, 9))
            except OSError:
                pass
            nothing_sent()
    finally:
        home()


@case("a tunnel on the way is below: its header, that of the locators, ours", "5533-4.6-02")
def tunnel():
    end = "2001:db8:c::7"
    rehome()
    s = udp_socket()
    run("ip", "link", "add", "tnl0", "type", "ip6tnl", "mode", "ip6ip6", "local", A, "remote", end, "encaplimit", "none", "dev", "tun0")
    try:
        run("ip", "link", "set", "tnl0", "up")
        run("ip", "-6", "route", "add", "2001:db8:b:2::/64", "dev", "tnl0")
        s.sendto(b"hello", (B, 9))
        # Not the tunnel's own messages to its neighbours.
        p = tun.get(want=lambda p: p[6] == 41 and p[64] != 0xFF)
        assert p is not None, "no packet was sent"
        same("outer header", (p[6], p[8:24], p[24:40]), (41, a, ip(end)))
        same("what it carries", without_label(p[40:]), rehomed(UDP, pkt.udp(a, b, PORT, 9, b"hello")))
        with Counted(in_payload=1):
            tun.put(pkt.ipv6(ip(end), a, 41, pkt.ipv6(lb, la, SHIM6, pkt.payload_header(CT_LOCAL, UDP) + HELLO)))
            received(s)
    finally:
        run("ip", "link", "del", "tnl0")
        home()


@case("IPsec between the locators finds the ULP behind our header", "5533-16.1-03")
def ipsec_below():
    rehome()
    s = udp_socket()
    run("ip", "xfrm", "policy", "add", "src", LA, "dst", LB, "proto", "udp", "dport", "99", "dir", "out", "action", "block")
    try:
        with Counted(out_rehomed=1, out_no_route=1):
            try:
                s.sendto(b"x", (B, 99))
            except OSError:
                pass
            nothing_sent()
            s.sendto(b"x", (B, 98))
            sent(rehomed(UDP, pkt.udp(a, b, PORT, 98, b"x")))
    finally:
        run("ip", "xfrm", "policy", "flush")
        home()


main("keepalive-timeout", "1h")
