# SPDX-License-Identifier: GPL-2.0
"""usage: octets.py sink ADDRESS COUNT LENGTH | source LOCAL ADDRESS COUNT LENGTH SEGMENTS
       octets.py tcp-sink ADDRESS | tcp-source LOCAL ADDRESS OCTETS

source sends COUNT datagrams of LENGTH octets, as many at a time as SEGMENTS says, which the kernel
cuts (UDP_SEGMENT). sink prints "ready", and ends when it has them all."""

import socket
import struct
import sys

PORT, UDP_SEGMENT, UDP_GRO = 4433, 103, 104


def sink(address, count, length):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    s.bind((address, PORT))
    s.settimeout(20)
    print("ready", flush=True)
    left = int(count) * int(length)
    while left > 0:
        left -= len(s.recv(1 << 16))
        # The sender waits for this at times, so that nothing is lost.
        print(left, flush=True)


def source(local, address, count, length, segments):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((local, 0))
    s.connect((address, PORT))
    count, length, segments = int(count), int(length), int(segments)
    while count > 0:
        n = min(count, segments)
        control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", length))] if n > 1 else []
        s.sendmsg([bytes(n * length)], control)
        count -= n


def tcp_sink(address):
    s = socket.create_server((address, PORT), family=socket.AF_INET6)
    print("ready", flush=True)
    c, _ = s.accept()
    while c.recv(1 << 16):
        pass


def tcp_source(local, address, octets):
    s = socket.create_connection((address, PORT), 20, (local, 0))
    s.sendall(bytes(int(octets)))
    s.shutdown(socket.SHUT_WR)
    s.recv(1)


globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
