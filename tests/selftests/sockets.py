# SPDX-License-Identifier: GPL-2.0
"""Many sockets with options, of a program without rights.

COUNT...: opens so many at a time, each with SHIM_DONTSHIM, closes them and waits until those are
released: 3 s, and no more.
flood COUNT: opens sockets until no more can have options, which has to be after COUNT.
hold: has sockets of each kind until a line comes, and uses the options after it."""

import errno
import resource
import socket
import sys
import time

import shim


def opened(kind=socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET6, kind)
    shim.put(s, shim.DONTSHIM, 1)
    return s


def most():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def flood(count):
    for _ in range(2):
        held = []
        try:
            while len(held) < count + 10:
                held.append(opened())
        except OSError as e:
            assert e.errno == errno.ENOBUFS, e
        assert len(held) == count, len(held)
        # A socket that has options can still change them, and its end makes room at once.
        shim.put(held[0], shim.DONTSHIM, 0)
        opened().close()
        for s in held:
            s.close()
        time.sleep(3)


def hold():
    held = [opened(), opened(socket.SOCK_STREAM)]
    listener = opened(socket.SOCK_STREAM)
    listener.bind(("::", 0))
    listener.listen()
    client = socket.create_connection(("::1", listener.getsockname()[1]))
    held += [listener, client, listener.accept()[0]]
    print("ready", flush=True)
    sys.stdin.readline()
    for s in held[:2]:
        assert shim.get(s, shim.DONTSHIM) == 0
        shim.put(s, shim.DONTSHIM, 1)
    held[3].send(b"x")
    assert held[4].recv(1) == b"x"


if sys.argv[1] == "flood":
    flood(int(sys.argv[2]))
elif sys.argv[1] == "hold":
    hold()
else:
    most()
    for count in map(int, sys.argv[1:]):
        held = [opened() for _ in range(count)]
        for s in held:
            s.close()
        time.sleep(3)
