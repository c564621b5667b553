# SPDX-License-Identifier: GPL-2.0
"""ICMPv6 errors about re-homed packets, octet by octet. host.py explains the cases."""

import socket
import struct
import time

import pkt
from host import *
from icmp_errors import *
from pkt import ip


@case("port unreachable reaches the socket", "5533-8-01", "5533-8-07", "5533-8-10", "5533-8-12")
def icmp_port():
    rehome()
    s = errors_socket()
    s.send(b"hello")
    quoted = tun.get()
    with Counted(icmp_in=1, icmp_mapped=1):
        error(1, 4, 0, quoted)
        same("error", queued(s), (111, 1, 4, 0, b"hello"))


@case("unreachable reaches the socket while nobody acts on it", "5533-8-01", "5533-8-14")
def icmp_unreachable():
    rehome()
    for code in (0, 1, 2, 3, 5, 6):
        s = errors_socket()
        s.send(b"hello")
        error(1, code, 0, tun.get())
        got = queued(s)
        assert got and got[1:3] == (1, code), got
        s.close()


@case("Packet Too Big reaches the socket, less 8", "5533-8-06", "5533-8-13")
def icmp_too_big():
    rehome()
    s = errors_socket()
    s.setsockopt(socket.IPPROTO_IPV6, 23, 2)
    s.send(bytes(1400))
    with Counted(icmp_in=1, icmp_mapped=1):
        error(2, 0, 1400, tun.get()[:1232])
        got = queued(s)
        same("error", got and got[:4], (90, 2, 0, 1392))
    same("IPV6_MTU", s.getsockopt(socket.IPPROTO_IPV6, 24), 1392)
    s.send(bytes(1392 - 48))
    same("length", len(tun.get()), 1400)
    run("ip", "-6", "route", "flush", "cache")


def ip_mtu():
    """The MTU of a new socket to the peer."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind((A, 0))
        s.connect((B, 9))
        return s.getsockopt(socket.IPPROTO_IPV6, 24)


@case("an MTU learnt for a locator pair is forgotten when the context leaves the pair")
def icmp_too_big_left():
    def learn(size, dst, sent=1400):
        s = errors_socket()
        s.setsockopt(socket.IPPROTO_IPV6, 23, 2)
        s.send(bytes(sent))
        error(2, 0, size, tun.get()[:1232], dst=dst)
        queued(s)
        return s

    before = ip_mtu()
    for leave in (back, lambda: context(locator_local=LA, locator_peer=B), lambda: tool("context", "del", A, B)):
        rehome()
        s = learn(1400, la)
        same("IPV6_MTU by that pair", (ip_mtu(), s.getsockopt(socket.IPPROTO_IPV6, 24)), (1392, 1392))
        leave()
        time.sleep(0.1)
        s.send(b"x")
        tun.drain()
        same("IPV6_MTU after it, of a new socket and of the old one, which has sent",
             (ip_mtu(), s.getsockopt(socket.IPPROTO_IPV6, 24)), (before, before))
        s.close()
        # The kernel has learnt this MTU for the pair itself, and it stays.
        run("ip", "-6", "route", "flush", "cache")
    context_new()
    # An MTU of the ULIDs' own path stays.
    home()
    learn(1300, a).close()
    same("IPV6_MTU by the ULIDs", ip_mtu(), 1300)
    rehome()
    home()
    same("IPV6_MTU by the ULIDs, after another pair", ip_mtu(), 1300)
    # The MTU of another pair does not replace it, and does not remove it when that one is forgotten.
    rehome()
    learn(1400, la, sent=1200).close()
    same("IPV6_MTU by a pair that carries more", ip_mtu(), 1300)
    home()
    same("IPV6_MTU by the ULIDs, after that pair", ip_mtu(), 1300)
    run("ip", "-6", "route", "flush", "cache")
    # With a rule about packets that this host sends.
    run("ip", "-6", "rule", "add", "from", A, "iif", "lo", "lookup", "77")
    run("ip", "-6", "route", "add", "2001:db8::/32", "dev", "tun0", "table", "77")
    rehome()
    learn(1400, la).close()
    same("IPV6_MTU by that pair, by a rule", ip_mtu(), 1392)
    home()
    same("IPV6_MTU after it, by a rule", ip_mtu(), before)
    run("ip", "-6", "rule", "del", "from", A, "iif", "lo", "lookup", "77")
    run("ip", "-6", "route", "flush", "table", "77")


@case("Packet Too Big about a pair that the context has left does not reach the socket")
def icmp_too_big_late():
    rehome()
    before = ip_mtu()
    s = errors_socket()
    s.send(bytes(1400))
    quoted = tun.get()[:1232]
    for leave in (back, lambda: context(locator_local=LA, locator_peer=B), home):
        leave()
        with Counted(icmp_in=1, icmp_withheld=1):
            error(2, 0, 1400, quoted)
            same("error", queued(s), None)
        same("IPV6_MTU", ip_mtu(), before)
    s.close()
    run("ip", "-6", "route", "flush", "cache")


@case("Parameter Problem behind our header: the pointer is right", "5533-8-08", "5533-8-10")
def icmp_parameter():
    rehome()
    s = errors_socket()
    s.send(b"hello")
    error(4, 0, 48, tun.get())
    got = queued(s)
    same("error", got and got[1:4], (4, 0, 40))


@case("RFC 4884 extensions stay where their length says", "5533-8-11")
def icmp_extended():
    rehome()
    s = errors_socket()
    s.send(bytes(range(100)))
    quoted = tun.get()
    quoted += bytes(-len(quoted) % 8)
    quoted = quoted.ljust(128, b"\0")
    extension = struct.pack("!BBHHBB", 0x20, 0, 0, 8, 1, 1) + b"\1\2\3\4"
    error(1, 4, len(quoted) // 8 << 24, quoted + extension)
    got = queued(s)
    assert got and got[1:3] == (1, 4), got
    same("quoted payload", got[4][:100], bytes(range(100)))
    at = len(quoted) - 40 - 8  # where the extension begins, counted from the payload
    same("extension", got[4][at:at + len(extension)], extension)


@case("errors about packets without our header are not changed", "5533-8-09")
def icmp_home():
    home()
    s = errors_socket()
    s.send(b"hello")
    with Counted():
        error(1, 4, 0, tun.get(), dst=a)
        same("error", queued(s), (111, 1, 4, 0, b"hello"))


@case("forged errors: another tag, other addresses, a bad checksum, cut short", "5533-8-12", "5533-8-16")
def icmp_forged():
    rehome()
    s = errors_socket()
    s.send(b"hello")
    q = tun.get()
    with Counted(icmp_in=6, icmp_unmapped=6):
        error(1, 4, 0, q[:47] + bytes([q[47] ^ 1]) + q[48:])
        error(1, 4, 0, q[:8] + ip("2001:db8:a:9::9") + q[24:])
        error(1, 4, 0, q[:24] + ip("2001:db8:b:9::9") + q[40:])
        error(1, 4, 0, q[:43] + bytes([CT_LOCAL >> 40 | 0x80]) + CT_LOCAL.to_bytes(6, "big")[1:] + q[49:])
        p = pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, q)
        tun.put(p[:43] + bytes([p[43] ^ 1]) + p[44:])
        tun.put(p[:4] + struct.pack("!H", len(p) - 40 - 1) + p[6:])
    error(1, 4, 0, q[:47])
    same("error", queued(s), None)


# A case may take seconds: no Keepalive may be among the packets.


main("keepalive-timeout", "1h")
