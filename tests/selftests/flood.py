# SPDX-License-Identifier: GPL-2.0
"""usage: flood.py LOCAL PEER [SECONDS]

Datagrams from LOCAL to PEER, as fast as is sensible, in bursts with pauses so
that virtual time goes on; for so many SECONDS, otherwise until killed. Errors do
not matter: the namespace may be about to end. Prints how many were sent."""

import socket
import sys
import time

s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
end = time.monotonic() + float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
n = 0
while time.monotonic() < end:
    for size in (1, 100, 1400, 4000):
        for _ in range(8):
            try:
                s.sendto(bytes(size), (sys.argv[2], 9))
                n += 1
            except OSError:
                pass
    time.sleep(0.005)
print(n)
