# SPDX-License-Identifier: GPL-2.0
"""TCP when a context moves to another locator pair. host.py explains the cases."""

import time

from host import *
from pkt import SHIM6, TCP


def sent_by(begin, octets, wait):
    """How many of the octets from a sequence number on leave within a time, each counted once."""
    seen, end = set(), time.monotonic() + wait
    while (left := end - time.monotonic()) > 0:
        p = tun.get(left, lambda p: p[6] in (SHIM6, TCP))
        if p is None:
            break
        data = p[48:] if p[6] == SHIM6 else p[40:]
        first = int.from_bytes(data[4:8], "big") - begin & 0xFFFFFFFF
        seen.update(range(first, min(first + len(data) - (data[12] >> 4) * 4, octets)))
    return len(seen)


@case("after a switch TCP sends again at once what may be lost, as much as a new connection would")
def lost():
    s, port, seq = tcp_open()
    try:
        s.send(bytes(8000))
        same("octets that are sent", sent_by(seq, 8000, 0.1), 8000)
        rehome()
        # The first time-out of TCP is after 200 ms, and its slow start sends one segment.
        same("octets that are sent again", sent_by(seq, 8000, 0.1), 8000)
        # Nothing is sent for a third time before it is known to be lost.
        same("octets that are sent once more", sent_by(seq, 8000, 0.5), 0)
        arrive(TCP, tcp(port, 2, seq + 8000, 0x10))
        s.send(bytes(1000))
        same("new octets", sent_by(seq + 8000, 1000, 0.1), 1000)
    finally:
        s.close()
        home()
        tun.drain()


main()
