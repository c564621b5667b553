# SPDX-License-Identifier: GPL-2.0
"""IPv6 packets by hand, and a TUN device to put them in and take them out.

Everything is built from the RFCs' pictures. On purpose nothing is taken from the
module or its headers."""

import fcntl
import ipaddress
import os
import select
import struct
import time

HOP, ROUTING, FRAGMENT, DEST, SHIM6 = 0, 43, 44, 60, 140
TCP, UDP, ICMPV6, NONE = 6, 17, 58, 59


def ip(text):
    return ipaddress.IPv6Address(text).packed


def sum16(data):
    """The Internet checksum before it is complemented."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(src, dst, length, proto):
    return src + dst + struct.pack("!II", length, proto)


def checksum(src, dst, proto, data):
    return 0xFFFF ^ sum16(pseudo(src, dst, len(data), proto) + data)


def ipv6(src, dst, nexthdr, payload, hops=64, tclass=0, label=0):
    return struct.pack("!IHBB", 6 << 28 | tclass << 20 | label, len(payload), nexthdr, hops) + src + dst + payload


def udp(src, dst, sport, dport, data, bad=0):
    """A datagram whose checksum is over src and dst, whatever addresses the packet has."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    check = checksum(src, dst, UDP, head + data) or 0xFFFF
    return head[:6] + struct.pack("!H", check ^ bad) + data


def payload_header(tag, nexthdr):
    """RFC 5533, section 5.2."""
    return struct.pack("!BB", nexthdr, 0) + (1 << 47 | tag).to_bytes(6, "big")


def options(nexthdr, body=bytes([1, 4, 0, 0, 0, 0])):
    """Hop-by-Hop or Destination Options; PadN by default."""
    return bytes([nexthdr, (len(body) + 2) // 8 - 1]) + body


def srh(nexthdr, segments, left):
    """Segment Routing Header (RFC 8754), last segment first."""
    return struct.pack("!BBBBBBH", nexthdr, 2 * len(segments), 4, left, len(segments) - 1, 0, 0) + b"".join(segments)


def fragment(nexthdr, offset, more, ident):
    return struct.pack("!BBHI", nexthdr, 0, offset | more, ident)


def control(kind, body, length=None, bad=0):
    """A control message (RFC 5533, section 5.3): body from octet 6 on."""
    size = 6 + len(body)
    head = struct.pack("!BBBB", NONE, (size // 8 - 1) if length is None else length, kind, 0)
    check = 0xFFFF ^ sum16(head + b"\0\0" + body)
    return head + struct.pack("!H", check ^ bad) + body


def icmpv6(src, dst, message):
    """A message with its checksum, over src and dst, whatever addresses the packet has."""
    check = checksum(src, dst, ICMPV6, message[:2] + b"\0\0" + message[4:])
    return message[:2] + struct.pack("!H", check) + message[4:]


def icmp_error(src, dst, kind, code, info, quoted):
    head = struct.pack("!BBHI", kind, code, 0, info)
    check = checksum(src, dst, ICMPV6, head + quoted)
    return ipv6(src, dst, ICMPV6, struct.pack("!BBHI", kind, code, check, info) + quoted)


class Tun:
    """The other end of an interface of this namespace."""

    def __init__(self, name):
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # IFF_TUN | IFF_NO_PI
        os.set_blocking(self.fd, False)

    def put(self, packet):
        os.write(self.fd, packet)

    def get(self, wait=5.0, want=lambda p: p[6] != ICMPV6 and p[24] != 0xFF):
        """The next packet that is wanted, or None: no news of the kernel's own
        (multicast, router solicitations)."""
        end = time.monotonic() + wait
        while True:
            left = max(0, end - time.monotonic())
            if not select.select([self.fd], [], [], left)[0]:
                return None
            p = os.read(self.fd, 70000)
            if want(p):
                return p

    def drain(self):
        while self.get(0, lambda p: True):
            pass
