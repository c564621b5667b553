# SPDX-License-Identifier: GPL-2.0
"""usage: moves.py SOCKET ULID-LOCAL ULID-PEER

Tells when shim6d has a context send by another locator pair, as it happens. A line
has the time in seconds since 1970, the providers in the topology of both locators,
what had it begin, and for how many milliseconds payload may have been lost.
"""

import datetime
import http.client
import json
import socket
import sys
import time


def ask(path):
    connection = http.client.HTTPConnection("shim6d")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(sys.argv[1])
    connection.request("GET", path)
    answer = json.load(connection.getresponse())
    connection.close()
    return answer


def provider(locator):
    return locator.split(":")[2]


known = set()
while True:
    try:
        moves = ask("/paths/history")
    except OSError:
        # The daemon has ended.
        break
    for m in moves:
        if m["direction"] != "outbound" or [m["ulid-local"], m["ulid-peer"]] != sys.argv[2:] or m["time"] in known:
            continue
        known.add(m["time"])
        at = datetime.datetime.fromisoformat(m["time"]).timestamp()
        print(f"{at:.6f}", provider(m["to"]["locator-local"]), provider(m["to"]["locator-peer"]), m["trigger"],
              m["outage"], flush=True)
    # Where processors are emulated to ask costs more than all that is watched.
    time.sleep(0.4)
