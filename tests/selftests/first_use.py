# SPDX-License-Identifier: GPL-2.0
"""usage: first_use.py NAMESPACES PROCESSES

Several processes are the first in a namespace at the same time: each adds a rule and makes
a context, and all of it is there afterwards."""

import ctypes
import os
import struct
import sys

import genl
from genl import attr, u32

CLONE_NEWNET = 0x40000000
CONTEXT_NEW, CONTEXT_GET, POLICY_NEW, POLICY_GET, DUMP = 4, 6, 11, 13, 0x304
libc = ctypes.CDLL(None, use_errno=True)
rounds, processes = int(sys.argv[1]), int(sys.argv[2])


def call(what, result):
    if result:
        raise OSError(ctypes.get_errno(), what)


def use(number):
    """The requests of one process, in one message."""
    rule = u32(1, number) + u32(13, 3)
    peer = bytes.fromhex("20010db8%024x" % number)
    context = attr(2, bytes.fromhex("20010db8%024x" % 0)) + attr(3, peer) + attr(5, struct.pack("=Q", number))
    order = [(POLICY_NEW, rule), (CONTEXT_NEW, context)]
    return order if number % 2 else order[::-1]


def child(number, orders, ready, go):
    while os.read(orders, 1):
        fd = os.open(f"/proc/{os.getppid()}/ns/net", os.O_RDONLY)
        call("setns", libc.setns(fd, CLONE_NEWNET))
        os.close(fd)
        sock = genl.Genl()
        family, _ = sock.family("shim6")
        os.write(ready, b"y")
        os.read(go, 1)
        codes = [sock.ask(family, cmd, body)[0] for cmd, body in use(number)]
        sock.sock.close()
        os.write(ready, b"n" if any(codes) else b"y")


def answers(fd):
    got = b""
    while len(got) < processes:
        got += os.read(fd, processes - len(got))
    assert got == b"y" * processes, "a request was refused"


ready_r, ready_w = os.pipe()
go_r, go_w = os.pipe()
orders = []
for i in range(processes):
    r, w = os.pipe()
    if not os.fork():
        os.close(w)
        for other in orders:
            os.close(other)
        child(i + 1, r, ready_w, go_r)
        os._exit(0)
    orders.append(w)

sock = genl.Genl()
family, _ = sock.family("shim6")
rules = len(sock.ask(family, POLICY_GET, b"", DUMP)[2])
for i in range(rounds):
    call("unshare", libc.unshare(CLONE_NEWNET))
    for w in orders:
        os.write(w, b"r")
    answers(ready_r)
    os.write(go_w, bytes(processes))
    answers(ready_r)
    sock = genl.Genl()
    seen = tuple(len(sock.ask(family, cmd, b"", DUMP)[2]) for cmd in (CONTEXT_GET, POLICY_GET))
    assert seen == (processes, rules + processes), f"namespace {i} has {seen} contexts and rules"
print(f"{rounds} namespaces, {processes} at once")
