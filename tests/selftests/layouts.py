# SPDX-License-Identifier: GPL-2.0
"""Every form of packet that has a header of ours, in every layout: split into a linear
part, page fragments and a list of fragments, as drivers, GRO and reassembly do
(nic/s6_inject.c). Deliveries and events are, octet for octet, those of the linear packet.
host.py explains the cases."""

import functools
import itertools
import os
import random
import socket
import struct
import time

import genl
import pkt
from host import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, ROUTING, SHIM6, TCP, UDP, ip

OTHER = 253
LISTED = 0x8000
NONE, UNNECESSARY, COMPLETE = 0, 1, 2
CLONE, ETHERNET = 1, 2
# One in so many of a form's layouts is tried, different ones each time; 1 tries all. Layouts
# whose linear part ends at a header's edge are always tried.
FEW = int(os.environ.get("SHIM6_LAYOUTS", "3"))
fuzz = random.Random(5533)
inject_fd = os.open("/dev/s6_inject", os.O_WRONLY)


def inject(packet, linear, pieces=(), csum=NONE, flags=0):
    head = struct.pack("=IHBBH16H2x", socket.if_nametoindex("tun0"), linear, csum, flags, len(pieces),
                       *pieces, *[0] * (16 - len(pieces)))
    os.write(inject_fd, head + packet)


# --- the results of a packet -----------------------------------------------------

@functools.cache
def witness():
    return Witness()


class Witness:
    """All messages to sockets of each protocol and to the daemon, which is this program."""

    def __init__(self):
        self.raw = []
        for proto in (TCP, UDP, ICMPV6, OTHER):
            s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, proto)
            s.setblocking(False)
            self.raw.append((proto, s))
        # It verifies the checksum, in a different way for each kind of CHECKSUM_*.
        self.udp = udp_socket()
        self.udp.setblocking(False)
        self.netlink, self.asks = genl.Genl(), genl.Genl()
        family, _ = self.netlink.family("shim6")
        assert self.netlink.ask(family, 18, b"")[0] == 0, "can't register as the daemon"
        self.netlink.sock.setblocking(False)
        self.family = family

    def saw(self):
        """All messages since the last call."""
        got = []
        for proto, s in self.raw:
            while True:
                try:
                    data, (source, *_) = s.recvfrom(70000)
                except BlockingIOError:
                    break
                # A message of the kernel's own.
                if proto != ICMPV6 or data[0] < 130 or data[0] == 128:
                    got.append((proto, source, data))
        while True:
            try:
                got.append(("udp", *self.udp.recvfrom(70000)))
            except BlockingIOError:
                break
        while True:
            try:
                got += [("event", data) for kind, _, _, data in self.netlink.receive() if kind == self.family]
            except BlockingIOError:
                break
        return got


@functools.cache
def names():
    return list(stats())


def counters():
    """The counters of arriving packets, by number, in the order of the names: to run shim6tool would take
    longer than all packets of a form. The other counters are of answers, which are limited."""
    w = witness()
    values = {k: v for k, v in genl.attrs(w.asks.ask(w.family, 17, b"")[2][0][4:]).items() if v}
    assert len(values) == len(names()), (values, names())
    return {k: int.from_bytes(values[n], "little") for k, n in zip(names(), sorted(values))
            if k.startswith(("in-", "ctl-in", "icmp-", "keepalive-in")) and k != "in-ulid"}


# --- layouts -----------------------------------------------------------------------

def layouts(size, edges):
    """Layouts, as (at an edge, linear, pieces): linear parts of every length, with the rest in one
    piece, in a page or in the list; cuts at two edges and beside them; many small pieces."""
    for k in range(0, size):
        yield k in edges, k, [size - k]
        yield k in edges, k, [size - k | LISTED]
    near = sorted({e + d for e in edges for d in (-1, 0, 1) if 0 <= e + d < size})
    for x, y in itertools.combinations(near, 2):
        yield False, x, [y - x, size - y]
        yield False, x, [y - x, size - y | LISTED]
        yield False, x, [y - x | LISTED, size - y | LISTED]
    for _ in range(20):
        cuts = sorted(fuzz.sample(range(1, size), min(fuzz.randint(3, 15), size - 1)))
        pieces = [y - x for x, y in zip(cuts, cuts[1:] + [size])]
        listed = fuzz.randint(0, len(pieces))
        yield False, cuts[0], [p | (LISTED if i >= listed else 0) for i, p in enumerate(pieces)]


def ways():
    """How a packet arrives: the kind of checksum, whether it is shared, whether it has a MAC header."""
    yield from itertools.cycle(itertools.product((NONE, COMPLETE, UNNECESSARY), (0, CLONE, ETHERNET, CLONE | ETHERNET)))


arrivals = ways()
injected = 0


def every_layout(what, packets, edges, deliver=True, few=1):
    """Packets one after another; with the last one a datagram is complete and delivered."""
    global injected
    few *= FEW
    tun.drain()
    witness().saw()
    before = counters()
    for p in packets:
        tun.put(p)
    want = witness().saw()
    assert bool(want) == deliver, f"{what}: from the linear packet comes {want}"
    size = min(map(len, packets))
    times = 1
    for always, linear, pieces in layouts(size, edges):
        if not always and fuzz.randrange(few):
            continue
        csum, flags = next(arrivals)
        for p in packets:
            extra = len(p) - size
            end = pieces[:-1] + [pieces[-1] + extra]
            inject(p, linear, end, csum, flags)
        got = witness().saw()
        if got != want:
            raise AssertionError(f"{what}: linear {linear}, pieces {[hex(p) for p in pieces]}, checksum {csum}, flags {flags}:\n"
                                 f"  {got}, wanted\n  {want}")
        times += 1
        injected += len(packets)
        if times % 64 == 0:
            tun.drain()
        # Events are limited, by context and by source.
        if want and want[0][0] == "event" and times % 8 == 0:
            time.sleep(2)
    tun.drain()
    # Each layout changes the counters as the first one did.
    for k, v in counters().items():
        more = v - before[k]
        assert more % times == 0, f"{what}: counter {k} has grown by {more} with {times} packets"


# --- forms ---------------------------------------------------------------------------

def options(size):
    """An option of this size, to be skipped."""
    return lambda nexthdr: pkt.options(nexthdr, bytes([0x1E, size - 4]) + bytes(size - 4))


def routing(nexthdr):
    """A Routing header that has no segment left."""
    return bytes([nexthdr, 2, 0, 0, 0, 0, 0, 0]) + ip("2001:db8:c::1")


def only_fragment(nexthdr):
    return pkt.fragment(nexthdr, 0, 0, 77)


KINDS = {HOP: options(16), DEST: options(24), ROUTING: routing, FRAGMENT: only_fragment}


def chain(headers, nexthdr, payload):
    """Headers before a payload, as (first next header, octets, edges)."""
    edges = []
    for h in reversed(headers):
        head = KINDS[h](nexthdr)
        payload = head + payload
        nexthdr = h
        edges = [len(head)] + [len(head) + e for e in edges]
    return nexthdr, payload, edges


ULPS = {
    "UDP": (UDP, HELLO),
    "TCP": (TCP, (lambda t: t[:16] + struct.pack("!H", pkt.checksum(b, a, TCP, t)) + t[18:])(
        struct.pack("!HHIIBBHHH", 9, PORT, 1, 1, 5 << 4, 0x10, 65535, 0, 0) + b"segment")),
    "ICMPv6": (ICMPV6, pkt.icmpv6(b, a, bytes([128, 0, 0, 0, 0, 7, 0, 1]) + b"echo")),
    "any": (OTHER, b"any other protocol"),
}
# Our senders make the first form. The hook removes that header; the handler removes those behind the
# last forms.
BEFORE = ([], [HOP], [ROUTING], [HOP, DEST, ROUTING], [DEST], [HOP, DEST], [ROUTING, DEST], [FRAGMENT],
          [HOP, ROUTING, FRAGMENT, DEST])
BEHIND = ([], [DEST], [FRAGMENT], [FRAGMENT, DEST])
NAMES = {HOP: "hop-by-hop", DEST: "destination options", ROUTING: "routing", FRAGMENT: "fragment"}


def name(before, behind, ulp):
    return ", ".join([*(NAMES[h] for h in before), "payload header", *(NAMES[h] for h in behind), ulp])


def payload(before, behind, ulp):
    nexthdr, data, inner = chain(behind, *ULPS[ulp])
    first, octets, outer = chain(before, SHIM6, pkt.payload_header(CT_LOCAL, nexthdr) + data)
    ours = 40 + (outer[-1] if outer else 0)
    edges = [40, *(40 + e for e in outer), ours, ours + 8, *(ours + 8 + e for e in inner)]
    return pkt.ipv6(lb, la, first, octets), edges


@case("a payload header behind each order of headers, before each ULP, in each layout", "5533-12.2-02", "5533-12-01")
def forms_payload():
    for before in BEFORE:
        for behind in BEHIND:
            for ulp in ULPS:
                p, edges = payload(before, behind, ulp)
                # All layouts where other code reads the headers, samples where only the ULP differs.
                few = 1 if ulp == "UDP" and (not behind or before == []) else 23
                every_layout(name(before, behind, ulp), [p], edges, few=few)


def by_udp(before, behind, ulp, bad=0):
    nexthdr, data, inner = chain(behind, *ULPS[ulp])
    ours = pkt.udp(lb, la, UDP_PORT, UDP_PORT, pkt.payload_header(CT_LOCAL, nexthdr) + data, bad)
    first, octets, outer = chain(before, UDP, ours)
    at = 40 + (outer[-1] if outer else 0)
    edges = [40, *(40 + e for e in outer), at, at + 8, at + 16, *(at + 16 + e for e in inner)]
    return pkt.ipv6(lb, la, first, octets), edges


@case("a payload header in UDP behind each order of headers, before each ULP, in each layout")
def forms_udp():
    tool("config", "set", "udp-port", str(UDP_PORT))
    for before in BEFORE:
        for behind in BEHIND:
            for ulp in ULPS:
                p, edges = by_udp(before, behind, ulp)
                few = 2 if ulp == "UDP" and (not behind or before == []) else 29
                every_layout("UDP, " + name(before, behind, ulp), [p], edges, few=few)
    m = pkt.control(67, CT_LOCAL.to_bytes(6, "big") + bytes(28))
    for before in ([], [DEST], [FRAGMENT]):
        first, octets, edges = chain(before, UDP, pkt.udp(lb, la, UDP_PORT, UDP_PORT, m))
        at = 40 + (edges[-1] if edges else 0)
        every_layout(f"a Probe in UDP behind {before}", [pkt.ipv6(lb, la, first, octets)], [40, at, at + 8, at + 16], few=7)


@case("reassembled: our header behind a Fragment header, in the first of two", "5533-12-01")
def forms_reassembled():
    body = bytes(range(200))
    for before in ([], [HOP], [ROUTING]):
        inside = chain([DEST], SHIM6, pkt.payload_header(CT_LOCAL, UDP) + pkt.udp(b, a, 9, PORT, body))
        for cut in (32, 40, 48):
            packets = []
            for off, end in ((0, cut), (cut, len(inside[1]))):
                frag = pkt.fragment(DEST, off, end < len(inside[1]), 1000 + cut) + inside[1][off:end]
                first, octets, edges = chain(before, FRAGMENT, frag)
                packets.append(pkt.ipv6(lb, la, first, octets))
            at = 40 + (edges[-1] if edges else 0)
            every_layout(f"reassembled, cut at {cut}", packets, [40, at, at + 8, at + 32], few=2)


@case("a header in each fragment, in each layout", "5533-1.6-02")
def forms_fragments():
    whole = pkt.udp(b, a, 9, PORT, bytes(range(120)))
    for before in ([], [HOP], [DEST]):
        packets = []
        for off, end in ((0, 64), (64, len(whole))):
            frag = pkt.fragment(UDP, off, end < len(whole), 2000) + whole[off:end]
            first, octets, edges = chain(before, SHIM6, pkt.payload_header(CT_LOCAL, FRAGMENT) + frag)
            packets.append(pkt.ipv6(lb, la, first, octets))
        at = 40 + (edges[-1] if edges else 0)
        every_layout("fragments", packets, [40, at, at + 8, at + 16], few=2)


@case("control messages of each type behind each order of headers, in each layout", "5533-12-01")
def forms_control():
    tag = struct.pack("!Q", CT_LOCAL)[2:]
    for before in ([], [HOP], [DEST], [ROUTING], [FRAGMENT], [HOP, DEST, ROUTING]):
        for kind in (1, 2, 3, 4, 5, 6, 63, 64, 65, 66, 67, 68, 127):
            for size in (16, 40) if kind == 66 else (40,):
                m = pkt.control(kind, tag + bytes(range(size - 12)))
                first, octets, edges = chain(before, SHIM6, m)
                at = 40 + (edges[-1] if edges else 0)
                # The kernel handles a Keepalive without options: it is counted, and there is no event.
                every_layout(f"type {kind} behind {before}", [pkt.ipv6(lb, la, first, octets)], [40, at, at + 8],
                             deliver=(kind, size) != (66, 16), few=1 if kind in (66, 67) and before in ([], [DEST]) else 29)


@case("ICMPv6 errors about packets of ours, in each layout", "5533-8-01")
def forms_icmp():
    # A packet that was too big for a pair that the context has left does not concern the ULP.
    rehome()
    router = ip("2001:db8:f::1")
    inside = pkt.udp(a, b, PORT, 9, b"hello")
    for before in ([], [HOP], [ROUTING]):
        first, octets, edges = chain(before, SHIM6, pkt.payload_header(CT_PEER, UDP) + inside)
        at = 88 + (edges[-1] if edges else 0)
        quoted = pkt.ipv6(la, lb, first, octets)
        for kind, code, info in ((1, 0, 0), (1, 4, 0), (2, 0, 1400), (3, 0, 0), (4, 1, 40), (4, 0, 4)):
            p = pkt.icmp_error(router, la, kind, code, info, quoted)
            every_layout(f"ICMPv6 {kind}/{code}", [p], [40, 48, 88, at, at + 8], few=3)
    i1 = pkt.ipv6(la, lb, SHIM6, pkt.control(1, bytes(18)))
    every_layout("ICMPv6 about a control message", [pkt.icmp_error(router, la, 4, 1, 6, i1)], [40, 48, 88, 96], few=3)


@case("packets that are refused are refused in each layout, with the same counters")
def forms_refused():
    keepalive = pkt.control(66, struct.pack("!Q", CT_LOCAL)[2:] + bytes(4))
    for before in ([], [HOP], [DEST]):
        for nexthdr, data in ((SHIM6, keepalive), (DEST, pkt.options(SHIM6) + keepalive), (ICMPV6, pkt.icmpv6(b, a, bytes([136]) + bytes(23)))):
            first, octets, edges = chain(before, SHIM6, pkt.payload_header(CT_LOCAL, nexthdr) + data)
            at = 40 + (edges[-1] if edges else 0)
            every_layout("refused", [pkt.ipv6(lb, la, first, octets)], [40, at, at + 8, at + 16], deliver=False, few=3)


# The kernel does not limit its messages.
for limit in ("net.ipv6.icmp.ratelimit", "net.ipv6.conf.all.seg6_enabled", "net.ipv6.conf.tun0.seg6_enabled"):
    run("sysctl", "-qw", f"{limit}={int('seg6' in limit)}")
main("keepalive-timeout", "1h")
print("#", injected, "packets")
