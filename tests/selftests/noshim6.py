# SPDX-License-Identifier: GPL-2.0
"""A host that does not know Shim6: it answers a control message by an error that the Next Header
is unknown (ICMPv6 type 4, code 1), as RFC 8200 demands."""

import socket
import struct

ETH_P_IPV6 = 0x86DD
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6))
out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
print("ready", flush=True)
while True:
    packet, (_, _, kind, *_) = heard.recvfrom(2048)
    if kind == socket.PACKET_OUTGOING or packet[6] != 140:
        continue
    # The pointer: octet 6 of the packet, the Next Header, is not known.
    error = struct.pack("!BBHI", 4, 1, 0, 6) + packet[:1232]
    out.sendto(error, (socket.inet_ntop(socket.AF_INET6, packet[8:24]), 0))
