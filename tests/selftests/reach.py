# SPDX-License-Identifier: GPL-2.0
"""usage: reach.py DESTINATION [WITHOUT]: connects by TCP to a port of DESTINATION where nobody
listens: from each preferred global address of this host, by each device, and without a choice.
Prints what was chosen, the address at which the connection began, and "reached" if DESTINATION
answered. Addresses that begin with WITHOUT are left out."""

import errno
import ipaddress
import selectors
import socket
import sys
import time

PORT = 9
SECONDS = 10
TENTATIVE, DEPRECATED = 0x40, 0x20


def addresses(without):
    """Yields the address and the device."""
    with open("/proc/self/net/if_inet6") as f:
        for line in f:
            address, _, _, scope, flags, device = line.split()
            text = str(ipaddress.IPv6Address(int(address, 16)))
            if scope != "00" or int(flags, 16) & (TENTATIVE | DEPRECATED) or device == "lo":
                continue
            if not (without and text.startswith(without)):
                yield text, device


def begin(destination, address=None, device=None):
    """Returns a socket that connects, or None if it can't."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setblocking(False)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    try:
        if address:
            s.bind((address, 0))
        s.connect((destination, PORT))
    except BlockingIOError:
        return s
    except OSError:
        return None
    return s


def main(destination, without=""):
    here = list(addresses(without))
    tried = [(a, begin(destination, address=a)) for a, _ in here]
    tried += [(d, begin(destination, device=d)) for d in sorted({d for _, d in here})]
    tried.append(("any", begin(destination)))
    sel = selectors.DefaultSelector()
    began, reached = {}, set()
    for what, s in tried:
        if s:
            began[what] = s.getsockname()[0]
            sel.register(s, selectors.EVENT_WRITE, what)
    end = time.monotonic() + SECONDS
    while sel.get_map() and time.monotonic() < end:
        for key, _ in sel.select(end - time.monotonic()):
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED:
                reached.add(key.data)
            sel.unregister(key.fileobj)
    for what, _ in tried:
        print(what, began.get(what, "nothing"), "reached" if what in reached else "lost")


main(*sys.argv[1:])
