# SPDX-License-Identifier: GPL-2.0
"""The daemon's side of the netlink family, for programs that stand in for it."""

import os
import time

import genl
import pkt
from genl import attr
from host import *
from pkt import SHIM6, ip

REGISTER, SEND, CONTROL, NO_CONTEXT, ACQUIRE, REAP, EXPIRE, ICMP = range(18, 26)
SOURCE, DESTINATION, MESSAGE, IFINDEX, TAG, EVENT, ULID_LOCAL, ULID_PEER, FII, PACKETS, TYPE, CODE, INFO, IDLE, FROM_OUTSIDE = range(2, 17)
ENCAPSULATION = 21
I1, UPDATE, KEEPALIVE, PROBE, ERROR = 1, 64, 66, 67, 68
SEND_TIMEOUT, INBOUND, PAYLOAD, RETRANSMISSION, SILENCE, RESUMPTION, UNANSWERED = 1, 2, 3, 4, 5, 6, 7
# A message with a tag from octet 6 on: the tag, and four octets of any value.
TAGGED = CT_LOCAL.to_bytes(6, "big") + bytes(4)


class Daemon:
    """A registered socket, until the block ends; the attributes choose its events."""

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
    """A context on its ULIDs, by which nothing has been heard or sent."""
    tool("context", "flush")
    tun.drain()
    tool("context", "add", A, B, "tag-local", str(CT_LOCAL), "tag-peer", str(CT_PEER), "state", "established",
         "locators-local", LA, "locators-peer", LB)


class Vector:
    """A reader that takes the steps of a line of vectors. A kind of it has the name and the event of its
    hint, the packet that it hears, and plays the packets of a step once."""

    def __init__(self, daemon, sock):
        self.daemon, self.sock, self.last = daemon, sock, time.monotonic()

    def until(self, ms):
        """The next event until so many milliseconds after the last packet, or None."""
        return self.daemon.event(max(0.001, self.last + ms / 1000 - time.monotonic()))

    def packet(self, gap, send):
        self.quiet(gap)
        send()
        self.last = time.monotonic()

    def quiet(self, ms):
        got = self.until(int(ms))
        assert got is None, f"{got} is told"

    def hears(self):
        tun.put(self.HEARD)

    def step(self, step):
        kind, _, value = step.partition(":")
        if kind == self.HINT:
            low, high = map(int, value.split("-"))
            got = self.until(high)
            assert got is not None, f"nothing is told until {high} ms after the last packet"
            same("what is told", (got[0], int.from_bytes(got[1][EVENT], "little")), (REAP, self.TOLD))
            near("the time in ms", 1000 * (time.monotonic() - self.last), low, high)
        elif kind == "resumption":
            self.packet(value, self.hears)
            self.daemon.expect(REAP, 0.005, EVENT=RESUMPTION)
        elif kind == "heard":
            self.packet(value, self.hears)
        elif kind == "quiet":
            self.quiet(value)
        else:
            count, _, gaps = step.partition("*")
            for _ in range(int(count)):
                self.play(gaps)


def each_vector(file, kind):
    """A kind of Vector takes the steps of each line of a file, each of a fresh daemon and socket."""
    with open(os.path.join(os.path.dirname(__file__), file)) as f:
        for line in f:
            name, *steps = line.split() or "#"
            if name.startswith("#"):
                continue
            fresh()
            s = udp_socket()
            with Daemon() as d:
                v = kind(d, s)
                for step in steps:
                    try:
                        v.step(step)
                    except AssertionError as e:
                        raise AssertionError(f"{name}, {step}: {e}") from e
            s.close()


def message_in(message, src=b, dst=a):
    tun.put(pkt.ipv6(src, dst, SHIM6, message))


def keepalive(tag=CT_PEER):
    return pkt.control(KEEPALIVE, tag.to_bytes(6, "big") + bytes(4))


def near(what, got, low, high):
    assert low <= got <= high, f"{what} after {got:.2f} s, wanted {low} to {high}"
