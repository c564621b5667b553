# SPDX-License-Identifier: GPL-2.0
"""Streams of payload that stop, by the events that the daemon gets; this program is the daemon
(told.py). The cases need virtual time."""

import time

import pkt
from host import *
from pkt import UDP
from told import *


HELLO = pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello"))


def stream(seconds, gaps):
    """Payload arrives for a time, with these gaps by turns. Returns when the last packet came."""
    end = time.monotonic() + seconds
    while True:
        for gap in gaps:
            tun.put(HELLO)
            at = time.monotonic()
            if at > end:
                return at
            time.sleep(gap)


class Vector:
    """A line of rhythm_vectors.txt, which says what the steps are."""

    def __init__(self, daemon):
        self.daemon, self.last = daemon, time.monotonic()

    def until(self, ms):
        """The next event until so many milliseconds after the last packet, or None."""
        return self.daemon.event(max(0.001, self.last + ms / 1000 - time.monotonic()))

    def packet(self, gap):
        got = self.until(gap)
        assert got is None, f"{got} is told"
        tun.put(HELLO)
        self.last = time.monotonic()

    def step(self, step):
        kind, _, value = step.partition(":")
        if kind == "silence":
            low, high = map(int, value.split("-"))
            got = self.until(high)
            assert got is not None, f"nothing is told until {high} ms after the last packet"
            same("what is told", (got[0], int.from_bytes(got[1][EVENT], "little")), (REAP, SILENCE))
            near("the time in ms", 1000 * (time.monotonic() - self.last), low, high)
        elif kind == "resumption":
            self.packet(int(value))
            self.daemon.expect(REAP, 0.005, EVENT=RESUMPTION)
        elif kind == "quiet":
            got = self.until(int(value))
            assert got is None, f"{got} is told"
        else:
            count, _, gaps = step.partition("*")
            for _ in range(int(count)):
                for gap in gaps.split(","):
                    self.packet(int(gap))


@case("what is told of a stream is what the simulator's model says of it")
def vectors():
    each_vector("rhythm_vectors.txt", lambda daemon, _: Vector(daemon))


@case("a silence is told of a context, and changes nothing")
def stops():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        stream(3, [0.02])
        d.expect(REAP, 2, EVENT=SILENCE, ULID_LOCAL=a, ULID_PEER=b, TAG=CT_LOCAL)
        assert "reap-state operational" in tool("context"), "the hint has changed something"
    s.close()


@case("the header makes no difference to a stream")
def with_header():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        hello = pkt.payload_header(CT_LOCAL, UDP) + pkt.udp(b, a, 9, PORT, b"hello")
        for _ in range(150):
            tun.put(pkt.ipv6(lb, la, pkt.SHIM6, hello))
            time.sleep(0.02)
        d.expect(REAP, 2, EVENT=SILENCE)
    s.close()


@case("another pair by which packets go or come has its silences told, and no pauses of the one before")
def forgiven():
    fresh()
    s = udp_socket()
    with Daemon() as d:
        v = Vector(d)
        for step in "150*20", "silence:60-150", "resumption:500", "200*20", "silence:600-740", "quiet:5000":
            v.step(step)
        for change in rehome, lambda: context(inbound_locator_local=LA, inbound_locator_peer=LB):
            change()
            v = Vector(d)
            for _ in range(3):
                for step in "150*20", "silence:60-150", "quiet:5000":
                    v.step(step)
            v.step("150*20")
            v.step("quiet:5000")
    s.close()


@case("a host that watches no streams is told of none")
def off():
    fresh()
    s = udp_socket()
    tool("config", "set", "watch-streams", "0")
    try:
        with Daemon() as d:
            v = Vector(d)
            for step in "150*20", "quiet:2000":
                v.step(step)
            tool("config", "set", "watch-streams", "1")
            for step in "150*20", "silence:60-150":
                v.step(step)
    finally:
        tool("config", "set", "watch-streams", "1")
    s.close()


@case("nobody is told of streams of a context that explores, is not established, or has gone")
def untold():
    s = udp_socket()
    for change in (lambda: context(reap_state="inbound-ok", reap_timer="none"), lambda: tool("context", "flush")):
        fresh()
        with Daemon() as d:
            stream(3, [0.02])
            change()
            stream(1, [0.02])
            got = d.event(1)
            assert got is None or got[0] != REAP, got
    fresh()
    stream(3, [0.02])
    with Daemon() as d:
        d.silent(1)
    s.close()


main()
