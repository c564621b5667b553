# SPDX-License-Identifier: GPL-2.0
"""usage: datagrams.py sink ADDRESS | source LOCAL ADDRESS "HOW MTU"
       datagrams.py tcp-sink ADDRESS OCTETS | tcp-source ADDRESS OCTETS
       datagrams.py hold LOCAL ADDRESS

source sends datagrams as long as the MTU of the ULIDs allows, as QUIC does once it knows
that MTU. It sends each again until it is acknowledged. HOW is probe or do (values of
IPV6_MTU_DISCOVER), or do-connected, which sends less when it is told so. hold keeps open a
socket that has been told of an MTU."""

import socket
import struct
import sys
import time

IPV6 = socket.IPPROTO_IPV6
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24
COUNT, WINDOW = 1500, 4


def sink(address):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((address, 4433))
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(70000)
        s.sendto(data[:8], peer)


def source(local, address, words):
    how, mtu = words.split()
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((local, 0))
    s.setsockopt(IPV6, IPV6_MTU_DISCOVER, 3 if how == "probe" else 2)
    send = lambda data: s.sendto(data, (address, 4433))
    if how == "do-connected":
        s.connect((address, 4433))
        send = s.send
    size, waiting, following = int(mtu) - 48, {}, 0
    told = 0
    s.settimeout(0.02)
    end = time.monotonic() + 30
    while following < COUNT or waiting:
        if time.monotonic() > end:
            sys.exit(f"{following} were sent, {len(waiting)} wait for an answer, size {size}, refused {told}")
        while following < COUNT and len(waiting) < WINDOW:
            waiting[following] = 0
            following += 1
        for n, at in waiting.items():
            if time.monotonic() - at < 0.3:
                continue
            try:
                send(struct.pack("!Q", n).ljust(size, b"x"))
                waiting[n] = time.monotonic()
            except OSError as e:
                if e.errno != 90 or how != "do-connected":
                    raise
                told += 1
                size = s.getsockopt(IPV6, IPV6_MTU) - 48
        try:
            while True:
                waiting.pop(struct.unpack("!Q", s.recv(100))[0], None)
                s.settimeout(0)
        except (TimeoutError, BlockingIOError):
            s.settimeout(0.02)
    print("all", size, told)


def tcp_sink(address, octets):
    server = socket.create_server((address, 5001), family=socket.AF_INET6)
    print("ready", flush=True)
    s, _ = server.accept()
    n, block = 0, bytes(i * i % 251 for i in range(1 << 16))
    while data := s.recv(1 << 20):
        at = n % len(block)
        want = (block * (len(data) // len(block) + 2))[at:at + len(data)]
        if data != want:
            sys.exit(f"what came after octet {n} is wrong")
        n += len(data)
    if n != octets:
        sys.exit(f"{n} of {octets} octets came")


def tcp_source(address, octets):
    s = socket.create_connection((address, 5001))
    block, n = bytes(i * i % 251 for i in range(1 << 16)), 0
    while n < octets:
        n += s.send((block * 16)[n % len(block):][:octets - n])
    s.close()


def hold(local, address):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((local, 0))
    s.setsockopt(IPV6, IPV6_MTU_DISCOVER, 2)
    s.connect((address, 9))
    try:
        s.send(bytes(1452))
    except OSError:
        pass
    print(s.getsockopt(IPV6, IPV6_MTU), flush=True)
    time.sleep(1000)


if sys.argv[1] == "sink":
    sink(sys.argv[2])
elif sys.argv[1] == "source":
    source(*sys.argv[2:])
elif sys.argv[1] == "tcp-sink":
    tcp_sink(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "tcp-source":
    tcp_source(sys.argv[2], int(sys.argv[3]))
else:
    hold(sys.argv[2], sys.argv[3])
