# SPDX-License-Identifier: GPL-2.0
"""The kernel's events for the daemon, and the messages that it sends for the daemon. This program
is the daemon (told.py). host.py explains the cases. They need virtual time, since limits are by
time."""

import errno
import os
import time

import genl
import pkt
from genl import attr
from host import *
from pkt import SHIM6, UDP, ip
from told import *


# --- control messages ---------------------------------------------------------

@case("a control message goes to the daemon as it is", "5533-12-01")
def control_in():
    with Daemon() as d, Counted(ctl_in=2):
        for n in (26, 250):
            m = pkt.control(I1, os.urandom(n))
            message_in(m, lb, la)
            d.expect(CONTROL, SOURCE=lb, DESTINATION=la, MESSAGE=m)
        d.silent()


@case("trailing octets are not part of the message", "5533-5.3-10")
def control_trailing():
    with Daemon() as d:
        m = pkt.control(I1, bytes(10))
        message_in(m + b"and more")
        d.expect(CONTROL, MESSAGE=m)


@case("the longest message goes to the daemon", "5533-5.3-02")
def control_long():
    with Daemon() as d:
        m = pkt.control(I1, os.urandom(2042))
        run("ip", "link", "set", "tun0", "mtu", "3000")
        message_in(m)
        d.expect(CONTROL, MESSAGE=m)
        run("ip", "link", "set", "tun0", "mtu", "1500")


@case("checksum, length and addresses are checked; wrong messages are not answered",
      "5533-12.3-01", "5533-12.3-02", "5533-12.3-03", "5533-5.3-08", "5533-5.3-09")
def control_bad():
    good = pkt.control(I1, bytes(18))
    with Daemon() as d:
        with Counted(ctl_in_checksum=16):
            for bit in range(16):
                message_in(pkt.control(I1, bytes(18), bad=1 << bit))
            d.silent()
        with Counted(ctl_in_header=4):
            for n in (3, 4, 31, 255):
                message_in(pkt.control(I1, bytes(18), length=n))
            d.silent()
        with Counted(ctl_in_address=1):
            message_in(good, dst=ip("ff02::1"))
            d.silent()
        for n in range(8):
            message_in(good[:n])
        d.silent()
        nothing_sent()


@case("without a daemon messages are counted and dropped")
def control_nobody():
    with Counted(ctl_in=1, ctl_in_no_daemon=1):
        message_in(pkt.control(I1, bytes(10)))
        time.sleep(0.2)


@case("the daemon's message leaves with its addresses")
def control_out():
    m = pkt.control(I1, os.urandom(34))
    with Daemon() as d, Counted(ctl_out=2):
        for s, t in ((A, B), (LA, LB)):
            same("send", d.send(m, s, t), (0, ""))
            sent(pkt.ipv6(ip(s), ip(t), SHIM6, m))


@case("messages that make no sense are refused, with a reason")
def control_out_bad():
    m = pkt.control(I1, bytes(10))
    with Daemon() as d:
        for what, want, text, args in (
                ("a foreign source", errno.EADDRNOTAVAIL, "no address of this host", (m, B, A)),
                ("no route", errno.ENETUNREACH, "no route", (m, A, "2001:db9::1")),
                ("multicast", errno.EINVAL, "unicast", (m, A, "ff02::1")),
                ("nothing", errno.EINVAL, "control message", (b"",)),
                ("short", errno.EINVAL, "control message", (m[:-1],)),
                ("long", errno.EINVAL, "control message", (m + bytes(8),)),
                ("payload", errno.EINVAL, "control message", (m[:2] + b"\x80" + m[3:],))):
            got = d.send(*args)
            assert got[0] == want and text in got[1], f"{what}: {got}"
        nothing_sent()


@case("there is only one daemon, until its socket is closed")
def one_daemon():
    other = genl.Genl()
    family, _ = other.family("shim6")
    with Daemon() as d:
        code, text, _ = other.ask(family, REGISTER, b"")
        same("second", (code, text), (errno.EBUSY, "the network namespace has a daemon already"))
        same("the first again", d.sock.ask(family, REGISTER, b"")[0], 0)
    same("after it", other.ask(family, REGISTER, b"")[0], 0)
    other.sock.close()


# --- unknown tags, and states ---------------------------------------------------

@case("an event tells of an unknown tag, once per second and source", "boeing-1.2-04")
def no_context():
    with Daemon() as d:
        for _ in range(10):
            arrive(UDP, b"", tag=7, src=lb)
        d.expect(NO_CONTEXT, SOURCE=lb, DESTINATION=la, TAG=7)
        d.silent()
        arrive(UDP, b"", tag=8, src=b)
        d.expect(NO_CONTEXT, SOURCE=b, TAG=8)
        time.sleep(1.1)
        arrive(UDP, b"", tag=9, src=lb)
        d.expect(NO_CONTEXT, TAG=9)


@case("payload in I2-SENT and I2BIS-SENT asks for the message again", "5533-12.2-04", "5533-12.2-05")
def payload_event():
    for state in ("i2-sent", "i2bis-sent"):
        fresh()
        context(state=state)
        with Daemon() as d:
            for _ in range(10):
                arrive(UDP, pkt.udp(b, a, 9, 1, b""))
            d.expect(REAP, EVENT=PAYLOAD, ULID_LOCAL=a, ULID_PEER=b, FII=0, TAG=CT_LOCAL)
            d.silent()
    fresh()


@case("payload in I1-SENT is discarded, without an event", "5533-12.2-03", "5533-B-15")
def payload_i1_sent():
    fresh()
    context(state="i1-sent")
    s = udp_socket()
    with Daemon() as d, Counted(in_state=1):
        arrive(UDP, HELLO)
        nothing_received(s)
        d.silent()
        nothing_sent()
    assert "state i1-sent" in tool("context"), tool("context")
    fresh()


# --- asking for a context ---------------------------------------------------------

def acquires(port=9, other="2001:db8:b:1::2"):
    """The number of our packets to another peer after which the kernel asks for a context."""
    with Daemon() as d:
        return acquires_of(d, port, other)


def acquires_of(d, port=9, other="2001:db8:b:1::2"):
    s = udp_socket(4100)
    for i in range(1, 61):
        s.sendto(b"x", (other, port))
        got = d.event(0.01)
        if got:
            same("event", (got[0], got[1][ULID_LOCAL], got[1][ULID_PEER]), (ACQUIRE, a, ip(other)))
            return i
    return None


@case("a context is asked for after 45 packets, and not again at once", "boeing-1.2-01", "6629-5.1-02")
def acquire():
    tun.drain()
    with Daemon() as d, Counted(acquires=1):
        same("packets", acquires_of(d), 45)
        same("packets", acquires_of(d), None)


@case("packets count again for a new daemon, which is asked as the last one was")
def acquire_anew():
    same("packets", acquires(), 45)


@case("packets are counted by ULID pair, for all its connections together", "6629-5.1-03")
def acquire_connections():
    with Daemon() as d, Counted(acquires=1):
        for i in range(45):
            udp_socket(4200 + i).sendto(b"x", ("2001:db8:b:1::8", 9))
            if i < 44:
                d.silent(0.01)
        d.expect(ACQUIRE, ULID_LOCAL=a, ULID_PEER=ip("2001:db8:b:1::8"), PACKETS=45)


@case("traffic that only comes in does not ask for a context")
def acquire_in():
    with Daemon() as d, Counted():
        for i in range(100):
            tun.put(pkt.ipv6(ip("2001:db8:b:1::3"), a, UDP, pkt.udp(ip("2001:db8:b:1::3"), a, 9, 1, b"")))
        d.silent()


@case("a context is asked for after some seconds of traffic both ways")
def acquire_time():
    other = ip("2001:db8:b:1::4")
    s = udp_socket(4101)
    with Daemon() as d:
        start = time.monotonic()
        for _ in range(30):
            s.sendto(b"x", ("2001:db8:b:1::4", 9))
            tun.put(pkt.ipv6(other, a, UDP, pkt.udp(other, a, 9, 4101, b"y")))
            got = d.event(1)
            if got:
                break
        took = time.monotonic() - start
        assert got and got[0] == ACQUIRE and 9.9 < took < 11.5, (got, took)


@case("rules: thresholds of their own, DNS and others ignored")
def acquire_policy():
    tool("policy", "add", "protocol", "udp", "port-peer", "99", "action", "shim", "trigger-packets", "3")
    same("packets", acquires(port=99, other="2001:db8:b:1::5"), 3)
    same("packets of DNS", acquires(port=53, other="2001:db8:b:1::6"), None)
    tool("policy", "add", "peer", "2001:db8:b:1::7", "action", "bypass")
    same("packets bypassed", acquires(other="2001:db8:b:1::7"), None)
    tool("policy", "del", "preference", "32699")
    tool("policy", "del", "preference", "32698")


@case("SCTP and MPTCP, which move by themselves, do not ask for a context", "6629-7.3-01")
def acquire_multipath():
    other = "2001:db8:b:1::9"
    sctp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    sctp.bind((A, 0))

    def connects(protocol):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM, protocol) as s:
            s.setblocking(False)
            s.bind((A, 0))
            s.connect_ex((other, 9))

    with Daemon() as d, Counted():
        for _ in range(60):
            sctp.sendto(bytes(12), (other, 0))
            connects(socket.IPPROTO_MPTCP)
        d.silent()
    # The reason is the protocol: only TCP does.
    with Daemon() as d, Counted(acquires=1):
        for _ in range(45):
            connects(socket.IPPROTO_TCP)
        d.expect(ACQUIRE, ULID_LOCAL=a, ULID_PEER=ip(other), PACKETS=45)


@case("pairs are counted in a bounded table; the least used one is dropped")
def flow_bound():
    tool("config", "set", "max-flows", "16")
    s = udp_socket(4102)
    before = stats()["flow-evictions"]
    with Daemon():
        for i in range(100):
            s.sendto(b"x", (f"2001:db8:b:5::{i:x}", 9))
    assert stats()["flow-evictions"] - before >= 84, stats()
    tool("config", "set", "max-flows", "4096")


# --- ICMPv6 errors ------------------------------------------------------------------

@case("errors that the daemon acts on are events for it, and withheld from ULPs, unless configured", "5533-8-01", "5533-8-02", "5533-8-03",
      "5533-8-04", "5533-8-05", "5534-3.3-05")
def icmp_events():
    fresh()
    rehome()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"hello", (B, 9))
        q = tun.get()
        # Pointer 6 is the Next Header field, to which a host without Shim6 points.
        for kind, code, info in ((1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0), (1, 5, 0), (1, 6, 0), (3, 0, 0), (3, 1, 0),
                                 (4, 1, 41), (4, 1, 6)):
            with Counted(icmp_in=1, icmp_withheld=1):
                tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, kind, code, info, q))
                d.expect(ICMP, SOURCE=la, DESTINATION=lb, TYPE=kind, CODE=code, INFO=info, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_PEER)
        for kind, code, info in ((1, 4, 0), (2, 0, 1400), (4, 1, 48), (4, 1, 7)):
            with Counted(icmp_in=1, icmp_mapped=1):
                tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, kind, code, info, q))
                d.expect(ICMP, TYPE=kind, CODE=code, INFO=info)
        tool("config", "set", "icmp-to-ulp", "1")
        with Counted(icmp_in=1, icmp_mapped=1):
            tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 0, 0, q))
            d.expect(ICMP, TYPE=1)
        tool("config", "set", "icmp-to-ulp", "0")
        assert "reap-state operational" in tool("context"), "a hint has changed something"


@case("events of errors about control messages have the message, if it can be ours")
def icmp_control():
    with Daemon() as d:
        m = pkt.control(I1, os.urandom(18))
        same("send", d.send(m, LA, LB), (0, ""))
        q = tun.get()
        tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, q))
        d.expect(ICMP, SOURCE=la, DESTINATION=lb, TYPE=1, CODE=4, MESSAGE=m)
        tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, q[:8] + ip("2001:db8:a:9::9") + q[24:]))
        d.silent()


@case("events that outsiders can cause go to a socket of their own, if there is one")
def from_outside():
    fresh()
    flag = attr(FROM_OUTSIDE, b"")
    with Daemon() as d, Daemon(flag) as o:
        other = genl.Genl()
        same("a third", other.ask(d.family, REGISTER, flag)[0], errno.EBUSY)
        other.sock.close()
        m = pkt.control(I1, os.urandom(18))
        message_in(m, lb, la)
        o.expect(CONTROL, SOURCE=lb, DESTINATION=la, MESSAGE=m)
        time.sleep(1.1)
        arrive(UDP, b"", tag=7, src=lb)
        o.expect(NO_CONTEXT, TAG=7)
        same("send", d.send(m, LA, LB), (0, ""))
        tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, tun.get()))
        o.expect(ICMP, MESSAGE=m)
        # A flood of messages that nobody reads loses no other event. It comes from sources that
        # come again and again, which fill the socket, and from one source, which has its share.
        before = stats()
        for _ in range(3):
            for i in range(1000):
                message_in(m, ip(f"2001:db8:{i:x}::1"), la)
        for _ in range(1000):
            message_in(m, lb, la)
        after = stats()
        assert after["events-lost"] > before["events-lost"], "the flood was none"
        assert after["ctl-in-limited"] > before["ctl-in-limited"] + 500, "nobody was limited"
        s = udp_socket()
        s.sendto(b"x", (B, 9))
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
    with Daemon() as d:
        message_in(m, lb, la)
        d.expect(CONTROL, MESSAGE=m)


main()
