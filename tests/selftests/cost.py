# SPDX-License-Identifier: GPL-2.0
"""The cost of requests for others, in processor time and in memory: for the daemon's one thread,
and for the machine that others share. It needs real time."""

import os
import time

import genl
from host import *
from told import *


def u64(attr, value):
    return genl.attr(attr, struct.pack("=Q", value))


CONTEXT_SET, TAG_PEER, LOCATOR_LOCAL, LOCATOR_PEER, CONTEXT_SEND_TIMEOUT = 5, 6, 8, 9, 14
NAME = genl.attr(2, a) + genl.attr(3, b)


def each(n, values):
    """How many seconds a context-set takes."""
    g = genl.Genl()
    family, _ = g.family("shim6")
    start = time.monotonic()
    for i in range(n):
        same("set", g.ask(family, CONTEXT_SET, NAME + values(i))[:2], (0, ""))
    return (time.monotonic() - start) / n


@case("another tag of the peer costs as much as any other value: no request waits for a grace period")
def tag_peer():
    fresh()
    timeout = min(each(100, lambda i: genl.u32(CONTEXT_SEND_TIMEOUT, 15000 + i)) for _ in range(3))
    tag = min(each(100, lambda i: u64(TAG_PEER, 100 + i)) for _ in range(3))
    assert tag < 3 * timeout + 0.001, f"{tag * 1000:.2f} ms, where a timeout takes {timeout * 1000:.2f} ms"


def kworkers():
    """The processor time of all kworkers, in seconds."""
    ticks = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, rest = open(f"/proc/{pid}/stat").read().rsplit(")", 1)
        except OSError:
            continue
        if "(kworker" in name:
            ticks += sum(map(int, rest.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@case("switches of a namespace without TCP cost the machine nothing, and of one with it a small part of a processor")
def switches():
    fresh()
    pairs = [genl.attr(LOCATOR_LOCAL, x) + genl.attr(LOCATOR_PEER, y) for x, y in ((a, b), (la, lb))]
    listener = None
    for part in 0.1, 0.3:
        before, start, n = kworkers(), time.monotonic(), 0
        while time.monotonic() - start < 5:
            n += 200
            each(200, lambda i: pairs[i & 1])
        used = (kworkers() - before) / (time.monotonic() - start)
        assert used < part, f"{used:.2f} of a processor for {n} switches, with{'' if listener else 'out'} a TCP socket"
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.bind((A, 4400))
        listener.listen()


def charged():
    """The kernel's memory that is charged to this process's cgroup, in octets."""
    stat = dict(line.split() for line in open("/sys/fs/cgroup/fair/memory.stat"))
    return int(stat["kernel"]) if "kernel" in stat else int(stat["slab"])


@case("memory for flows is charged to the process that asks for it")
def flows_charged():
    os.makedirs("/sys/fs/cgroup", exist_ok=True)
    if not os.path.exists("/sys/fs/cgroup/cgroup.subtree_control"):
        run("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
    open("/sys/fs/cgroup/cgroup.subtree_control", "w").write("+memory")
    os.makedirs("/sys/fs/cgroup/fair", exist_ok=True)
    open("/sys/fs/cgroup/fair/cgroup.procs", "w").write(str(os.getpid()))
    with Daemon():
        before = charged()
        tool("config", "set", "max-flows", "262144")
        grown = charged() - before
        assert grown > 15 << 20, f"262144 flows are charged with {grown} octets"
        tool("config", "set", "max-flows", "4096")


main()
