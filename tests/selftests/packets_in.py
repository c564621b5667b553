# SPDX-License-Identifier: GPL-2.0
"""Arriving packets, octet by octet. host.py explains the cases. The program prints a line for
each case, of which test_packets.sh makes TAP."""

import socket
import struct
import subprocess
import tempfile
import time

import pkt
from host import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, ROUTING, SHIM6, UDP, ip


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


@case("payload behind Destination Options, all of it in another fragment, whatever the linear part holds", "5533-12-01")
def in_odd_fragments():
    s = udp_socket()
    body = bytes(range(256)) * 4
    for size in (6, 14, 62, 254):
        options = pkt.options(SHIM6, bytes([0x1E, size - 2]) + bytes(size - 2))
        whole = options + pkt.payload_header(CT_LOCAL, UDP) + pkt.udp(b, a, 9, PORT, body)
        # The first fragment ends behind our header, behind the next one, and in the datagram. A shorter
        # one lacks headers, and is not accepted (RFC 7112).
        for end in (len(options) + 8, len(options) + 16, len(options) + 64):
            parts = [(0, whole[:end]), (end, whole[end:end + 512]), (end + 512, whole[end + 512:])]
            for order in (parts, parts[::-1]):
                with Counted(in_payload=1):
                    for off, part in order:
                        more = off + len(part) < len(whole)
                        tun.put(pkt.ipv6(lb, la, FRAGMENT, pkt.fragment(DEST, off, more, size << 16 | end) + part))
                    received(s, body)


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


@case("the ULP, and not the shim, finds a bad checksum of the ULP")
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


@case("the tag has 47 bits, and all of them count")
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
        # The length field is too large, or too small.
        full = pkt.ipv6(lb, la, HOP, whole)
        tun.put(full[:40 + n])
        tun.put(full[:4] + struct.pack("!H", n) + full[6:])
    nothing_received(s)
    arrive(UDP, HELLO)
    received(s)


def fragments(nexthdr, data, *ends, ident=5):
    """The data behind Fragment headers, cut at these octets."""
    cuts = [0, *ends, len(data)]
    return [pkt.fragment(nexthdr, x, y < len(data), ident) + data[x:y] for x, y in zip(cuts, cuts[1:])]


def refused(*inside):
    """A packet that is refused behind a payload header, both in the hook and in the handler."""
    s = udp_socket()
    with Counted(in_header=2 * len(inside)):
        for nexthdr, data in inside:
            arrive(nexthdr, data)
            arrive(nexthdr, data, before=pkt.options(SHIM6), first=DEST)
        nothing_received(s)
        nothing_sent(0)


@case("no header of protocol 140 in a payload header: a control message would have the ULIDs, whoever sent it",
      "5533-12.4-09")
def in_twice():
    keepalive = pkt.control(66, struct.pack("!Q", CT_LOCAL)[2:] + bytes(4))
    probe = pkt.control(67, struct.pack("!Q", CT_LOCAL)[2:] + bytes(36))
    i1 = pkt.control(1, bytes(18))
    auth = bytes([SHIM6, 4]) + bytes(22)
    for h in (keepalive, probe, i1, pkt.payload_header(CT_LOCAL, UDP) + HELLO):
        refused((SHIM6, h), (DEST, pkt.options(SHIM6) + h), (51, auth + h),
                (FRAGMENT, pkt.fragment(SHIM6, 0, 0, 5) + h),
                (FRAGMENT, pkt.fragment(DEST, 0, 1, 5) + pkt.options(SHIM6) + h[:8]),
                (ROUTING, pkt.srh(SHIM6, [a], 0) + h),
                (DEST, pkt.options(DEST) * 7 + pkt.options(SHIM6) + h))


@case("no header of protocol 140 behind a first fragment that ends before its last header", "5533-12.4-09")
def in_twice_fragments():
    # Options that are longer than the first fragment, and say that 140 comes next.
    keepalive = pkt.control(66, struct.pack("!Q", CT_LOCAL)[2:] + bytes(4))
    before = stats()["keepalive-in"]
    for size in (14, 62):
        data = pkt.options(DEST) + pkt.options(SHIM6, bytes([1, size - 2]) + bytes(size - 2)) + keepalive
        for cut in (8, 16, 8 + size + 2):
            first, rest = fragments(DEST, data, cut, ident=size << 8 | cut)
            refused((FRAGMENT, first))
            with Counted(in_payload=1):
                arrive(FRAGMENT, rest)
    same("Keepalives", stats()["keepalive-in"], before)


@case("no Neighbour Discovery in a payload header; other ICMPv6 is a ULP")
def in_neighbour():
    for kind in range(133, 138):
        nd = pkt.icmpv6(b, a, bytes([kind, 0, 0, 0]) + bytes(20))
        refused((ICMPV6, nd), (DEST, pkt.options(ICMPV6) + nd), (FRAGMENT, pkt.fragment(ICMPV6, 0, 0, 5) + nd))
    echo = pkt.icmpv6(b, a, bytes([128, 0, 0, 0, 0, 7, 0, 1]))
    with Counted(in_payload=1, out_ulid_header=1):
        arrive(ICMPV6, echo)
        got = tun.get(want=lambda p: p[6] == SHIM6 and p[40] == ICMPV6 and p[48] == 129)
    assert got and got[8:40] == a + b, "no echo"
    home()


def plain_140(data, nexthdr=SHIM6):
    tun.put(pkt.ipv6(lb, la, nexthdr, data))


def parameter_problem(want):
    got = tun.get(0.5, lambda p: p[6] == ICMPV6 and p[40] == 4)
    same("Parameter Problem: code, pointer", got and (got[41], struct.unpack("!I", got[44:48])[0]), want)


@case("without a daemon and a context the host answers like one that does not know Shim6")
def in_nobody():
    i1, payload = pkt.control(1, bytes(18)), pkt.payload_header(CT_LOCAL, UDP) + HELLO
    tool("context", "del", A, B)
    limit = run("sysctl", "-n", "net.ipv6.icmp.ratelimit").strip()
    run("sysctl", "-qw", "net.ipv6.icmp.ratelimit=0")
    try:
        with Counted():
            for data in (i1, payload, payload[:8], payload[:3]):
                plain_140(data)
                parameter_problem((1, 6))
                plain_140(pkt.options(SHIM6) + data, DEST)
                parameter_problem((1, 40))
            # Here a program in user space handles the protocol instead.
            with socket.socket(socket.AF_INET6, socket.SOCK_RAW, SHIM6) as raw:
                raw.settimeout(5)
                plain_140(i1)
                same("raw socket", raw.recv(100), i1)
                nothing = tun.get(0.3, lambda p: p[6] == ICMPV6 and p[40] == 4)
                assert nothing is None, "a raw socket has it, and the peer is told that nobody does"
            # IPsec policies come first, as in the core.
            run("ip", "xfrm", "policy", "add", "src", LB, "dst", LA, "dir", "in", "action", "block")
            tun.drain()
        with Counted():
            for data in (i1, payload):
                plain_140(data)
                parameter_problem(None)
    finally:
        run("ip", "xfrm", "policy", "flush")
        run("sysctl", "-qw", f"net.ipv6.icmp.ratelimit={limit}")
        context_new()
    with Counted(ctl_in=1):
        plain_140(i1)
        parameter_problem(None)


@case("the host's IPsec policies are asked about the locators, and about the ULP behind our header",
      "5533-16.1-02", "5533-16.1-03", "5533-16.1-04")
def in_ipsec_locators():
    s = udp_socket()
    ways = {
        "at the front": {},
        "behind Hop-by-Hop Options": {"before": pkt.options(SHIM6), "first": HOP},
        "behind Destination Options": {"before": pkt.options(SHIM6), "first": DEST},
        "in a packet that is its only fragment": {"before": pkt.fragment(SHIM6, 0, 0, 7), "first": FRAGMENT},
    }
    pair = ["src", f"{LB}/128", "dst", f"{LA}/128"]
    applies = (["proto", "udp"], ["proto", "udp", "sport", "9", "dport", str(PORT)], [])
    others = (["proto", "tcp"], ["proto", "udp", "dport", "99"], ["proto", str(SHIM6)])
    for action in (["action", "block"], ["tmpl", "proto", "esp", "mode", "transport", "level", "required"],
                   ["tmpl", "src", LB, "dst", LA, "proto", "esp", "mode", "tunnel", "level", "required"]):
        for selector in applies + others:
            run("ip", "xfrm", "policy", "add", *pair, *selector, "dir", "in", *action)
            try:
                for name, way in ways.items():
                    if selector in others:
                        arrive(UDP, HELLO, **way)
                        received(s)
                        continue
                    with Counted(in_policy=1):
                        arrive(UDP, HELLO, **way)
                        nothing_received(s)
                # The ULP of control messages is protocol 140; the ULP behind an unknown tag is not known.
                if selector in (["proto", str(SHIM6)], []):
                    with Counted(in_policy=2):
                        plain_140(pkt.control(1, bytes(18)))
                        arrive(UDP, HELLO, tag=CT_LOCAL ^ 1)
                        nothing_received(s)
                # No policy is about other locators, or about the ULIDs.
                arrive(UDP, HELLO, src=ip("2001:db8:b:3::1"))
                received(s)
                tun.put(pkt.ipv6(b, a, UDP, HELLO))
                received(s)
            finally:
                run("ip", "xfrm", "policy", "flush")


@case("a firewall that lets protocol 140 in sees the packet inside, wherever the header is")
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
        # The same as for a packet without our header.
        run("nft", f"add rule inet wall in ip6 saddr {B} udp dport {PORT} ct state new accept")
        for name, way in ways.items():
            arrive(UDP, pkt.udp(b, a, 9, PORT, name.encode()), **way)
            received(s, name.encode())
    finally:
        run("nft", "delete table inet wall")


@case("the packet inside is a packet of its own for the firewall: another connection, not traced with the outer one")
def in_again():
    ways = ({"before": pkt.options(SHIM6), "first": DEST}, {"before": pkt.fragment(SHIM6, 0, 0, 7), "first": FRAGMENT})
    s = udp_socket()
    run("nft", "add table inet again; add counter inet again locators; add counter inet again ulids;"
        "add chain inet again pre { type filter hook prerouting priority 0; };"
        f"add rule inet again pre ip6 saddr {LB} ct original ip6 saddr {LB} ct original ip6 daddr {LA}"
        " meta nftrace set 1 counter name locators;"
        f"add rule inet again pre ip6 saddr {B} udp dport {PORT} ct original ip6 saddr {B} ct original ip6 daddr {A}"
        " counter name ulids")
    out = tempfile.NamedTemporaryFile("r")
    monitor = subprocess.Popen(["nft", "monitor", "trace"], stdout=open(out.name, "w"))
    traced = []
    try:
        # Send until the tracer listens, and then more, so that the first packet is traced completely.
        count = 0
        while len([l for l in traced if "pre rule" in l]) < 6:
            assert count < 100, f"this is traced: {traced[:6]}"
            for way in ways:
                arrive(UDP, HELLO, **way)
                received(s)
            count += len(ways)
            time.sleep(0.1)
            traced += out.readlines()
        same("traced with ULIDs", [l for l in traced if f"ip6 saddr {B}" in l], [])
        listed = run("nft", "list counters table inet again").split()
        same("packets with locators and with ULIDs, of their own connections",
             {listed[i - 1]: int(listed[i + 2]) for i, word in enumerate(listed) if word == "{" and listed[i - 2] == "counter"},
             {"locators": count, "ulids": count})
    finally:
        monitor.kill()
        monitor.wait()
        run("nft", "delete table inet again")


@case("the host's IPsec policies are asked about the ULIDs, not past them", "5533-16.1-04")
def in_ipsec_policy():
    """As with a tunnel: policies are asked about the packet inside, not only about the outer one."""
    s = udp_socket()
    ways = {"behind our header": {}, "behind an option": {"before": pkt.options(SHIM6), "first": DEST},
            "on the ULIDs": {"src": b, "dst": a},
            "on the ULIDs, behind an option": {"src": b, "dst": a, "before": pkt.options(SHIM6), "first": DEST}}
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


@case("packets to other hosts are not changed")
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
