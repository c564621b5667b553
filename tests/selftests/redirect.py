# SPDX-License-Identifier: GPL-2.0
"""usage: redirect.py ROUTER HOST DESTINATION: a Redirect to HOST (RFC 4861, section 4.5), which
says that the way to DESTINATION is by fe80::bad, where nobody is."""

import ipaddress
import socket
import sys

REDIRECT = 137
TARGET_LINK_LAYER_ADDRESS = bytes([2, 1, 2, 0, 0, 0, 0, 0xBD])
router, host, destination = sys.argv[1:]
message = bytes([REDIRECT, 0, 0, 0, 0, 0, 0, 0]) + ipaddress.IPv6Address("fe80::bad").packed + \
    ipaddress.IPv6Address(destination).packed + TARGET_LINK_LAYER_ADDRESS
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
s.bind((router, 0, 0, socket.if_nametoindex("host")))
s.sendto(message, (host, 0))
