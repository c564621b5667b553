# SPDX-License-Identifier: GPL-2.0
"""The socket options of RFC 6316, for programs of the tests, as kernel/uapi/linux/shim6_socket.h has
them."""

import errno
import socket
import struct

SOL_SHIM = socket.IPPROTO_IPV6
(ASSOCIATED, DONTSHIM, HOT_STANDBY, LOC_LOCAL_PREF, LOC_PEER_PREF, LOC_LOCAL_RECV, LOC_PEER_RECV, LOC_LOCAL_SEND, LOC_PEER_SEND,
 LOCLIST_LOCAL, LOCLIST_PEER, APP_TIMEOUT, PATHEXPLORE, DEFERRED_SETUP, FEEDBACK, PAIRS) = range(5533, 5549)
INVALID, UNVERIFIED, UNREACHABLE, TOO_MANY = errno.EADDRNOTAVAIL, errno.ENONET, errno.EHOSTUNREACH, errno.E2BIG
LOCATOR = struct.Struct("=BBHHHI16sH2x")
EXPLORE = struct.Struct("=HHHHI")
FLAGS = DONTSHIM, HOT_STANDBY, LOC_LOCAL_RECV, LOC_PEER_RECV


def locator(addr, prio=0, weight=0):
    """The octets of a struct shim_locator; addr is octets."""
    return LOCATOR.pack(socket.AF_INET6, 0, 0, prio, weight, 0, addr, 0)


def get(s, option, size=None):
    """The value of an option: an int, or octets if their most is given."""
    return s.getsockopt(SOL_SHIM, option, *(() if size is None else (size,)))


def put(s, option, value):
    """Set an option to an int or octets."""
    s.setsockopt(SOL_SHIM, option, value)


def addresses(s, option, most=32):
    """The addresses of the locators that an option has, as octets."""
    data = get(s, option, most * LOCATOR.size)
    return [LOCATOR.unpack_from(data, at)[6] for at in range(0, len(data), LOCATOR.size)]


def refusal(do, *args):
    """The name of the error with which a call is refused, or None."""
    try:
        do(*args)
    except OSError as e:
        # ENOTSUP is another name of the number.
        return errno.errorcode[e.errno].replace("ENOTSUP", "EOPNOTSUPP")
    return None
