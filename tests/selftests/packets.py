# SPDX-License-Identifier: GPL-2.0
"""The data path, octet by octet; host.py says how. Prints one line a case,
which test_packets.sh makes TAP of."""

import socket
import struct

import pkt
from host import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, ROUTING, SHIM6, TCP, UDP, ip

# --- output --------------------------------------------------------------------

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


@case("a fork is for what is sent by it: what comes by it has nothing sent by it, nor by another pair", "5533-4.2-03")
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


@case("back on the ULIDs the header is gone", "5533-11.1-05")
def out_back():
    rehome()
    home()
    s = udp_socket()
    s.sendto(b"x", (B, 9))
    sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"x")))


@case("hop limit and traffic class are kept")
def out_fields():
    rehome()
    s = udp_socket()
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 7)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x28)
    s.sendto(b"x", (B, 9))
    sent(rehomed(UDP, pkt.udp(a, b, PORT, 9, b"x"), hops=7, tclass=0x28))


@case("any protocol", "5533-1.3-02")
def out_raw():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 253)
    s.bind((A, 0))
    s.sendto(b"payload of something", (B, 0))
    sent(rehomed(253, b"payload of something"))


HOPOPT = pkt.options(0)[1:]


@case("after Hop-by-Hop Options, before Destination Options", "5533-4.6-01", "5533-11.1-03")
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


@case("what is longer than the MTU less 8 is told so at once", "5533-15.4-02", "boeing-1.4-05")
def out_mtu():
    rehome()
    s = udp_socket()
    s.connect((B, 9))
    s.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO
    same("IPV6_MTU", s.getsockopt(socket.IPPROTO_IPV6, 24), MTU - 8)
    try:
        s.send(bytes(MTU - 48 - 7))
        raise AssertionError("one octet too many is taken")
    except OSError as e:
        same("errno", e.errno, 90)
    s.send(bytes(MTU - 48 - 8))
    same("length", len(tun.get()), MTU)
    home()
    s.send(b"x")
    tun.get()
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
        same("IPV6_MTU", s.getsockopt(socket.IPPROTO_IPV6, 24), 1280)
        s.send(bytes(1280 - 48))
        sizes = [len(tun.get()) for _ in range(2)]
        assert max(sizes) <= 1280 and sum(sizes) == 1232 + 8 + 2 * (40 + 8 + 8), sizes
    finally:
        home()
        run("ip", "-6", "route", "del", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1280")


@case("TCP with so many extension headers that no fragment could hold data is told so")
def out_no_room():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setblocking(False)
    # It ends at once when it is closed.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.bind((A, 0))
    s.connect_ex((B, 9))
    syn = tun.get()[48:]
    port = s.getsockname()[1]
    head = struct.pack("!HHIIBBHHH", 9, port, 1, int.from_bytes(syn[4:8], "big") + 1, 5 << 4, 0x12, 65535, 0, 0)
    arrive(TCP, head[:16] + struct.pack("!H", pkt.checksum(b, a, TCP, head)) + head[18:])
    tun.get()
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


@case("neighbours are looked for on their link, by whatever addresses")
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
        # Not what the tunnel says of itself to its neighbours.
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


# --- input ----------------------------------------------------------------------

@case("payload: ULIDs come back, the header goes", "5533-12.2-02", "5533-12.2-06", "5533-12.4-08", "5533-12-01", "5533-4.1-02")
def in_udp():
    s = udp_socket()
    with Counted(in_payload=1):
        arrive(UDP, HELLO)
        received(s)


@case("payload behind Hop-by-Hop and Destination Options, in order", "5533-4.6-04", "5533-12-01")
def in_options():
    s = udp_socket()
    with Counted(in_payload=3):
        arrive(UDP, HELLO, before=pkt.options(SHIM6), first=HOP)
        received(s)
        arrive(DEST, pkt.options(UDP) + HELLO)
        received(s)
        arrive(DEST, pkt.options(UDP) + HELLO, before=pkt.options(SHIM6), first=HOP)
        received(s)


@case("payload behind Destination Options, where no sender of ours puts it", "5533-12-01")
def in_odd():
    s = udp_socket()
    with Counted(in_payload=1):
        arrive(UDP, HELLO, before=pkt.options(SHIM6), first=DEST)
        received(s)


@case("fragments by several locators are one datagram", "5533-1.6-02")
def in_fragments():
    s = udp_socket()
    data = bytes(3000)
    whole = pkt.udp(b, a, 9, PORT, data)
    with Counted(in_payload=2):
        for off, src in ((1448, lb), (0, b), (2896, lb)):
            part = whole[off:off + 1448]
            body = pkt.fragment(UDP, off, off + len(part) < len(whole), 77) + part
            if src == b:
                tun.put(pkt.ipv6(b, a, FRAGMENT, body))
            else:
                arrive(FRAGMENT, body)
    received(s, data)


@case("the source locator need not be known", "5533-12.2-07")
def in_source():
    s = udp_socket()
    arrive(UDP, HELLO, src=ip("2001:db8:dead::1"))
    received(s)


@case("a bad checksum of the ULP is the ULP's to find")
def in_checksum():
    s = udp_socket()
    with Counted(in_payload=1):
        arrive(UDP, pkt.udp(b, a, 9, PORT, b"hello", bad=1))
        nothing_received(s)


@case("an unknown tag is dropped and counted")
def in_unknown():
    s = udp_socket()
    with Counted(in_no_context=1):
        arrive(UDP, HELLO, tag=CT_LOCAL ^ 1)
        nothing_received(s)


@case("the tag has 47 bits, all of which count")
def in_tag_bits():
    s = udp_socket()
    with Counted(in_no_context=47):
        for bit in range(47):
            arrive(UDP, HELLO, tag=CT_LOCAL ^ 1 << bit)
        nothing_received(s)


@case("in I1-SENT payload is known and discarded", "5533-12.2-08")
def in_state():
    s = udp_socket()
    home()
    context(state="i1-sent")
    with Counted(in_state=1):
        arrive(UDP, HELLO)
        nothing_received(s)
    for state in ("i2-sent", "i2bis-sent", "established"):
        context(state=state)
        arrive(UDP, HELLO)
        received(s)


@case("a payload header of another length is dropped", "5533-5.2-05")
def in_length():
    s = udp_socket()
    with Counted(in_header=2):
        for n in (1, 255):
            p = pkt.payload_header(CT_LOCAL, UDP)
            tun.put(pkt.ipv6(lb, la, SHIM6, p[:1] + bytes([n]) + p[2:] + HELLO))
        nothing_received(s)


@case("truncated packets harm nobody")
def in_truncated():
    s = udp_socket()
    whole = pkt.options(SHIM6) + pkt.payload_header(CT_LOCAL, DEST) + pkt.options(UDP) + HELLO
    for n in range(len(whole)):
        tun.put(pkt.ipv6(lb, la, HOP, whole[:n]))
    for n in range(8, len(whole)):
        # The length says more than there is, or less.
        full = pkt.ipv6(lb, la, HOP, whole)
        tun.put(full[:40 + n])
        tun.put(full[:4] + struct.pack("!H", n) + full[6:])
    nothing_received(s)
    arrive(UDP, HELLO)
    received(s)


@case("a payload header in a payload header is dropped")
def in_twice():
    s = udp_socket()
    with Counted(in_header=3):
        arrive(SHIM6, pkt.payload_header(CT_LOCAL, UDP) + HELLO)
        arrive(DEST, pkt.options(SHIM6) + pkt.payload_header(CT_LOCAL, UDP) + HELLO)
        arrive(SHIM6, pkt.payload_header(CT_LOCAL, UDP) + HELLO, before=pkt.options(SHIM6), first=DEST)
        nothing_received(s)


@case("a firewall that lets protocol 140 in sees what is in it, wherever the header is")
def in_firewall():
    ways = {
        "at the front": {},
        "behind Destination Options": {"before": pkt.options(SHIM6), "first": DEST},
        "in a packet that is its only fragment": {"before": pkt.fragment(SHIM6, 0, 0, 7), "first": FRAGMENT},
        "behind nine headers": {"before": pkt.options(DEST) * 8 + pkt.options(SHIM6), "first": DEST},
    }
    s = udp_socket()
    run("nft", "add table inet wall; add chain inet wall in { type filter hook input priority 0; policy drop; };"
        "add rule inet wall in meta l4proto { 140, ipv6-icmp } accept; add rule inet wall in ct state established,related accept")
    try:
        for way in ways.values():
            arrive(UDP, HELLO, **way)
            nothing_received(s)
        # As of a packet without our header.
        run("nft", f"add rule inet wall in ip6 saddr {B} udp dport {PORT} ct state new accept")
        for name, way in ways.items():
            arrive(UDP, pkt.udp(b, a, 9, PORT, name.encode()), **way)
            received(s, name.encode())
    finally:
        run("nft", "delete table inet wall")


@case("the host's IPsec policies are asked about the ULIDs, not past them", "5533-16.1-04")
def in_ipsec_policy():
    """As of a tunnel: what is within is asked for, not only what is around."""
    s = udp_socket()
    ways = {"behind our header": {}, "behind an option": {"before": pkt.options(SHIM6), "first": DEST}}
    for action in (["action", "block"], ["tmpl", "src", B, "dst", A, "proto", "esp", "mode", "transport"]):
        selector = ["src", f"{B}/128", "dst", f"{A}/128", "proto", "udp", "dir", "in"]
        for way in ways.values():
            arrive(UDP, HELLO, **way)
            received(s)
        run("ip", "xfrm", "policy", "add", *selector, *action)
        try:
            tun.put(pkt.ipv6(b, a, UDP, HELLO))
            nothing_received(s)
            for way in ways.values():
                arrive(UDP, HELLO, **way)
                nothing_received(s)
        finally:
            run("ip", "xfrm", "policy", "delete", *selector)


@case("packets to others are not ours to change")
def in_forwarded():
    s = udp_socket()
    with Counted():
        arrive(UDP, HELLO, dst=ip("2001:db8:b:1::77"))
        nothing_received(s)


@case("payload without our header counts as heard", "5533-12.1-01", "5533-9-05")
def in_home():
    s = udp_socket()
    with Counted(in_ulid=1):
        tun.put(pkt.ipv6(b, a, UDP, HELLO))
        received(s)
    assert "last-heard never" not in tool("context"), tool("context")


main("keepalive-timeout", "1h")
