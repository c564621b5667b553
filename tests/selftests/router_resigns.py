# SPDX-License-Identifier: GPL-2.0
"""usage: router_resigns.py DEVICE: a Router Advertisement whose Router Lifetime is 0, so that
hosts on the link no longer take the sender for a default router (RFC 4861, section 6.2.5)."""

import socket
import struct
import sys

ROUTER_ADVERTISEMENT, HOP_LIMIT = 134, 64
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
# Type, code, checksum, hop limit, flags, Router Lifetime, Reachable Time, Retrans Timer.
s.sendto(struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, HOP_LIMIT, 0, 0, 0, 0),
         ("ff02::1", 0, 0, socket.if_nametoindex(sys.argv[1])))
