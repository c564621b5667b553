# SPDX-License-Identifier: GPL-2.0
"""usage: flow.py sink ADDRESS FLOW... | record FILE ADDRESS FLOW... |
       source SECONDS MILLISECONDS [LOCAL ADDRESS FLOW...]

Flows whose interruptions are measured. A FLOW is PROTOCOL:PORT, where the protocol
is tcp, mptcp, sctp, udp, or call: datagrams that the sink sends back. An SCTP endpoint
also has the address FLOW_ALSO of the environment. Other addresses and their flows may follow. The source sends
1000 octets of each flow every so many MILLISECONDS, with TCP without waiting for room,
like an application that always has something to send. Without flows it reads them from
a line of standard input, so that it can be started before there are addresses.

The sink says "ready", and at SIGUSR1 "marked". At SIGTERM it prints a line for each
flow: its name, and for how many milliseconds at most nothing arrived since it was
marked, up to that moment; and, if something arrived after that time, "back".

To record is to be a sink that writes a line to FILE for whatever arrives: the time in
seconds since 1970, the flow and the octets, with commas between them.
"""

import os
import selectors
import signal
import socket
import struct
import sys
import time

MPTCP = 262
SCTP_NODELAY, SCTP_SOCKOPT_BINDX_ADD = 3, 100
TCP_NOTSENT_LOWAT = 25
BLOCK = b"x" * 1000
DATAGRAMS = "udp", "call"


def make(protocol):
    if protocol in DATAGRAMS:
        return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM, {"mptcp": MPTCP, "sctp": socket.IPPROTO_SCTP}.get(protocol, 0))


def bind(s, protocol, address, port):
    """Bind a socket, for SCTP to all addresses of the host."""
    s.bind((address, port))
    if protocol == "sctp":
        s.setsockopt(socket.IPPROTO_SCTP, SCTP_NODELAY, 1)
        also = struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(s.getsockname()[1]), 0,
                           socket.inet_pton(socket.AF_INET6, os.environ["FLOW_ALSO"]), 0)
        s.setsockopt(socket.IPPROTO_SCTP, SCTP_SOCKOPT_BINDX_ADD, also)


def placed(words, n):
    """The flows among words, each with the n addresses before it."""
    at = 0
    while at < len(words):
        addresses, at = words[at:at + n], at + n
        while at < len(words) and words[at].split(":")[0] in ("tcp", "mptcp", "sctp", *DATAGRAMS):
            yield words[at], addresses
            at += 1


class Flow:
    def __init__(self, name, record=None):
        self.name = name
        self.record = record
        self.protocol, port = name.split(":")
        self.port = int(port)
        self.mark()

    def mark(self):
        self.last, self.longest = time.monotonic(), 0

    def arrived(self, octets):
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        if self.record:
            print(f"{time.time():.4f},{self.name},{octets}", file=self.record)

    def result(self):
        silent = time.monotonic() - self.last
        back = silent < max(self.longest, 1)
        return f"{self.name} {round(max(silent, self.longest) * 1000)}{' back' if back else ''}"


class Sink:
    def __init__(self, words, record=None):
        self.flows = []
        self.selector = selectors.DefaultSelector()
        for name, (address,) in placed(words, 1):
            f = Flow(name, record)
            self.flows.append(f)
            s = make(f.protocol)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Later subflows of an MPTCP connection come to another address of this host.
            bind(s, f.protocol, "::" if f.protocol == "mptcp" else address, f.port)
            s.setblocking(False)
            if f.protocol not in DATAGRAMS:
                s.listen()
            self.watch(s, f, f.protocol not in DATAGRAMS)

    def watch(self, s, flow, listens):
        self.selector.register(s, selectors.EVENT_READ, (flow, listens))

    def run(self):
        # Signals come as octets that the loop reads, so that none is lost.
        told, tell = socket.socketpair()
        tell.setblocking(False)
        signal.set_wakeup_fd(tell.fileno())
        for n in signal.SIGUSR1, signal.SIGTERM:
            signal.signal(n, lambda *_: None)
        self.selector.register(told, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is told:
                    if signal.SIGTERM in told.recv(64):
                        return
                    for f in self.flows:
                        f.mark()
                    print("marked", flush=True)
                else:
                    self.readable(key.fileobj, *key.data)

    def readable(self, s, flow, listens):
        try:
            if listens:
                connection, _ = s.accept()
                connection.setblocking(False)
                self.watch(connection, flow, False)
            elif flow.protocol == "call":
                data, address = s.recvfrom(1 << 16)
                s.sendto(data, address)
                flow.arrived(len(data))
            elif octets := len(s.recv(1 << 16)):
                flow.arrived(octets)
            else:
                self.selector.unregister(s)
        except BlockingIOError:
            pass
        except OSError as e:
            print(f"{flow.name}: {e}", file=sys.stderr)
            self.selector.unregister(s)


def source(seconds, tick, words):
    sockets = {}
    for name, (local, address) in placed(words, 2):
        f = Flow(name)
        s = make(f.protocol)
        bind(s, f.protocol, local, 0)
        s.connect((address, f.port))
        if f.protocol == "tcp":
            # Data that could not be sent yet is little, and is sent soon.
            s.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384)
        s.setblocking(False)
        sockets[f.name] = s
    begun = due = time.monotonic()
    while due < begun + seconds:
        for name, s in list(sockets.items()):
            try:
                s.send(BLOCK)
            except BlockingIOError:
                pass
            except OSError as e:
                # A datagram may be refused, which does not matter; a connection is gone.
                if name.split(":")[0] not in DATAGRAMS:
                    print(f"{name}: {e} after {time.monotonic() - begun:.1f} s", file=sys.stderr)
                    del sockets[name]
        due += tick
        time.sleep(max(0, due - time.monotonic()))


if sys.argv[1] == "sink":
    sink = Sink(sys.argv[2:])
    sink.run()
    for f in sink.flows:
        print(f.result())
elif sys.argv[1] == "record":
    with open(sys.argv[2], "w") as file:
        Sink(sys.argv[3:], file).run()
else:
    source(float(sys.argv[2]), float(sys.argv[3]) / 1000, sys.argv[4:] or sys.stdin.readline().split())
