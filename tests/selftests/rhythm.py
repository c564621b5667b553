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


class Stream(Vector):
    """A line of rhythm_vectors.txt, which says what the steps are."""

    HINT, TOLD, HEARD = "silence", SILENCE, HELLO

    def play(self, gaps):
        for gap in gaps.split(","):
            self.packet(gap, self.hears)


@case("what is told of a stream is what the simulator's model says of it")
def vectors():
    each_vector("rhythm_vectors.txt", Stream)


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
        v = Stream(d, s)
        for step in "150*20", "silence:60-150", "resumption:500", "200*20", "silence:600-740", "quiet:5000":
            v.step(step)
        for change in rehome, lambda: context(inbound_locator_local=LA, inbound_locator_peer=LB):
            change()
            v = Stream(d, s)
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
            v = Stream(d, s)
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
