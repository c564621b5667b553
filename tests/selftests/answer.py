# SPDX-License-Identifier: GPL-2.0
"""Questions that are not answered, by the events that the daemon gets; this program is the daemon
(told.py). The cases need virtual time."""

import time

import pkt
from host import *
from pkt import UDP
from told import *


class Conversation(Vector):
    """A line of answer_vectors.txt, which says what the steps are."""

    HINT, TOLD, HEARD = "missed", UNANSWERED, pkt.ipv6(b, a, UDP, pkt.udp(b, a, 9, PORT, b"hello"))

    def asks(self):
        self.sock.sendto(b"hello", (B, 9))

    def play(self, gaps):
        question, _, answer = gaps.partition("/")
        answer, _, acknowledgement = answer.partition(",")
        self.packet(question, self.asks)
        if answer:
            self.packet(answer, self.hears)
        if acknowledgement:
            self.packet(acknowledgement, self.asks)


def told(*steps, change=lambda: None):
    """After a conversation and a change, these steps are what is told."""
    fresh()
    s = udp_socket()
    with Daemon() as d:
        v = Conversation(d, s)
        v.step("10*980/20")
        change()
        for step in steps:
            v.step(step)
    s.close()


@case("what is told of questions is what the simulator's model says of them")
def vectors():
    each_vector("answer_vectors.txt", Conversation)


@case("an answer that does not come changes nothing")
def nothing():
    told("1*980", "missed:500-640")
    assert "reap-state operational" in tool("context"), "the hint has changed something"


@case("another pair by which packets go or come has answered nothing yet, and none too late")
def forgiven():
    for change in rehome, lambda: context(inbound_locator_local=LA, inbound_locator_peer=LB):
        fresh()
        s = udp_socket()
        with Daemon() as d:
            v = Conversation(d, s)
            for step in "10*980/20", "1*980", "missed:500-640", "resumption:1000", "3*980/20", "1*980":
                v.step(step)
            change()
            v.step("quiet:5000")
            v.step("1*980")
            v.step("missed:500-640")
        s.close()


@case("a host that watches no streams is told of no answers")
def off():
    try:
        told("1*980", "quiet:5000", change=lambda: tool("config", "set", "watch-streams", "0"))
    finally:
        tool("config", "set", "watch-streams", "1")


@case("nobody is told of answers to a context that explores or is not established")
def untold():
    told("1*980", "quiet:5000", change=lambda: context(reap_state="inbound-ok", reap_timer="none"))
    told("1*980", "quiet:200", change=lambda: tool("context", "flush"))


main()
