# SPDX-License-Identifier: GPL-2.0
"""usage: stream.py sink ADDRESS | source ADDRESS SECONDS

A TCP stream that is checked octet by octet: both ends print how many octets
there were and their SHA-256. On standard error, the sink prints the longest time
in which nothing arrived, in seconds."""

import hashlib
import socket
import sys
import time

h, n = hashlib.sha256(), 0
if sys.argv[1] == "sink":
    server = socket.create_server((sys.argv[2], 5000), family=socket.AF_INET6)
    print("ready", flush=True)
    s, _ = server.accept()
    longest, last = 0, time.monotonic()
    while data := s.recv(1 << 18):
        h.update(data)
        n += len(data)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    print(f"{longest:.2f}", file=sys.stderr)
else:
    s = socket.create_connection((sys.argv[2], 5000))
    block = bytes(i * i % 251 for i in range(1 << 16))
    end = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < end:
        s.sendall(block)
        h.update(block)
        n += len(block)
    s.close()
print(n, h.hexdigest(), flush=True)
