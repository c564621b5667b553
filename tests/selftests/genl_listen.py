# SPDX-License-Identifier: GPL-2.0
"""usage: genl_listen.py FAMILY GROUP: print what the group is told."""

import struct
import sys

import genl

sock = genl.Genl()
family, groups = sock.family(sys.argv[1])
sock.join(groups[sys.argv[2]])
sock.sock.settimeout(None)
print("listening", flush=True)
while True:
    for kind, _, _, data in sock.receive():
        found = genl.attrs(data[4:])
        print(f"cmd {data[0]}", *(f"{k}={struct.unpack('=I', v)[0]}" for k, v in found.items()), flush=True)
