# SPDX-License-Identifier: GPL-2.0
"""usage: hold.py sink PORT | hold ADDRESS PORT MODULE | open ADDRESS PORT | send ADDRESS PORT

The sink accepts connections and reads nothing. The others connect to it. hold asks for a
congestion control MODULE that the kernel must load, which keeps the socket locked until
then. send sends until the connection ends, and says why it ended."""

import socket
import sys
import time

TCP_CONGESTION = 13

if sys.argv[1] == "sink":
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.bind(("::", int(sys.argv[2])))
    listener.listen(64)
    print("ready", flush=True)
    connections = []
    while True:
        connections.append(listener.accept())

s = socket.create_connection((sys.argv[2], int(sys.argv[3])))
print("connected", flush=True)
if sys.argv[1] == "hold":
    try:
        s.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, sys.argv[4].encode())
    except FileNotFoundError:
        print("not there", flush=True)
elif sys.argv[1] == "send":
    try:
        while True:
            s.send(b"x")
            time.sleep(0.1)
    except OSError as e:
        print(e.strerror, flush=True)
        sys.exit()
time.sleep(100000)
