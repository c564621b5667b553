# SPDX-License-Identifier: GPL-2.0
"""Facts about an exploration, from host a's history of moves (GET /paths/history) on standard input.

usage: explored.py since-context HISTORY   how many milliseconds after its R2 (in HISTORY, the
                                           answer to GET /history) the context first moved
       explored.py order                   the pair that was left and the first three others that
                                           were probed, in one line
       explored.py fourth ORDER            fails unless the pairs of that line were found dead, and
                                           the next one was taken within two seconds
"""

import datetime
import json
import sys


def seconds(time):
    """Python 3.11 reads up to six digits of a fraction."""
    return datetime.datetime.fromisoformat(time[:26].rstrip("Z") + "+00:00").timestamp()


def pair(p):
    return p["locator-local"], p["locator-peer"]


def since_context(moves, history):
    with open(history) as f:
        begun = [e["time"] for e in json.load(f) if "established" in (e.get("state"), e.get("to"))]
    print(round(1000 * (seconds(moves[0]["time"]) - seconds(begun[0]))))


def first_outbound(moves):
    return [m for m in moves if m["direction"] == "outbound"][0]


def order(moves):
    move = first_outbound(moves)
    pairs = [pair(move["from"])]
    for p in move["probed"]:
        if pair(p) not in pairs:
            pairs.append(pair(p))
    print(*(address for p in pairs[:4] for address in p))


def fourth(moves, order_file):
    move = first_outbound(moves)
    with open(order_file) as f:
        words = f.read().split()
    dead = list(zip(words[::2], words[1::2]))
    assert move["trigger"] == "ulp" and pair(move["from"]) == dead[0], move
    # The first of the others is asked with the doubt, and again when the exploration begins.
    probed = []
    for p in move["probed"]:
        if pair(p) != dead[0] and pair(p) not in [pair(q) for q in probed]:
            probed.append(p)
    assert [pair(p) for p in probed[:3]] == dead[1:], (dead, move)
    assert len(probed) == 4 and pair(move["to"]) == pair(probed[3]), move
    took = seconds(move["time"]) - seconds(probed[0]["time"])
    assert took <= 2, took


{"since-context": since_context, "order": order, "fourth": fourth}[sys.argv[1]](json.load(sys.stdin), *sys.argv[2:])
