# SPDX-License-Identifier: GPL-2.0
"""The pairs that are counted before they have a context, as the kernel tells them (flow-get).
host.py explains the cases. This program is the daemon (told.py): without one nothing is counted.
The cases need virtual time."""

import errno
import json
import struct
import time

import genl
import pkt
from genl import u32
from host import *
from pkt import UDP, ip
from told import *

FLOW_GET, NLM_F_DUMP, NLM_F_DUMP_INTR = 26, 0x300, 0x10
THERE = "2001:db8:b:7::1"


def flows(*words):
    """The pairs by their peers."""
    return {f["ulid-peer"]: f for f in json.loads(tool("-j", *words, "flow"))}


def send(n, other=THERE, port=9):
    with udp_socket(4300) as s:
        for _ in range(n):
            s.sendto(b"x", (other, port))


def answer(other=THERE):
    tun.put(pkt.ipv6(ip(other), a, UDP, pkt.udp(ip(other), a, 9, 4300, b"y")))


@case("a pair without a context is told: how much of how much was counted, and whether the peer sends")
def counted():
    with Daemon() as d:
        same("pairs", flows(), {})
        send(32)
        got = flows()[THERE]
        same("pair", {k: got[k] for k in ("ulid-local", "packets", "trigger-packets", "trigger-time", "heard")},
             {"ulid-local": A, "packets": 32, "trigger-packets": 45, "trigger-time": 10000, "heard": False})
        assert got["age"] < 2000 and got["idle"] <= got["age"] and "asked" not in got, got
        assert f"{A} {THERE} 32 of 45 packets" in tool("flow"), tool("flow")
        assert "the peer has sent nothing yet" in tool("flow"), tool("flow")
        answer()
        time.sleep(5)
        got = flows()[THERE]
        same("packets and heard", (got["packets"], got["heard"]), (33, True))
        near("idle", got["idle"], 5000, 6000)
        send(20)
        d.expect(ACQUIRE, ULID_LOCAL=a, ULID_PEER=ip(THERE), PACKETS=45)
        time.sleep(2)
        got = flows()[THERE]
        same("packets", got["packets"], 53)
        near("asked", got["asked"], 2000, 3000)
        assert "shim6d was asked for a context 2" in tool("flow"), tool("flow")
        # After 30 seconds of silence the exchange is over, and the pair is not told.
        time.sleep(31)
        same("pairs", flows(), {})
        send(1)
        same("packets", flows()[THERE]["packets"], 1)
    same("pairs without a daemon", flows(), {})


@case("a pair is told as the rules count it; what they ignore, and what has a context, is not counted")
def by_rule():
    tool("policy", "add", "protocol", "udp", "port-peer", "99", "action", "shim", "trigger-packets", "0", "trigger-time", "0s")
    with Daemon():
        send(3, port=99)
        got = flows()[THERE]
        same("pair", (got["packets"], got["trigger-packets"], got["trigger-time"]), (3, 0, 0))
        assert "3 packets\n    neither packets nor time ask" in tool("flow"), tool("flow")
        send(3, "2001:db8:b:7::2", port=53)
        send(3, B)
        same("pairs", list(flows()), [THERE])
        # From now on this pair has a context as well.
        tool("context", "add", A, THERE, "tag-local", "77")
        same("pairs", flows(), {})
        tool("context", "del", A, THERE)
        same("pairs", list(flows()), [THERE])
        same("pairs of another namespace", run("unshare", "-n", "shim6tool", "-j", "flow"), "[]\n")
    tool("policy", "del", "preference", "32699")


@case("who talks to whom is for privileged readers, and a dump takes no attributes")
def rights():
    with Daemon() as d:
        p = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all", "shim6tool", "flow"],
                           capture_output=True, text=True)
        assert p.returncode == 2 and "CAP_NET_ADMIN" in p.stderr, p
        got = d.sock.ask(d.family, FLOW_GET, u32(3, 1), NLM_F_DUMP)
        same("answer", got[0], errno.EINVAL)
        # One pair that is asked for by itself does not exist.
        assert d.sock.ask(d.family, FLOW_GET, b"")[0] in (errno.EOPNOTSUPP, errno.EINVAL)


def dump(meanwhile):
    """The peers of a dump, and whether it was interrupted; meanwhile() runs after its first part."""
    g = genl.Genl()
    family, _ = g.family("shim6")
    g.sock.send(struct.pack("=IHHIIBBH", 20, family, 1 | NLM_F_DUMP, 99, 0, FLOW_GET, 1, 0))
    peers, interrupted = [], False
    while True:
        for kind, flags, _, data in g.receive():
            interrupted |= bool(flags & NLM_F_DUMP_INTR)
            if kind != family:
                same("the end of the dump", (kind, data[:4]), (genl.NLMSG_DONE, bytes(4)))
                g.sock.close()
                return peers, interrupted
            found = genl.attrs(data[4:])
            same("ULID", found[1], a)
            peers.append(found[2])
        if meanwhile:
            meanwhile()
            meanwhile = None


def fill(prefix):
    with udp_socket(4302) as s:
        for i in range(4000):
            s.sendto(b"x", (f"{prefix}{i:x}", 9))


@case("a dump has each pair of a large table, and goes on while pairs and the table go")
def moving():
    daemon = Daemon()
    with daemon:
        fill("2001:db8:b:8::")
        peers, interrupted = dump(None)
        same("pairs, different ones, interrupted", (len(peers), len(set(peers)), interrupted), (4000, 4000, False))
        # Nearly all places get other pairs.
        peers, interrupted = dump(lambda: fill("2001:db8:b:9::"))
        assert 4000 <= len(peers) <= 4096 and not interrupted, len(peers)
        assert {p[:8] for p in peers} == {ip("2001:db8:b:8::")[:8], ip("2001:db8:b:9::")[:8]}
        # Another table takes the place: what comes then is not of one piece.
        peers, interrupted = dump(lambda: tool("config", "set", "max-flows", "100"))
        assert 0 < len(peers) < 4000 and interrupted, (len(peers), interrupted)
        same("pairs", flows(), {})
        tool("config", "set", "max-flows", "4096")
        fill("2001:db8:b:8::")
        # The daemon ends, and its table with it.
        peers, interrupted = dump(daemon.sock.sock.close)
        assert 0 < len(peers) < 4000 and interrupted, (len(peers), interrupted)


main()
