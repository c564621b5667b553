# SPDX-License-Identifier: GPL-2.0
"""Packets that are nearly right, by every way into the kernel that a TAP device has (plain, NAPI
with GRO, page fragments, large segments), while the context changes. The kernel must survive
them. Streams by the same ways must arrive. host.py explains the cases."""

import fcntl
import os
import random
import socket
import struct
import time

import pkt
from host import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, ROUTING, SHIM6, TCP, UDP, ip

IFF_TAP, IFF_NAPI, IFF_NAPI_FRAGS, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x10, 0x20, 0x1000, 0x4000
MAC = bytes.fromhex("02000000005e")
PACKETS = int(os.environ.get("SHIM6_FUZZ_PACKETS", "1500"))
seed = int(os.environ.get("SHIM6_SEED", "5533"))
fuzz = random.Random(seed)


class Tap:
    """A TAP device of this namespace, with these flags."""

    def __init__(self, name, flags):
        self.flags = flags
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454CA, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | flags))
        os.set_blocking(self.fd, False)
        if flags & IFF_VNET_HDR:
            fcntl.ioctl(self.fd, 0x400454D0, 0x01 | 0x04)  # TUNSETOFFLOAD: TUN_F_CSUM, TUN_F_TSO6
        run("ip", "link", "set", name, "address", ":".join(f"{o:02x}" for o in MAC), "up", "mtu", "1500")
        run("ip", "link", "set", name, "arp", "off")
        if flags & IFF_NAPI:
            # Each write is a poll of its own: packets that GRO holds wait for the next one.
            self.name = name
            self.hold(0.02)

    def hold(self, seconds):
        """As long as this, if no other packet says that it goes on."""
        with open(f"/sys/class/net/{self.name}/gro_flush_timeout", "w") as f:
            f.write(str(int(seconds * 1e9)))

    def put(self, packet, cuts=(), vnet=bytes(10)):
        frame = MAC + bytes.fromhex("02000000005f") + b"\x86\xdd" + packet
        parts = [frame]
        if self.flags & IFF_NAPI_FRAGS:
            # The first piece is linear, and each other one is a page fragment.
            cuts = [0, *sorted({c for c in cuts if 14 <= c < len(frame)})[:15], len(frame)]
            parts = [frame[x:y] for x, y in zip(cuts, cuts[1:])]
        if self.flags & IFF_VNET_HDR:
            parts.insert(0, vnet)
        try:
            os.writev(self.fd, parts)
        except OSError:
            # The device itself refuses such a frame.
            return False
        return True

    def drain(self):
        try:
            while os.read(self.fd, 70000):
                pass
        except BlockingIOError:
            pass


PLAIN, NAPI, FRAGS, GSO = "plain", "NAPI and GRO", "page fragments and GRO", "segments to be cut"
FLAGS = {PLAIN: 0, NAPI: IFF_NAPI, FRAGS: IFF_NAPI | IFF_NAPI_FRAGS, GSO: IFF_VNET_HDR}
taps = {}


def tap(kind):
    if kind not in taps:
        taps[kind] = Tap(f"tap{len(taps)}", FLAGS[kind])
    return taps[kind]


# --- packets ---------------------------------------------------------------------

def some_options(nexthdr):
    n = fuzz.choice((6, 14, 30, 126, 254))
    return pkt.options(nexthdr, bytes([fuzz.choice((1, 0x1E, 0xC2)), n - 2]) + fuzz.randbytes(n - 2))


def some_routing(nexthdr):
    return bytes([nexthdr, 2, fuzz.choice((0, 2, 4, 3)), fuzz.randrange(2), *fuzz.randbytes(4)]) + fuzz.choice((a, la, b))


def some_fragment(nexthdr):
    return pkt.fragment(nexthdr, 8 * fuzz.randrange(8), fuzz.randrange(2), fuzz.randrange(4))


def some_chain(nexthdr, data):
    for _ in range(fuzz.choice((0, 0, 1, 1, 2, 3, 9))):
        kind, make = fuzz.choice(((DEST, some_options), (HOP, some_options), (ROUTING, some_routing), (FRAGMENT, some_fragment)))
        nexthdr, data = kind, make(nexthdr) + data
    return nexthdr, data


def some_ulp():
    data = fuzz.randbytes(fuzz.choice((0, 1, 8, 100, 1100)))
    return fuzz.choice((
        (UDP, pkt.udp(b, a, 9, PORT, data)), (TCP, struct.pack("!HHIIBBHHH", 9, PORT, 1, 1, 0x50, 0x10, 99, 0, 0) + data),
        (ICMPV6, pkt.icmpv6(b, a, bytes([fuzz.choice((128, 136)), 0, 0, 0]) + data)), (253, data), (41, pkt.ipv6(b, a, 253, data)),
        (SHIM6, pkt.control(fuzz.randrange(128), CT_LOCAL.to_bytes(6, "big") + fuzz.randbytes(12 + 8 * fuzz.randrange(9)))), (59, data)))


def some_datagram(nexthdr, data, src, dst):
    """The same in UDP, as protocol 140 would have it."""
    return UDP, pkt.udp(src, dst, UDP_PORT, UDP_PORT if fuzz.randrange(9) else 9, data, fuzz.choice((0, 0, 0, 1)))


def some_packet():
    """A well-formed packet, which the caller then damages."""
    nexthdr, data = some_chain(*some_ulp())
    if fuzz.randrange(5):
        tag = CT_LOCAL if fuzz.randrange(8) else CT_LOCAL ^ 1
        nexthdr, data = SHIM6, pkt.payload_header(tag, nexthdr) + data
        src, dst = fuzz.choice((lb, b)), fuzz.choice((la, a))
        if fuzz.randrange(2):
            nexthdr, data = some_datagram(nexthdr, data, src, dst)
        nexthdr, data = some_chain(nexthdr, data)
        p = pkt.ipv6(src, dst, nexthdr, data)
    else:
        p = pkt.ipv6(fuzz.choice((lb, b)), fuzz.choice((la, a)), nexthdr, data)
    if not fuzz.randrange(4):
        quoted = SHIM6, pkt.payload_header(CT_PEER, nexthdr) + data
        if fuzz.randrange(2):
            quoted = some_datagram(*quoted, la, lb)
        p = pkt.icmp_error(ip("2001:db8:f::1"), la, fuzz.randint(1, 4), fuzz.randrange(7), fuzz.choice((0, 6, 40, 1280, 1400)),
                           pkt.ipv6(la, lb, *some_chain(*quoted)))
    p = bytearray(p[:1500])
    for _ in range(fuzz.choice((0, 0, 1, 2, 5))):
        p[fuzz.randrange(len(p))] = fuzz.choice((0, 1, 60, 140, 255, fuzz.randrange(256)))
    if not fuzz.randrange(6):
        del p[fuzz.randrange(1, len(p) + 1):]
    return bytes(p)


def some_vnet():
    """Half of them ask for segmentation or a checksum, with random offsets."""
    if fuzz.randrange(2):
        return bytes(10)
    return struct.pack("=BBHHHH", fuzz.randrange(2), fuzz.choice((0, 4, 5)), fuzz.choice((54, 62, 82, 130)), fuzz.choice((0, 8, 100, 1200)),
                       fuzz.choice((54, 62, 78)), fuzz.choice((6, 16, 2)))


def change():
    """Change the context in a random way."""
    n = fuzz.randrange(7)
    if n == 0:
        rehome()
    elif n == 5:
        tool("config", "set", "udp-port", str(fuzz.choice((0, 1, UDP_PORT, UDP_PORT))))
    elif n == 6:
        tool("config", "set", "udp-port", str(UDP_PORT))
        context(locator_local=LA, locator_peer=LB, encapsulation="udp")
    elif n == 1:
        home()
    elif n == 2:
        context(state=fuzz.choice(("i1-sent", "i2-sent", "established")))
    elif n == 3:
        tool("context", "del", A, B)
        context_new()
    else:
        context(locators_peer=f"{LB},2001:db8:b:3::1")


def storm(kind):
    d = tap(kind)
    for n in range(PACKETS):
        p = some_packet()
        d.put(p, [fuzz.randrange(14, len(p) + 14) for _ in range(fuzz.randrange(6))], some_vnet())
        if n % 50 == 49:
            d.drain()
            tun.drain()
        if n % 150 == 149:
            change()
    tool("config", "set", "udp-port", str(UDP_PORT))
    tool("context", "flush")
    context_new()


for kind in FLAGS:
    case(f"{PACKETS} packets at random, {kind}")(lambda kind=kind: storm(kind))
    cases[-1][1].__name__ = "storm"


# --- streams --------------------------------------------------------------------------

class Stream:
    """A connection to this host. This program is its peer, and its packets are re-homed."""

    def __init__(self, d, udp=False):
        self.d, self.udp, self.seq, self.port = d, udp, 1, fuzz.randrange(20000, 60000)
        self.server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((A, PORT))
        self.server.listen()
        self.server.settimeout(5)
        tun.drain()
        self.d.put(self.segment(0x02, 0, b"", seq=0))
        # An answer to a packet with our header has the header too, on the ULIDs.
        answer = tun.get(want=lambda p: p[6] == SHIM6 and p[40] == TCP and p[24:40] == b)
        self.ack = struct.unpack("!I", answer[52:56])[0] + 1
        self.d.put(self.segment(0x10, self.ack, b""))
        self.sock, _ = self.server.accept()
        self.sock.settimeout(5)

    def segment(self, flags, ack, data, seq=None, partial=False):
        head = struct.pack("!HHIIBBHHH", self.port, PORT, self.seq if seq is None else seq, ack, 5 << 4, flags, 65535, 0, 0)
        if partial:
            check = pkt.sum16(pkt.pseudo(b, a, len(head) + len(data), TCP))
        else:
            check = pkt.checksum(b, a, TCP, head + data)
        ours = pkt.payload_header(CT_LOCAL, TCP) + head[:16] + struct.pack("!H", check) + head[18:] + data
        if self.udp:
            return pkt.ipv6(lb, la, UDP, pkt.udp(lb, la, UDP_PORT, UDP_PORT, ours))
        return pkt.ipv6(lb, la, SHIM6, ours)

    def send(self, data, size, last=0x18):
        """Send segments of a size, each in random pieces; or one large segment that the receiver could
        cut. The last one has the flag PSH."""
        if self.d.flags & IFF_VNET_HDR:
            # struct virtio_net_hdr: F_NEEDS_CSUM, GSO_TCPV6, hdr_len, gso_size, csum_start, csum_offset.
            vnet = struct.pack("=BBHHHH", 1, 4, 14 + 48 + 20, size, 14 + 48, 16)
            assert self.d.put(self.segment(0x18, self.ack, data, partial=True), vnet=vnet), "the device refuses it"
            self.seq += len(data)
            return
        while data:
            part, data = data[:size], data[size:]
            p = self.segment(0x10 if data else last, self.ack, part)
            cuts = [14 + fuzz.choice((39, 40, 41, 47, 48, 49, 67, 68, 69, fuzz.randrange(20, len(p)))) for _ in range(fuzz.randrange(5))]
            assert self.d.put(p, cuts), "the device refuses it"
            self.seq += len(part)

    def close(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.server.close()


def stream(kind, udp=False):
    d = tap(kind)
    tool("config", "set", "udp-port", str(UDP_PORT))
    merged = stats()["gro-merged"]
    s = Stream(d, udp)
    try:
        for n in range(40):
            data = fuzz.randbytes(fuzz.randrange(2000, 20000))
            s.send(data, fuzz.choice((100, 536, 1200)))
            got = b""
            while len(got) < len(data):
                got += s.sock.recv(len(data) - len(got))
            same("stream", got, data)
            tun.drain()
    finally:
        s.close()
    # With page fragments each write is a poll, which goes through GRO and flushes it.
    if kind == NAPI:
        assert stats()["gro-merged"] > merged, "nothing is merged"


for kind in FLAGS:
    case(f"a re-homed stream arrives, octet for octet: {kind}")(lambda kind=kind: stream(kind))
    cases[-1][1].__name__ = "stream"
# The header of a large segment that a TAP device gives can't tell of headers before TCP's own.
for kind in (PLAIN, NAPI, FRAGS):
    case(f"a stream in UDP arrives, octet for octet: {kind}")(lambda kind=kind: stream(kind, True))
    cases[-1][1].__name__ = "stream_udp"

@case("the module goes while GRO holds what it has merged")
def unload():
    d = tap(NAPI)
    s = Stream(d)
    d.hold(60)
    try:
        data = fuzz.randbytes(3600)
        s.send(data, 1200, last=0x10)
        s.sock.setblocking(False)
        try:
            raise AssertionError(f"{len(s.sock.recv(5000))} octets are not held")
        except BlockingIOError:
            pass
        run("modprobe", "-r", "shim6")
        same("what was held", s.sock.recv(5000), data)
    finally:
        s.close()
        run("modprobe", "shim6")


print("# seed", seed)
main("keepalive-timeout", "1h")
