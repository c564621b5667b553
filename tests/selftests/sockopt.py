# SPDX-License-Identifier: GPL-2.0
"""The socket options of RFC 6316, by programs without rights: what is set and got, each error, and what
packets show of it. host.py explains the cases; test_sockopt.sh makes TAP of them."""

import socket
import struct
import time

import pkt
import shim
import told
from host import *
from pkt import SHIM6, TCP, UDP, ip
from shim import get, put, refusal

ICMPV6 = 58
ALL = range(shim.ASSOCIATED, shim.PAIRS + 1)


def connected(port=PORT):
    s = udp_socket(port)
    s.connect((B, 9))
    return s


def value_of(option):
    """A value that fits an option."""
    if option == shim.PATHEXPLORE:
        return shim.EXPLORE.pack(4, 15, 5, 500, 0)
    if option == shim.FEEDBACK:
        return bytes([0, 2, 0, 0])
    if option in (shim.LOC_LOCAL_PREF, shim.LOC_LOCAL_SEND, shim.LOCLIST_LOCAL):
        return shim.locator(la)
    if option in (shim.LOC_PEER_PREF, shim.LOC_PEER_SEND, shim.LOCLIST_PEER):
        return shim.locator(lb)
    return 15 if option == shim.APP_TIMEOUT else 1


def size_of(option):
    """The size of what an option gives, None for an int."""
    return None if option in shim.FLAGS + (shim.ASSOCIATED, shim.APP_TIMEOUT, shim.DEFERRED_SETUP) else 1024


READ_ONLY = shim.ASSOCIATED, shim.DEFERRED_SETUP, shim.PAIRS
WRITE_ONLY = shim.FEEDBACK,
# Without a context these have an answer.
FREE = shim.ASSOCIATED, shim.DONTSHIM, shim.DEFERRED_SETUP


@case("SHIM_ASSOCIATED says whether a connected socket has a context: TCP, UDP and raw",
      "6316-6.1-01", "6316-6.1-02", "6316-6.1-04", "6316-6-01", "6316-6-02", "6316-6.16-01", "6316-9-01", "6316-5-08")
def associated():
    home()
    for s in (connected(), tcp_open()[0], socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMPV6)):
        if s.type == socket.SOCK_RAW:
            s.bind((A, 0))
            s.connect((B, 0))
        same(f"{s.type} with a context", get(s, shim.ASSOCIATED), 1)
        same("set", refusal(put, s, shim.ASSOCIATED, 1), "ENOPROTOOPT")
        context(state="i2bis-sent")
        same("of a context that sends", get(s, shim.ASSOCIATED), 1)
        context(state="i1-sent")
        same("of a context that is not there yet", get(s, shim.ASSOCIATED), 0)
        context(state="established")
        s.close()
    s = udp_socket()
    s.connect(("2001:db8:b:1::2", 9))
    same("without a context", get(s, shim.ASSOCIATED), 0)
    same("IPv4", refusal(put, socket.socket(socket.AF_INET, socket.SOCK_DGRAM), shim.DONTSHIM, 1), "ENOPROTOOPT")


@case("sockets that are not connected: EOPNOTSUPP, for all but SHIM_DONTSHIM",
      "6316-6.1-03", "6316-6.3-02", "6316-6.4-02", "6316-6.6-02", "6316-6.7-02", "6316-6.8-02", "6316-6.12-02", "6316-6.13-02", "6316-6.14-02", "6316-6.15-01", "6316-7.4-01")
def unconnected():
    home()
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.bind((A, 0))
    listener.listen()
    for s in (udp_socket(), socket.socket(socket.AF_INET6, socket.SOCK_STREAM), listener):
        for option in ALL:
            if option != shim.DONTSHIM and option not in WRITE_ONLY:
                same(f"get {option}", refusal(get, s, option, size_of(option)), "EOPNOTSUPP")
            if option != shim.DONTSHIM and option not in READ_ONLY:
                same(f"set {option}", refusal(put, s, option, value_of(option)), "EOPNOTSUPP")
        s.close()


@case("sockets without a context: ENOENT", "6316-6.15-02", "6316-7.3-02")
def no_context():
    s = udp_socket()
    s.connect(("2001:db8:b:1::2", 9))
    for option in ALL:
        if option not in FREE + WRITE_ONLY:
            same(f"get {option}", refusal(get, s, option, size_of(option)), "ENOENT")
        if option not in FREE + READ_ONLY:
            same(f"set {option}", refusal(put, s, option, value_of(option)), "ENOENT")


@case("without a daemon there is no REAP: EOPNOTSUPP for what needs it", "6316-6.12-02")
def no_reap():
    s = connected()
    for option in (shim.HOT_STANDBY, shim.APP_TIMEOUT, shim.PATHEXPLORE, shim.FEEDBACK):
        same(f"set {option}", refusal(put, s, option, value_of(option)), "EOPNOTSUPP")


@case("SHIM_DEFERRED_CONTEXT_SETUP is 1, by both names", "6316-6.14-01", "6316-6-05")
def deferred():
    s = connected()
    same("value", get(s, shim.DEFERRED_SETUP), 1)
    same("set", refusal(put, s, shim.DEFERRED_SETUP, 1), "ENOPROTOOPT")


@case("SHIM_DONTSHIM: 0 or 1, only before the socket is connected", "6316-6.2-01", "6316-6.2-02", "6316-5-01")
def dontshim_values():
    s = udp_socket()
    same("default", get(s, shim.DONTSHIM), 0)
    for value in (-1, 2, 255):
        same(f"set {value}", refusal(put, s, shim.DONTSHIM, value), "EINVAL")
    same("too short", refusal(put, s, shim.DONTSHIM, b"\1\0\0"), "EINVAL")
    put(s, shim.DONTSHIM, 1)
    same("value", get(s, shim.DONTSHIM), 1)
    put(s, shim.DONTSHIM, 0)
    same("value", get(s, shim.DONTSHIM), 0)
    s.connect((B, 9))
    same("connected", refusal(put, s, shim.DONTSHIM, 1), "EOPNOTSUPP")
    same("value", get(s, shim.DONTSHIM), 0)
    s = tcp_open()[0]
    same("connected, TCP", refusal(put, s, shim.DONTSHIM, 1), "EOPNOTSUPP")
    s.close()


@case("SHIM_DONTSHIM: packets of this socket, and of no other, stay on their ULIDs",
      "6316-6.2-03", "5533-4.3-01")
def dontshim_packets():
    rehome()
    s, other = udp_socket(), udp_socket(PORT + 1)
    put(s, shim.DONTSHIM, 1)
    with Counted(out_bypassed=1, out_rehomed=1):
        s.sendto(b"x", (B, 9))
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"x")))
        other.sendto(b"x", (B, 9))
        sent(rehomed(UDP, pkt.udp(a, b, PORT + 1, 9, b"x")))
    # It is the socket's for as long as it lives, also once it is connected.
    s.connect((B, 9))
    same("associated", get(s, shim.ASSOCIATED), 0)
    with Counted(out_bypassed=1):
        s.send(b"y")
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"y")))
    put(s, shim.DONTSHIM, 0)
    s.send(b"z")
    sent(rehomed(UDP, pkt.udp(a, b, PORT, 9, b"z")))
    # Packets that arrive are served for both.
    arrive(UDP, HELLO)
    received(s)
    home()


@case("SHIM_DONTSHIM of TCP and raw sockets", "6316-6.2-03")
def dontshim_others():
    rehome()
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setblocking(False)
    put(s, shim.DONTSHIM, 1)
    s.bind((A, 0))
    s.connect_ex((B, 9))
    p = tun.get()
    same("SYN", (p[6], p[8:24], p[24:40]), (TCP, a, b))
    s.close()
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMPV6)
    put(s, shim.DONTSHIM, 1)
    s.bind((A, 0))
    s.sendto(bytes([128, 0]) + bytes(6), (B, 0))
    p = tun.get(want=lambda p: p[6] in (ICMPV6, SHIM6) and p[24] != 0xFF)
    same("echo", (p[6], p[8:24], p[24:40]), (ICMPV6, a, b))
    home()


def shaken(listener, port, peer_port):
    """The socket that a listener accepts, and the SYN-ACK as it has left."""
    def segment(seq, ack, flags):
        head = struct.pack("!HHIIBBHHH", peer_port, port, seq, ack & 0xFFFFFFFF, 5 << 4, flags, 65535, 0, 0)
        return head[:16] + struct.pack("!H", pkt.checksum(b, a, TCP, head)) + head[18:]

    arrive(TCP, segment(1, 0, 2))
    p = tun.get()
    at = 48 if p[6] == SHIM6 else 40
    arrive(TCP, segment(2, int.from_bytes(p[at + 4:at + 8], "big") + 1, 0x10))
    return listener.accept()[0], p


@case("SHIM_DONTSHIM of a socket that listens is that of those it accepts, also after its end", "6316-6.2-03")
def dontshim_accepted():
    rehome()
    for on in (1, 0):
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.settimeout(5)
        put(listener, shim.DONTSHIM, on)
        listener.bind(("::", 0))
        listener.listen()
        want = TCP if on else SHIM6
        s, p = shaken(listener, listener.getsockname()[1], 3000 + on)
        same("SYN-ACK", p[6], want)
        s.send(b"hello")
        same("payload", tun.get()[6], want)
        same("value", get(s, shim.DONTSHIM), on)
        listener.close()
        s.send(b"hello")
        same("payload after the listener's end", tun.get()[6], want)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        tun.drain()
    home()


@case("SHIM_DONTSHIM: no packet of the socket causes a context", "6316-6.2-03")
def dontshim_acquire():
    tool("policy", "add", "preference", "1", "peer", "2001:db8:b:1::7", "action", "shim", "trigger-packets", "3")
    try:
        with told.Daemon() as daemon:
            s = udp_socket()
            put(s, shim.DONTSHIM, 1)
            for _ in range(9):
                s.sendto(b"x", ("2001:db8:b:1::7", 9))
            daemon.silent()
            put(s, shim.DONTSHIM, 0)
            for _ in range(3):
                s.sendto(b"x", ("2001:db8:b:1::7", 9))
            daemon.expect(told.ACQUIRE, ULID_PEER=ip("2001:db8:b:1::7"))
    finally:
        tool("policy", "del", "preference", "1")


@case("SHIM_LOCLIST_LOCAL and _PEER: the locators of the context, the ULID first",
      "6316-6.10-02", "6316-6.11-02", "6316-8.1-01", "6316-8.1-02", "6316-8.1-03",
      "6316-8.1-05", "6316-8.1-06", "6316-13-01")
def lists():
    s = connected()
    same("local", shim.addresses(s, shim.LOCLIST_LOCAL), [a, la])
    same("peer", shim.addresses(s, shim.LOCLIST_PEER), [b, lb])
    first = shim.LOCATOR.unpack_from(get(s, shim.LOCLIST_LOCAL, 64))
    same("first", first, (socket.AF_INET6, 0, 0, 0, 0, socket.if_nametoindex("tun0"), a, 0))
    same("too small", refusal(get, s, shim.LOCLIST_LOCAL, 63), "E2BIG")
    same("too small", refusal(get, s, shim.LOCLIST_PEER, 32), "E2BIG")
    same("the sockets' own names", (s.getsockname()[0], s.getpeername()[0]), (A, B))


@case("the locators in use: SHIM_LOC_LOCAL_PREF, _PEER_PREF and SHIM_PAIRS", "6316-5-08")
def pairs():
    s = connected()
    home()
    same("at home", shim.addresses(s, shim.PAIRS, 4), [a, b, a, b])
    context(locator_local=LA, locator_peer=LB, inbound_locator_local=A, inbound_locator_peer=LB)
    same("re-homed", shim.addresses(s, shim.PAIRS, 4), [la, lb, a, lb])
    same("local", shim.addresses(s, shim.LOC_LOCAL_PREF, 1), [la])
    same("peer", shim.addresses(s, shim.LOC_PEER_PREF, 1), [lb])
    same("none is the socket's own", shim.addresses(s, shim.LOC_LOCAL_SEND, 1) + shim.addresses(s, shim.LOC_PEER_SEND, 1), 2 * [bytes(16)])
    context(inbound_locator_local=A, inbound_locator_peer=B)
    home()


@case("SHIM_LOC_LOCAL_RECV and _PEER_RECV are kept, and are 0 or 1")
def recv():
    s = connected()
    for option in (shim.LOC_LOCAL_RECV, shim.LOC_PEER_RECV):
        same("default", get(s, option), 0)
        put(s, option, 1)
        same("value", get(s, option), 1)
        same("set 2", refusal(put, s, option, 2), "EINVAL")
        put(s, option, 0)
        same("value", get(s, option), 0)
    put(s, shim.LOC_PEER_RECV, 1)
    tool("context", "flush")
    try:
        same("after the context's end", get(s, shim.LOC_PEER_RECV), 1)
        same("the other one", refusal(get, s, shim.LOC_LOCAL_RECV), "ENOENT")
        same("the locators", refusal(get, s, shim.PAIRS, 128), "ENOENT")
    finally:
        context_new()


@case("locators that are unknown are refused, and none is the socket's alone yet",
      "6316-3-01", "6316-14.1.1-01", "6316-14.1.2-01", "6316-8.1.1-01", "6316-6.16-02")
def unknown():
    s = connected()
    for option in (shim.LOC_LOCAL_PREF, shim.LOC_PEER_PREF, shim.LOC_LOCAL_SEND, shim.LOC_PEER_SEND):
        same("unknown", refusal(put, s, option, shim.locator(ip("2001:db8:9::9"))), "EADDRNOTAVAIL")
        behind_nat = bytearray(value_of(option))
        behind_nat[1] = UDP
        same("behind NAT", refusal(put, s, option, bytes(behind_nat)), "EADDRNOTAVAIL")
        put(s, option, bytes(32))
        same("known", refusal(put, s, option, value_of(option)), "EOPNOTSUPP")
        same("too short", refusal(put, s, option, value_of(option)[:31]), "EINVAL")


@case("SHIM_FEEDBACK: what is bad is told to the daemon, once a second", "6316-8.3-01", "6316-8.3-02", "6316-8.3-03",
      "6316-8.3-04", "6316-5-04")
def feedback():
    s = connected()
    with told.Daemon() as daemon:
        put(s, shim.FEEDBACK, bytes([0, 0, 0, 0]))
        put(s, shim.FEEDBACK, bytes([1, 3, 0, 0]))
        daemon.silent()
        for bad in (bytes([2, 1, 0, 0]), bytes([0, 4, 0, 0]), bytes([0, 1, 0])):
            same("bad", refusal(put, s, shim.FEEDBACK, bad), "EINVAL")
        for good in (bytes([0, 1, 0, 0]), bytes([1, 2, 255, 255])):
            put(s, shim.FEEDBACK, good)
            daemon.expect(told.REAP, EVENT=8, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
            for _ in range(100):
                put(s, shim.FEEDBACK, good)
            daemon.silent()
            time.sleep(1)
        same("get", refusal(get, s, shim.FEEDBACK), "ENOPROTOOPT")


STANDBY, TIMEOUT, SOCKET = 23, 24, 27


def asks(daemon, standby, timeout, wait=5.0):
    """The next event says what all sockets ask for."""
    got = daemon.event(wait)
    assert got, "no event comes"
    same("event", got[0], SOCKET)
    same("ULIDs", (got[1][told.ULID_LOCAL], got[1][told.ULID_PEER]), (a, b))
    same("asked", (STANDBY in got[1], int.from_bytes(got[1].get(TIMEOUT, b""), "little")), (standby, timeout))


@case("SHIM_HOT_STANDBY, _APP_TIMEOUT and _PATHEXPLORE: the daemon is told the most careful wish of all sockets",
      "6316-6.3-01", "6316-6.12-01", "6316-6.13-01", "6316-8.2-01", "6316-8.2-02", "6316-8.2-03", "6316-8.2-04", "6316-5-06")
def wishes():
    one, two = connected(), connected(PORT + 1)
    with told.Daemon() as daemon:
        same("defaults", (get(one, shim.HOT_STANDBY), get(one, shim.APP_TIMEOUT)), (0, 0))
        put(one, shim.HOT_STANDBY, 1)
        asks(daemon, True, 0)
        same("value", (get(one, shim.HOT_STANDBY), get(two, shim.HOT_STANDBY)), (1, 0))
        put(one, shim.APP_TIMEOUT, 30)
        asks(daemon, True, 30000)
        put(two, shim.APP_TIMEOUT, 20)
        asks(daemon, True, 20000)
        put(two, shim.PATHEXPLORE, shim.EXPLORE.pack(4, 40, 0, 500, 0))
        asks(daemon, True, 30000)
        same("value", get(two, shim.APP_TIMEOUT), 40)
        for bad in (-1, 9, 101, 1 << 16):
            same(f"timeout {bad}", refusal(put, two, shim.APP_TIMEOUT, bad), "EINVAL")
        for bad in ((3, 20, 0, 500, 0), (4, 20, 0, 400, 0), (4, 9, 0, 500, 0), (4, 20, 0, 500, 1)):
            same(f"exploration {bad}", refusal(put, two, shim.PATHEXPLORE, shim.EXPLORE.pack(*bad)), "EINVAL")
        context(send_timeout="20s")
        same("as the context is", shim.EXPLORE.unpack(get(two, shim.PATHEXPLORE, 12)), (4, 20, 5, 500, 0))
        same("too small", refusal(get, two, shim.PATHEXPLORE, 11), "EINVAL")
        context(send_timeout="15s")
        # Another context of the pair: the daemon has to know of it again.
        daemon.silent()
        tool("context", "flush")
        context_new()
        while (got := daemon.event()) and got[0] != SOCKET:
            pass
        assert got, "a new context of the pair: no event comes"
        # Sockets that end take their wishes with them.
        one.close()
        asks(daemon, False, 40000)
        two.close()
        asks(daemon, False, 0)
        daemon.silent(1.5)


@case("a daemon that comes later is told what is asked already")
def wishes_later():
    s = connected()
    with told.Daemon() as daemon:
        put(s, shim.HOT_STANDBY, 1)
        asks(daemon, True, 0)
    with told.Daemon() as daemon:
        asks(daemon, True, 0)
        put(s, shim.HOT_STANDBY, 0)
        asks(daemon, False, 0)


@case("a program that changes its mind all the time costs the daemon ten events a second")
def wishes_flood():
    s = connected()
    with told.Daemon() as daemon:
        n = 0
        for _ in range(20):
            for _ in range(10):
                put(s, shim.HOT_STANDBY, 1)
                put(s, shim.HOT_STANDBY, 0)
            time.sleep(0.05)
        while daemon.event(0.5):
            n += 1
        assert 1 <= n <= 13, f"{n} events"


main()
