#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""spoof.py SOURCE DESTINATION PORT: send datagrams of the encapsulation in UDP as if from the
source: noise, payload with tags that nobody has, and control messages with wrong tags."""
import os
import random
import socket
import struct
import sys

import pkt

src, dst, port = socket.inet_pton(socket.AF_INET6, sys.argv[1]), socket.inet_pton(socket.AF_INET6, sys.argv[2]), int(sys.argv[3])
random.seed(1)
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)


def send(body):
    s.sendto(pkt.ipv6(src, dst, 17, pkt.udp(src, dst, port, port, body)), (sys.argv[2], 0))


def message(kind, body):
    """A control message with its checksum."""
    m = bytearray(struct.pack("!BBBBH", 59, (6 + len(body)) // 8 - 1, kind, 0, 0) + body)
    total = sum(struct.unpack(f"!{len(m) // 2}H", m))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    m[4:6] = struct.pack("!H", ~total & 0xffff)
    return bytes(m)


for _ in range(200):
    send(os.urandom(random.randrange(0, 200)))
for _ in range(100):
    send(pkt.payload_header(random.getrandbits(47), 59) + bytes(8))
    for kind in (64, 65, 66, 67):
        send(message(kind, os.urandom(10)))
    send(message(66, os.urandom(10)) + bytes(1000))
