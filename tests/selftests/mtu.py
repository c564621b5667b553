# SPDX-License-Identifier: GPL-2.0
"""Sizes that fit, and the senders that learn of them, octet by octet. host.py explains the cases."""

import ctypes
import errno
import os
import socket
import struct
import time

import pkt
from host import *
from pkt import FRAGMENT, SHIM6, TCP, UDP

IPV6 = socket.IPPROTO_IPV6
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24
WANT, DO, PROBE = 1, 2, 3
UDP_SEGMENT = 103


def discover(s, how):
    s.setsockopt(IPV6, IPV6_MTU_DISCOVER, how)
    return s


def connected(how, port=PORT):
    s = udp_socket(port)
    s.connect((B, 9))
    return discover(s, how)


def mtu(s):
    return s.getsockopt(IPV6, IPV6_MTU)


def refused(s, size):
    try:
        s.send(bytes(size))
    except OSError as e:
        same("errno", e.errno, 90)
        return True
    return False


def no_exceptions():
    """Packets that this host has sent have left no trace in its routing tables."""
    same("route exceptions", run("ip", "-6", "route", "show", "table", "all", "cache").strip(), "")


def taken():
    """All packets that have been sent until now: of those with our header, the part behind it."""
    parts = []
    while p := tun.get(0.2, lambda p: p[6] in (SHIM6, UDP, TCP, FRAGMENT)):
        assert len(p) <= MTU, f"a packet of {len(p)} octets"
        if p[6] == SHIM6:
            parts.append((p[40], p[48:]))
    return parts


def whole(parts):
    """Reassembled packets, as (next header, payload), in order."""
    made, done = {}, []
    for nexthdr, data in parts:
        if nexthdr != FRAGMENT:
            done.append((nexthdr, data))
            continue
        inner, _, offset, ident = struct.unpack("!BBHI", data[:8])
        got = made.setdefault(ident, {})
        got[offset & ~7] = (data[8:], offset & 1, inner)
        at = 0
        while at in got and got[at][1]:
            at += len(got[at][0])
        if at in got:
            done.append((inner, b"".join(got[k][0] for k in sorted(got))))
            del made[ident]
    assert not made, "fragments are missing"
    return done


def by(local, peer):
    context(locator_local=local, locator_peer=peer)


@case("the MTU that a socket is told does not fall by itself, where both pairs have one route", "5533-15.4-02")
def steady():
    for pair in ((LA, B), (A, LB), (LA, LB)):
        home()
        s = connected(DO)
        same("IPV6_MTU on the ULIDs", mtu(s), MTU)
        by(*pair)
        same("refused at first", refused(s, MTU - 48), True)
        for _ in range(60):
            same("IPV6_MTU", mtu(s), MTU - 8)
            same("refused", refused(s, mtu(s) - 48), False)
            same("length", len(tun.get()), MTU)
        no_exceptions()
        home()
        same("IPV6_MTU on the ULIDs again", mtu(s), MTU)
        same("refused on the ULIDs", refused(s, MTU - 48), False)
        same("length on the ULIDs", len(tun.get()), MTU)
        s.close()


@case("TCP is told, on the pair that it meets and on the next, and sends whole segments, no fragments", "5533-15.4-02")
def tcp_steady():
    s, port, seq = tcp_open()
    run("ip", "-6", "route", "replace", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1400")
    try:
        for pair, least in (((LA, B), 1500), ((LA, LB), 1400), ((LA, B), 1500), ((A, B), 1500)):
            tun.drain()
            by(*pair)
            sizes, start, sent = [], seq, 0
            for _ in range(60):
                try:
                    sent += s.send(bytes(20000))
                except BlockingIOError:
                    pass
                while p := tun.get(0.05, lambda p: p[6] in (SHIM6, TCP)):
                    data = p[48:] if p[6] == SHIM6 else p[40:]
                    assert p[6] == TCP or p[40] == TCP, f"next header {p[40]}"
                    assert len(p) <= least, f"a packet of {len(p)} octets"
                    n = len(data) - (data[12] >> 4) * 4
                    if int.from_bytes(data[4:8], "big") == seq & 0xFFFFFFFF:
                        seq += n
                        sizes.append(len(p))
                arrive(TCP, tcp(port, 2, seq, 0x10))
                if seq - start > 300000:
                    break
            assert seq - start > 300000, f"{seq - start} octets came by {pair}: {sizes[-10:]}"
            full = [n for n in sizes[len(sizes) // 2:] if n >= least - 12]
            assert len(full) * 2 > len(sizes) // 2, f"sizes by {pair}: {sizes}"
        no_exceptions()
    finally:
        s.close()
        home()
        run("ip", "-6", "route", "del", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1400")
        tun.drain()


@case("datagrams of full size of senders that can't be told, or do not ask, leave in fragments")
def cut():
    data = os.urandom(MTU - 48)
    want = [(UDP, pkt.udp(a, b, PORT, 9, data))]
    for how, name in ((WANT, "default"), (PROBE, "PROBE"), (DO, "DO")):
        rehome()
        s = discover(udp_socket(), how)
        for _ in range(5):
            s.sendto(data, (B, 9))
            same(f"not connected, {name}", whole(taken()), want)
        s.close()
    for how, name in ((WANT, "default"), (PROBE, "PROBE")):
        s = connected(how)
        for _ in range(5):
            s.send(data)
            same(f"connected, {name}", whole(taken()), want)
        same("IPV6_MTU", mtu(s), MTU - 8)
        s.close()
    no_exceptions()


@case("segments of UDP of full size leave in fragments, each datagram as it was")
def cut_segments():
    rehome()
    s = discover(udp_socket(), PROBE)
    size = MTU - 48
    data = os.urandom(3 * size + 100)
    try:
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        s.sendto(data, (B, 9))
    except OSError as e:
        # Linux before 6.11 takes them only for a device that makes checksums, which a TUN
        # device does not.
        if e.errno != errno.EIO or not os.uname().release.startswith("6.1."):
            raise
        print("# this kernel takes no segments of UDP for a TUN device")
        return
    finally:
        got = whole(taken())
        s.close()
    same("datagrams", got, [(UDP, pkt.udp(a, b, PORT, 9, data[i:i + size])) for i in range(0, len(data), size)])


@case("fragments of full size, which a raw socket sends, become smaller fragments of the same packet")
def cut_fragments():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    data = pkt.udp(a, b, PORT, 9, os.urandom(4000))
    part = (MTU - 48) // 8 * 8
    for at in range(0, len(data), part):
        more = at + part < len(data)
        s.sendto(pkt.ipv6(a, b, FRAGMENT, pkt.fragment(UDP, at, more, 0x1234567) + data[at:at + part]), (B, 0))
    parts = taken()
    assert all(struct.unpack("!I", d[4:8])[0] == 0x1234567 for _, d in parts), "another Identification"
    same("packet", whole(parts), [(UDP, data)])
    s.sendto(pkt.ipv6(a, b, 253, bytes(MTU - 40)), (B, 0))
    same("packet of a raw socket", whole(taken()), [(253, bytes(MTU - 40))])
    s.close()


@case("the MTU that a socket was told ends with the pair, with the context and with the route")
def ends():
    run("ip", "-6", "route", "replace", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1400")
    try:
        rehome()
        s = connected(DO)
        assert refused(s, MTU - 48), "1500 are taken where 1392 fit"
        same("IPV6_MTU", mtu(s), 1392)
        by(LA, B)
        same("refused on another pair", refused(s, MTU - 48 - 8), False)
        same("length", len(tun.get()), MTU)
        rehome()
        assert refused(s, MTU - 48), "1500 are taken where 1392 fit"
        run("ip", "-6", "route", "replace", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1450")
        refused(s, MTU - 48)
        same("IPV6_MTU by the new route", mtu(s), 1442)
        tool("context", "del", A, B)
        same("IPV6_MTU without a context", mtu(s), MTU)
        same("refused without a context", refused(s, MTU - 48), False)
        same("length without a context", len(tun.get()), MTU)
        no_exceptions()
    finally:
        s.close()
        run("ip", "-6", "route", "del", "2001:db8:b:2::/64", "dev", "tun0")
        tool("context", "flush")
        tool("context", "add", A, B, "tag-local", str(CT_LOCAL), "tag-peer", str(CT_PEER), "state", "established",
             "locators-local", LA, "locators-peer", LB, "keepalive-timeout", "1h")


@case("the MTU of the path falls: the socket is told again")
def falls():
    rehome()
    s = connected(DO)
    assert refused(s, MTU - 48), "1500 are taken"
    same("IPV6_MTU", mtu(s), MTU - 8)
    run("ip", "-6", "route", "replace", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1400")
    try:
        refused(s, MTU - 48 - 8)
        same("refused", refused(s, 1392 - 48 + 1), True)
        same("IPV6_MTU", mtu(s), 1392)
        same("refused", refused(s, 1392 - 48), False)
        same("length", len(tun.get()), 1400)
    finally:
        s.close()
        run("ip", "-6", "route", "del", "2001:db8:b:2::/64", "dev", "tun0", "mtu", "1400")
    no_exceptions()


@case("twenty sockets, each of which is told, and forgets")
def many():
    sockets = [connected(DO, PORT + 100 + i) for i in range(20)]
    for _ in range(3):
        rehome()
        for s in sockets:
            refused(s, MTU - 48)
            same("IPV6_MTU", mtu(s), MTU - 8)
        home()
        for s in sockets:
            same("refused", refused(s, MTU - 48), False)
            same("IPV6_MTU", mtu(s), MTU)
    for s in sockets:
        s.close()
    tun.drain()
    no_exceptions()


main("keepalive-timeout", "1h")
