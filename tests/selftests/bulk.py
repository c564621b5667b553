# SPDX-License-Identifier: GPL-2.0
"""usage: bulk.py serve ADDRESS up|down|stopped FILE | bulk.py call LOCAL PEER up|down FILE

TCP from a client to a server (up) or from the server to the client (down), some 20 kB/s
in pieces, without an end. The receiver writes to FILE how many octets arrived, and the
longest time in which nothing arrived, in seconds. A server that is stopped reads for 20
seconds, and then no more."""

import os
import socket
import sys
import time


def receive(s, file):
    got, longest, last = 0, 0.0, time.monotonic()
    while data := s.recv(1 << 16):
        now = time.monotonic()
        got, longest, last = got + len(data), max(longest, now - last), now
        with open(file + ".new", "w") as f:
            f.write(f"got {got}\nlongest {longest:.2f}\n")
        os.replace(file + ".new", file)


def send(s):
    while True:
        s.sendall(b"x" * 10000)
        time.sleep(0.5)


way = sys.argv[-2]
if sys.argv[1] == "serve":
    server = socket.create_server((sys.argv[2], 7300), family=socket.AF_INET6)
    print("ready", flush=True)
    s, _ = server.accept()
else:
    s = socket.create_connection((sys.argv[3], 7300), source_address=(sys.argv[2], 0))
if way == "stopped" and sys.argv[1] == "serve":
    # Long enough for shim6d to want a context.
    end = time.monotonic() + 20
    while time.monotonic() < end:
        s.recv(1 << 16)
    time.sleep(1e6)
if (way != "down") == (sys.argv[1] == "serve"):
    receive(s, sys.argv[-1])
else:
    send(s)
