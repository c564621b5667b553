# SPDX-License-Identifier: GPL-2.0
"""usage: contexts.py LOCAL PREFIX FIRST LAST [LOCATOR-LOCAL LOCATOR-PEER]

Makes contexts of LOCAL with PREFIX + number, from FIRST to LAST - 1, in batches. They
are established, with two more locators of each side. They are on their ULIDs, or
re-homed if locators are given."""

import ipaddress
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../selftests"))
import genl
from genl import attr, locators, u32

local, prefix = (ipaddress.IPv6Address(a) for a in sys.argv[1:3])
first, last = int(sys.argv[3]), int(sys.argv[4])
pair = [ipaddress.IPv6Address(a).packed for a in sys.argv[5:7]]
BATCH = 200
sock = genl.Genl()
family, _ = sock.family("shim6")
fixed = u32(7, 3) + b"".join(locators(kind, *(ipaddress.IPv6Address(f"2001:db8:{net}{i}::1").packed for i in range(2)))
                             for kind, net in ((10, "f"), (11, "e")))
if pair:
    fixed += attr(8, pair[0]) + attr(9, pair[1])
head = attr(2, local.packed)
base = prefix.packed[:12]


def request(n, flags):
    # Tags far apart, as random ones are; each is its own.
    tag = (n * 0x9E3779B97F4A7C15) & ((1 << 47) - 1)
    body = struct.pack("=BBH", 4, 1, 0) + head + attr(3, base + struct.pack("!I", n)) + \
        attr(5, struct.pack("=Q", tag)) + attr(6, struct.pack("=Q", tag)) + fixed
    return struct.pack("=IHHII", len(body) + 16, family, 1 | flags, n + 1, 0) + body


for start in range(first, last, BATCH):
    end = min(start + BATCH, last)
    sock.sock.send(b"".join(request(n, 4 if n == end - 1 else 0) for n in range(start, end)))
    done = False
    while not done:
        for kind, _, seq, data in sock.receive():
            if kind == 2:
                code = -struct.unpack_from("=i", data)[0]
                if code:
                    sys.exit(f"context {seq - 1}: {os.strerror(code)}")
                done = seq == end
