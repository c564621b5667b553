# SPDX-License-Identifier: GPL-2.0
"""The timers of REAP and of garbage collection, by the events that the daemon gets; this program is
the daemon (told.py). The timers are those of RFC 5534, so the cases need virtual time."""

import socket
import struct
import time

import pkt
from host import *
from pkt import SHIM6, UDP, ip
from told import *


@case("the Send Timer: 15 seconds after payload that was sent and not answered",
      "5534-7-03", "5534-6.2-01", "5534-6.2-02", "5534-6.4-01", "5533-4-03", "boeing-1.2-02")
def send_timer():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        start = time.monotonic()
        s.sendto(b"x", (B, 9))
        time.sleep(5)
        s.sendto(b"y", (B, 9))  # does not restart it
        d.expect(REAP, 60, EVENT=SEND_TIMEOUT, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        near("the event", time.monotonic() - start, 15, 15.5)
        assert "reap-state exploring" in tool("context"), tool("context")
        # A context that is Exploring has no timer until something is heard.
        s.sendto(b"z", (B, 9))
        d.silent(40)
        tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))
        d.expect(REAP, EVENT=INBOUND)
        start = time.monotonic()
        d.expect(REAP, 60, EVENT=SEND_TIMEOUT)
        near("InboundOK, and nothing heard", time.monotonic() - start, 15, 15.5)


@case("anything that is heard stops the Send Timer: payload, with and without header, Keepalive, Update",
      "5534-6.1-01", "5534-6.6-01", "5534-6.1-07", "5534-4.1-03")
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


@case("Probes and Keepalives of no context do not stop it", "5534-5.1-05", "5534-4.1-03")
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
    """Payload for which there is a socket, so that no error goes back."""
    tun.put(pkt.ipv6(src, dst, UDP, pkt.udp(b, a, 9, PORT, b"hello")))


def keepalives(seconds):
    """The times of Keepalives, in seconds from now. Nothing else may leave."""
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
      "5534-7-05", "5534-5.1-01", "5534-5.1-02", "5534-5.1-03", "boeing-1.3-02")
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
            # The timer wheel is late by an eighth of the last interval at most.
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
    firsts = []
    s = udp_socket()
    for _ in range(24):
        fresh()
        hear()
        firsts.append(keepalives(9)[0])
    # From 5 s to 6.7 s. The timer wheel is late by half a second at most. Without chance, they would
    # differ by that only.
    assert max(firsts) - min(firsts) > .8, firsts
    assert all(5 <= f <= 7.5 for f in firsts), firsts


@case("Keepalives leave on the current pair", "5534-6.1-09", "boeing-1.2-02")
def keepalive_pair():
    fresh()
    rehome()
    s = udp_socket()
    hear()
    p = tun.get(9)
    same("Keepalive", p and without_label(p), pkt.ipv6(la, lb, SHIM6, keepalive()))
    home()


@case("a Keepalive with reserved bits set is accepted, and not answered", "5534-5.1-03", "5534-4.1-03")
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


@case("a Keepalive with options is heard, and goes to the daemon for its options", "5534-5.1-06")
def keepalive_options():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        s.sendto(b"x", (B, 9))
        time.sleep(10)
        m = pkt.control(KEEPALIVE, TAGGED + struct.pack("!HHI", 99 << 1 | 1, 4, 0))
        message_in(m)
        d.expect(CONTROL, SOURCE=b, DESTINATION=a, MESSAGE=m)
        d.silent(30)


@case("InboundOK: payload or a Keepalive that is heard stops the Send Timer, and does nothing else", "5534-6.1-03", "5534-6.6-03")
def inbound_ok_heard():
    hello = pkt.udp(b, a, 9, PORT, b"hello")
    s = udp_socket()
    for what in (pkt.ipv6(b, a, UDP, hello), pkt.ipv6(lb, la, SHIM6, pkt.payload_header(CT_LOCAL, UDP) + hello),
                 pkt.ipv6(b, a, SHIM6, keepalive(CT_LOCAL))):
        fresh()
        with Daemon() as d:
            context(reap_state="inbound-ok", reap_timer="send")
            time.sleep(10)
            tun.put(what)
            d.silent(40)
            same("Keepalives", keepalives(20), [])
            assert "reap-state inbound-ok" in tool("context"), tool("context")


@case("InboundOK: payload that is sent starts the Send Timer, if it does not run", "5534-6.2-03")
def inbound_ok_sent():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        context(reap_state="inbound-ok", reap_timer="none")
        d.silent(40)
        start = time.monotonic()
        s.sendto(b"x", (B, 9))
        time.sleep(5)
        s.sendto(b"y", (B, 9))  # does not restart it
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
        near("the event", time.monotonic() - start, 15, 15.5)


@case("the daemon's own messages count as sent", "5534-6.2-04", "5534-4.1-03")
def control_sent():
    fresh()
    with Daemon() as d:
        same("send", d.send(pkt.control(UPDATE, CT_PEER.to_bytes(6, "big") + bytes(12))), (0, ""))
        d.expect(REAP, 30, EVENT=SEND_TIMEOUT)
    fresh()
    with Daemon() as d:
        same("send", d.send(pkt.control(PROBE, CT_PEER.to_bytes(6, "big") + bytes(20))), (0, ""))
        d.silent(40)


@case("TCP that retransmits is a hint, which changes nothing")
def retransmission():
    fresh()
    with Daemon() as d:
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.setblocking(False)
        s.bind((A, 0))
        start = time.monotonic()
        s.connect_ex((B, 9))
        d.expect(REAP, 10, EVENT=RETRANSMISSION, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        near("the hint", time.monotonic() - start, 0.9, 4)
        assert "reap-state operational" in tool("context"), "the hint has changed something"
        # At most once a second, and never once the context is Exploring.
        kinds = [RETRANSMISSION]
        while kinds[-1] == RETRANSMISSION:
            kinds.append(int.from_bytes(d.expect(REAP, 16)[EVENT], "little"))
        same("the last event", kinds[-1], SEND_TIMEOUT)
        near("hints", len(kinds) - 1, 2, 14)
        d.silent(20)
        s.close()


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
        # The timer wheel is coarse for times that are far away.
        near("the event", time.monotonic() - start, 600, 650)
        # A context that is used is not quiescent.
        s = udp_socket()
        end = time.monotonic() + 1300
        while time.monotonic() < end:
            s.sendto(b"x", (B, 9))
            tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))
            d.silent(290)


@case("an idle context whose payload has the header sends a Keepalive every four minutes, and stays idle")
def reminder():
    fresh()
    s = udp_socket()
    hear()
    same("Keepalives without the header", len([t for t in keepalives(1000) if t > 20]), 0)
    fresh()
    rehome()
    context(locator_local=A, locator_peer=B)
    hear()
    with Daemon() as d:
        tun.drain()
        t = [x for x in keepalives(1000) if x > 20]
        gaps = [y - x for x, y in zip([0] + t, t)]
        # The timer wheel is late by an eighth.
        assert len(t) in (3, 4) and all(235 <= g <= 285 for g in gaps), t
    fresh()
    context(header=1)
    hear()
    with Daemon() as d:
        start = time.monotonic()
        while time.monotonic() < start + 500:
            time.sleep(100)
            message_in(keepalive(CT_LOCAL))
        d.expect(EXPIRE, 200, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        near("the event", time.monotonic() - start, 600, 690)
    fresh()


def in_udp():
    """The context is on its ULIDs in UDP, without the header."""
    tool("config", "set", "udp-port", str(UDP_PORT))
    fresh()
    context(locator_local=A, locator_peer=B, encapsulation="udp", header=0)
    tun.drain()


def reminders(seconds, meanwhile=lambda: None):
    """When datagrams with a Keepalive leave, in seconds from now. Nothing else of ours may."""
    start, times = time.monotonic(), []
    want = pkt.udp(a, b, UDP_PORT, UDP_PORT, keepalive())
    while time.monotonic() < start + seconds:
        meanwhile()
        while p := tun.get(1):
            if p[6] == UDP and p[42:44] == struct.pack(">H", UDP_PORT):
                same("the datagram", p[40:], want)
                times.append(time.monotonic() - start)
            else:
                assert p[6] != SHIM6, p.hex()
    return times


@case("a context in UDP reminds routers every 20 seconds, from when it has come there, idle or in use")
def reminder_udp():
    in_udp()
    times = reminders(100)
    assert 4 <= len(times) <= 6 and times[0] < 26, times
    s = udp_socket()
    for what in ("sent", "heard", "both"):
        def flow():
            if what != "heard":
                s.sendto(b"x", (B, 9))
            if what != "sent":
                tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))

        in_udp()
        times = reminders(100, flow)
        gaps = [y - x for x, y in zip([0] + times, times)]
        assert times and max(gaps) < 31, (what, times)
    # Payload with the header keeps the port open by itself.
    in_udp()
    context(header=1)
    for _ in range(60):
        s.sendto(b"x", (B, 9))
        tun.put(pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello")))
        time.sleep(1)
        while p := tun.get(0, lambda p: True):
            assert keepalive() not in p, p.hex()


@case("an idle context in UDP that is kept is told to be quiescent once in each idle timeout")
def expire_udp():
    in_udp()
    with Daemon() as d:
        start, told = time.monotonic(), []
        while (left := start + 2000 - time.monotonic()) > 0:
            got = d.event(left)
            if got is None:
                break
            same("the event", got[0], EXPIRE)
            told.append(time.monotonic() - start)
        assert 2 <= len(told) <= 3 and told[0] >= 600, told
    tool("config", "set", "udp-port", "0")


@case("Keepalives that answer Probes do not keep a context in use")
def expire_probed():
    fresh()
    with Daemon() as d:
        start, told = time.monotonic(), []
        while time.monotonic() < start + 700:
            # As after a Probe that says InboundOk: the peer's Keepalive stops the Send Timer.
            context(reap_timer="send")
            message_in(keepalive(CT_LOCAL))
            while got := d.event(20):
                if got[0] == EXPIRE:
                    told.append(time.monotonic() - start)
                    break
            if told:
                break
        assert told and 600 <= told[0] <= 690, told


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


@case("the daemon restarts timers, as Probes demand")
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
        near("the event, of the restarted timer", time.monotonic() - start, 15, 15.5)
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
