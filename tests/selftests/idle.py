# SPDX-License-Identifier: GPL-2.0
"""usage: idle.py NAMESPACES BOUND

The cost of the module for a namespace that does not use Shim6. The module is loaded with no
namespace and with many, which exist before, and the memory of the kernel is compared.
Programs read in each of them, which does not count as use. More than BOUND octets fail.

The program also prints the cost of a namespace that uses Shim6. That must be more, otherwise
this measures nothing."""

import ctypes
import os
import statistics
import subprocess
import sys
import time

import genl
from genl import u32

CLONE_NEWNET = 0x40000000
CONFIG_GET, CONFIG_SET, CONTEXT_GET, POLICY_GET, STATS_GET = 1, 2, 6, 13, 17
DUMP = 0x304
libc = ctypes.CDLL(None, use_errno=True)
count, bound = int(sys.argv[1]), int(sys.argv[2])


def enter(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def used():
    """The size of slabs and per-CPU memory, in octets, after all grace periods have ended."""
    time.sleep(1)
    with open("/proc/meminfo") as f:
        info = {l.split(":")[0]: int(l.split()[1]) * 1024 for l in f}
    return info["SUnreclaim"] + info["Percpu"]


def load(remove=False):
    subprocess.run(["modprobe", *(["-r"] if remove else []), "shim6"], check=True)


def grown(namespaces, ask):
    """By how much memory grows when the module is loaded and ask() is called in each namespace."""
    before = used()
    load()
    for fd in namespaces:
        enter(fd)
        sock = genl.Genl()
        ask(sock, sock.family("shim6")[0])
        sock.sock.close()
    enter(home)
    after = used()
    load(remove=True)
    return after - before


def usually(namespaces, ask):
    """grown(), without what other programs take or give back meanwhile."""
    return statistics.median_low(grown(namespaces, ask) for _ in range(3))


def read(sock, family):
    for cmd, flags in ((CONFIG_GET, 4), (STATS_GET, 4), (CONTEXT_GET, DUMP), (POLICY_GET, DUMP)):
        code, text, _ = sock.ask(family, cmd, b"", flags)
        assert code == 0, (cmd, code, text)


def use(sock, family):
    code, text, _ = sock.ask(family, CONFIG_SET, u32(1, 5))
    assert code == 0, (code, text)


home = os.open("/proc/self/ns/net", os.O_RDONLY)
for _ in range(2):  # the first time also allocates what is allocated only once
    load()
    load(remove=True)
alone = usually([], read)
namespaces = []
for _ in range(count):
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    namespaces.append(os.open("/proc/self/ns/net", os.O_RDONLY))
enter(home)
grown(namespaces, read)
idle, busy = ((usually(namespaces, ask) - alone) // count for ask in (read, use))
print(f"{idle} octets for a namespace that does not use Shim6, {busy} for one that does")
if idle > bound or busy < 2 * bound:
    sys.exit(f"{idle} octets, wanted at most {bound}; used {busy}, wanted at least {2 * bound}")
