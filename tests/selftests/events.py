# SPDX-License-Identifier: GPL-2.0
"""What the kernel tells the daemon, which is this program, and sends for it.
host.py says how; the timers are those of RFC 5534, so this wants virtual
time."""

import errno
import os
import socket
import struct
import time

import genl
import pkt
from genl import attr
from host import *
from pkt import NONE, SHIM6, UDP, ip

REGISTER, SEND, CONTROL, NO_CONTEXT, ACQUIRE, REAP, EXPIRE, ICMP = range(18, 26)
SOURCE, DESTINATION, MESSAGE, IFINDEX, TAG, EVENT, ULID_LOCAL, ULID_PEER, FII, PACKETS, TYPE, CODE, INFO, IDLE, FROM_OUTSIDE = range(2, 17)
I1, UPDATE, KEEPALIVE, PROBE, ERROR = 1, 64, 66, 67, 68
SEND_TIMEOUT, INBOUND, PAYLOAD = 1, 2, 3
# Octets 6 on of a message with a tag: the tag, and four of anything.
TAGGED = CT_LOCAL.to_bytes(6, "big") + bytes(4)


class Daemon:
    """A registered socket, until the block ends; attributes say for what."""

    def __init__(self, how=b""):
        self.how = how

    def __enter__(self):
        self.sock = genl.Genl()
        self.family, _ = self.sock.family("shim6")
        same("register", self.sock.ask(self.family, REGISTER, self.how)[0], 0)
        return self

    def __exit__(self, *_):
        self.sock.sock.close()

    def event(self, wait=5.0):
        """(command, {attribute: octets}), or None."""
        self.sock.sock.settimeout(wait)
        try:
            for _, _, _, data in self.sock.receive():
                return data[0], genl.attrs(data[4:])
        except TimeoutError:
            return None

    def expect(self, cmd, wait=5.0, **want):
        got = self.event(wait)
        assert got is not None, f"event {cmd} does not come"
        same("event", got[0], cmd)
        for k, v in want.items():
            value = got[1].get(globals()[k])
            if isinstance(v, int):
                value = value and int.from_bytes(value, "little")
            same(k, value, v)
        return got[1]

    def silent(self, wait=0.3):
        same("event", self.event(wait), None)

    def send(self, message, source=A, destination=B):
        return self.sock.ask(self.family, SEND, attr(SOURCE, ip(source)) + attr(DESTINATION, ip(destination)) +
                             attr(MESSAGE, message))[:2]


def fresh():
    """A context of which nothing has been heard or sent, on its ULIDs."""
    tool("context", "flush")
    tun.drain()
    tool("context", "add", A, B, "tag-local", str(CT_LOCAL), "tag-peer", str(CT_PEER), "state", "established",
         "locators-local", LA, "locators-peer", LB)


def message_in(message, src=b, dst=a):
    tun.put(pkt.ipv6(src, dst, SHIM6, message))


def keepalive(tag=CT_PEER):
    return pkt.control(KEEPALIVE, tag.to_bytes(6, "big") + bytes(4))


# --- control messages ---------------------------------------------------------

@case("a control message goes to the daemon as it is", "5533-12-01")
def control_in():
    with Daemon() as d, Counted(ctl_in=2):
        for n in (26, 250):
            m = pkt.control(I1, os.urandom(n))
            message_in(m, lb, la)
            d.expect(CONTROL, SOURCE=lb, DESTINATION=la, MESSAGE=m)
        d.silent()


@case("trailing octets are not of the message", "5533-5.3-10")
def control_trailing():
    with Daemon() as d:
        m = pkt.control(I1, bytes(10))
        message_in(m + b"and more")
        d.expect(CONTROL, MESSAGE=m)


@case("the longest message", "5533-5.3-02")
def control_long():
    with Daemon() as d:
        m = pkt.control(I1, os.urandom(2042))
        run("ip", "link", "set", "tun0", "mtu", "3000")
        message_in(m)
        d.expect(CONTROL, MESSAGE=m)
        run("ip", "link", "set", "tun0", "mtu", "1500")


@case("checksum, length and addresses are checked; who is wrong is not answered",
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


@case("there is one daemon, until its socket is closed")
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

@case("an unknown tag is told, once a second and source", "boeing-1.2-04")
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


# --- asking for a context ---------------------------------------------------------

def acquires(n=None, port=9, other="2001:db8:b:1::2"):
    """After how many of our packets to another peer a context is asked for."""
    s = udp_socket(4100)
    with Daemon() as d:
        for i in range(1, (n or 60) + 1):
            s.sendto(b"x", (other, port))
            got = d.event(0.01)
            if got:
                same("event", (got[0], got[1][ULID_LOCAL], got[1][ULID_PEER]), (ACQUIRE, a, ip(other)))
                return i
    return None


@case("a context is asked for after 45 packets, and not again at once", "boeing-1.2-01")
def acquire():
    tun.drain()
    with Counted(acquires=1):
        same("packets", acquires(), 45)
        same("packets", acquires(), None)


@case("what comes in alone asks for nothing")
def acquire_in():
    with Daemon() as d, Counted():
        for i in range(100):
            tun.put(pkt.ipv6(ip("2001:db8:b:1::3"), a, UDP, pkt.udp(ip("2001:db8:b:1::3"), a, 9, 1, b"")))
        d.silent()


@case("after some seconds of exchange, by time")
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


@case("pairs are counted in a bounded table, the least used goes")
def flow_bound():
    tool("config", "set", "max-flows", "16")
    s = udp_socket(4102)
    before = stats()["flow-evictions"]
    with Daemon():
        for i in range(100):
            s.sendto(b"x", (f"2001:db8:b:5::{i:x}", 9))
    assert stats()["flow-evictions"] - before >= 84, stats()
    tool("config", "set", "max-flows", "4096")


# --- liveness --------------------------------------------------------------------

def near(what, got, low, high):
    assert low <= got <= high, f"{what} after {got:.2f} s, wanted {low} to {high}"


@case("the Send Timer: 15 seconds after what was sent and not answered",
      "5534-7-03", "5534-6.2-01", "5534-6.4-01")
def send_timer():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        start = time.monotonic()
        s.sendto(b"x", (B, 9))
        time.sleep(5)
        s.sendto(b"y", (B, 9))  # does not start it anew
        d.expect(REAP, 60, EVENT=SEND_TIMEOUT, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        near("the event", time.monotonic() - start, 15, 15.5)
        assert "reap-state exploring" in tool("context"), tool("context")
        # Exploring has no timer, until something is heard.
        s.sendto(b"z", (B, 9))
        d.silent(40)
        tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))
        d.expect(REAP, EVENT=INBOUND)
        start = time.monotonic()
        d.expect(REAP, 60, EVENT=SEND_TIMEOUT)
        near("InboundOK, and nothing heard", time.monotonic() - start, 15, 15.5)


@case("whatever is heard stops the Send Timer: payload, with and without header, Keepalive, Update",
      "5534-6.1-01", "5534-6.6-01", "5534-6.1-07")
def send_timer_stopped():
    hello = pkt.udp(b, a, 9, PORT, b"hello")
    update = pkt.control(UPDATE, TAGGED + bytes(8))
    for what in (pkt.ipv6(b, a, UDP, hello), pkt.ipv6(lb, la, SHIM6, pkt.payload_header(CT_LOCAL, UDP) + hello),
                 pkt.ipv6(b, a, SHIM6, keepalive(CT_LOCAL)), pkt.ipv6(lb, la, SHIM6, update)):
        fresh()
        s = udp_socket()
        with Daemon() as d:
            s.sendto(b"x", (B, 9))
            time.sleep(10)
            tun.put(what)
            got = d.event(30)
            assert got is None or got[0] == CONTROL and d.event(30) is None, got
        s.close()


@case("Probes and Keepalives of nobody do not", "5534-5.1-05")
def send_timer_not_stopped():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"x", (B, 9))
        time.sleep(10)
        message_in(keepalive(CT_LOCAL ^ 1))
        d.expect(CONTROL)
        message_in(keepalive(CT_LOCAL), src=ip("2001:db8:dead::1"))
        d.expect(CONTROL)
        message_in(pkt.control(PROBE, TAGGED + bytes(16)))
        d.expect(CONTROL)
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)


def hear(src=b, dst=a):
    """Payload for which there is a socket: no error goes back."""
    tun.put(pkt.ipv6(src, dst, UDP, pkt.udp(b, a, 9, PORT, b"hello")))


def keepalives(seconds):
    """When, in seconds from now, Keepalives leave; and nothing else does."""
    start, times = time.monotonic(), []
    while (left := start + seconds - time.monotonic()) > 0:
        p = tun.get(left)
        if p is None:
            break
        times.append(time.monotonic() - start)
        same("Keepalive", without_label(p), pkt.ipv6(a, b, SHIM6, keepalive()))
    return times


@case("Keepalives: every third to half of the Keepalive Timeout, and a last one at its end; "
      "more payload that is heard changes nothing",
      "5534-4.1-02", "5534-4.1-05", "5534-4.1-06", "5534-4.1-09", "5534-6.3-01", "5534-6.1-08", "5534-6.1-09", "5534-7-04",
      "5534-7-05", "5534-5.1-01", "5534-5.1-02", "5534-5.1-03")
def keepalive_timer():
    for timeout in (15, 30):
        fresh()
        context(keepalive_timeout=f"{timeout}s")
        s = udp_socket()
        with Daemon():
            hear()
            time.sleep(1)
            hear()
            t = [x + 1 for x in keepalives(5 * timeout)]
            gaps = [y - x for x, y in zip([0] + t, t)]
            assert all(timeout / 3 <= g <= timeout / 2 + .1 for g in gaps[:-1]), t
            # The timer wheel is late by an eighth of the last step at the most.
            near("the last", t[-1], timeout, timeout + timeout / 2 / 8)
            assert 2 <= len(t) <= 4, t
        s.close()


@case("no Keepalives where payload is sent", "5534-4.1-07", "5534-4.1-04")
def no_keepalive():
    fresh()
    s = udp_socket()
    hello = pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello"))
    with Counted(in_ulid=30, out_ulid=30):
        for _ in range(30):
            tun.put(hello)
            time.sleep(.5)
            s.sendto(b"x", (B, 9))
            time.sleep(.5)


@case("Keepalive Intervals differ from one to the next", "5534-4.1-10")
def keepalive_random():
    firsts = set()
    s = udp_socket()
    for _ in range(6):
        fresh()
        hear()
        firsts.add(round(keepalives(9)[0], 1))
    assert len(firsts) > 2, firsts


@case("Keepalives leave on the current pair", "5534-6.1-09")
def keepalive_pair():
    fresh()
    rehome()
    s = udp_socket()
    hear()
    p = tun.get(9)
    same("Keepalive", p and without_label(p), pkt.ipv6(la, lb, SHIM6, keepalive()))
    home()


@case("a Keepalive with reserved bits set is one, and not answered", "5534-5.1-03")
def keepalive_in():
    fresh()
    with Daemon() as d, Counted(ctl_in=2, keepalive_in=2):
        message_in(keepalive(CT_LOCAL))
        body = bytearray(keepalive(CT_LOCAL)[6:])
        body[0] |= 0x80
        body[6:] = b"\xff" * 4
        message_in(pkt.control(KEEPALIVE, bytes(body)))
        d.silent()
        same("Keepalives", keepalives(20), [])


@case("the daemon's own messages count as sent", "5534-6.2-04")
def control_sent():
    fresh()
    with Daemon() as d:
        same("send", d.send(pkt.control(UPDATE, CT_PEER.to_bytes(6, "big") + bytes(12))), (0, ""))
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
    fresh()
    with Daemon() as d:
        same("send", d.send(pkt.control(PROBE, CT_PEER.to_bytes(6, "big") + bytes(20))), (0, ""))
        d.silent(40)


@case("without a daemon a context stays Operational")
def no_daemon():
    fresh()
    s = udp_socket()
    with Counted(out_ulid=1, send_timeouts=1):
        s.sendto(b"x", (B, 9))
        time.sleep(20)
    assert "reap-state operational" in tool("context"), tool("context")


@case("quiescence: after ten minutes without a packet, not five", "5533-9-04")
def quiescent():
    fresh()
    tool("config", "set", "idle-timeout", "10m")
    with Daemon() as d:
        start = time.monotonic()
        got = d.expect(EXPIRE, 700, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        # The timer wheel is coarse for what is far away.
        near("the event", time.monotonic() - start, 600, 650)
        # Used, it is not quiescent.
        s = udp_socket()
        end = time.monotonic() + 1300
        while time.monotonic() < end:
            s.sendto(b"x", (B, 9))
            tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))
            d.silent(290)


# --- ICMPv6 errors ------------------------------------------------------------------

@case("errors that the daemon acts on are told and withheld, unless configured", "5533-8-01", "5533-8-02", "5533-8-03",
      "5533-8-04", "5533-8-05", "5534-3.3-05")
def icmp_events():
    fresh()
    rehome()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"hello", (B, 9))
        q = tun.get()
        # Pointer 6 is the Next Header field, where a host points at that has no Shim6.
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


@case("errors about control messages are told with the message, if they can be ours")
def icmp_control():
    with Daemon() as d:
        m = pkt.control(I1, os.urandom(18))
        same("send", d.send(m, LA, LB), (0, ""))
        q = tun.get()
        tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, q))
        d.expect(ICMP, SOURCE=la, DESTINATION=lb, TYPE=1, CODE=4, MESSAGE=m)
        tun.put(pkt.icmp_error(ip("2001:db8:f::1"), la, 1, 4, 0, q[:8] + ip("2001:db8:a:9::9") + q[24:]))
        d.silent()


@case("what comes from outside goes to a socket of its own, if there is one")
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
        # A flood of messages that nobody reads costs no other event.
        before = stats()["events-lost"]
        for _ in range(3000):
            message_in(m, lb, la)
        assert stats()["events-lost"] > before, "the flood was none"
        s = udp_socket()
        s.sendto(b"x", (B, 9))
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
    with Daemon() as d:
        message_in(m, lb, la)
        d.expect(CONTROL, MESSAGE=m)


@case("without the daemon a context that was exploring is Operational again")
def daemon_dies():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"x", (B, 9))
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
        assert "reap-state exploring" in tool("context"), tool("context")
    time.sleep(0.1)
    assert "reap-state operational" in tool("context"), tool("context")
    tun.drain()
    hear()
    same("Keepalives", len(keepalives(9)), 1)


@case("the daemon starts timers anew, as Probes demand")
def reap_timer():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"x", (B, 9))
        time.sleep(10)
        context(reap_timer="none")
        d.silent(40)
        s.sendto(b"x", (B, 9))
        time.sleep(10)
        start = time.monotonic()
        context(reap_timer="send")
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
        near("the event, of the timer started anew", time.monotonic() - start, 15, 15.5)
        context(reap_state="inbound-ok", reap_timer="none")
        d.silent(40)
        start = time.monotonic()
        context(reap_timer="send")
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
        near("the event in InboundOK", time.monotonic() - start, 15, 15.5)
        context(reap_state="operational", reap_timer="send")
        start = time.monotonic()
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
        near("the event in Operational", time.monotonic() - start, 15, 15.5)


main()
