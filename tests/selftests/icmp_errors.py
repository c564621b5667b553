# SPDX-License-Identifier: GPL-2.0
"""ICMPv6 errors for a host's packets, and what its sockets hear of them."""

import socket
import struct
import time

import pkt
from host import *
from pkt import ip


def error(kind, code, info, quoted, src=ip("2001:db8:f::1"), dst=la):
    tun.put(pkt.icmp_error(src, dst, kind, code, info, quoted))


def errors_socket():
    s = udp_socket()
    s.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
    s.connect((B, 9))
    return s


def queued(s):
    """The next entry of the error queue: (errno, type, code, info, quoted payload)."""
    for _ in range(20):
        try:
            data, anc, _, _ = s.recvmsg(2000, 2000, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except (BlockingIOError, TimeoutError):
            time.sleep(0.1)
            continue
        for level, kind, value in anc:
            if (level, kind) == (socket.IPPROTO_IPV6, 25):
                errno, origin, typ, code, _, info, _ = struct.unpack_from("=IBBBBII", value)
                return errno, typ, code, info, data
    return None
