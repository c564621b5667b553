# SPDX-License-Identifier: GPL-2.0
"""The encapsulation in UDP (docs/udp-encapsulation.md), octet by octet, both ways. udp_vectors.txt
has the packets of the specification. host.py explains the cases."""

import errno
import fcntl
import os
import socket
import struct
import time

import genl
import pkt
from genl import attr, u32
from host import *
from icmp_errors import *
from pkt import DEST, FRAGMENT, HOP, ICMPV6, SHIM6, TCP, UDP, ip
from told import CONTROL, DESTINATION, ENCAPSULATION, ICMP, MESSAGE, NO_CONTEXT, SEND, SOURCE, Daemon

NATIVE, IN_UDP = None, 2  # enum encapsulation; without the attribute it is native
here = os.path.dirname(os.path.abspath(__file__))
vector = {w[0]: bytes.fromhex(w[1]) for w in
          (l.split() for l in open(os.path.join(here, "udp_vectors.txt"))) if w and w[0] != "#"}


def port(number=UDP_PORT):
    tool("config", "set", "udp-port", str(number))


def by_udp(local=LA, peer=LB):
    port()
    context(locator_local=local, locator_peer=peer, encapsulation="udp")


def datagram(src, dst, body, sport=UDP_PORT, dport=UDP_PORT, before=b"", first=UDP, bad=0):
    return pkt.ipv6(src, dst, first, before + pkt.udp(src, dst, sport, dport, body, bad))


def inside(nexthdr, payload, tag=CT_LOCAL):
    return pkt.payload_header(tag, nexthdr) + payload


def come(body, **kw):
    tun.put(datagram(lb, la, body, **kw))


def ipv6_error(want=lambda p: p[6] == ICMPV6 and p[40] < 128):
    return tun.get(0.5, want)


def unlimited():
    run("sysctl", "-qw", "net.ipv6.icmp.ratelimit=0")


@case("without a port nothing is open: no socket, no hook, and a context can't go by UDP")
def udp_off():
    unlimited()
    port(0)
    try:
        context(locator_local=LA, locator_peer=LB, encapsulation="udp")
        raise AssertionError("a context goes by UDP without a port")
    except subprocess.CalledProcessError as e:
        assert "udp-port" in e.stderr, e.stderr
    s = udp_socket()
    with Counted():
        tun.put(vector["payload-back"])
        got = ipv6_error()
        same("ICMPv6 error", got and (got[40], got[41]), (1, 4))
        nothing_received(s)
    # Any program may have the port then, and the module says that it has not.
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::", UDP_PORT))
        try:
            port()
            raise AssertionError("the port of another socket is opened")
        except subprocess.CalledProcessError as e:
            assert "another socket" in e.stderr, e.stderr
        assert '"udp-port":0' in tool("-j", "config", "show").replace(" ", ""), "a port that is not open is shown"
    port()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        try:
            other.bind(("::", UDP_PORT))
            raise AssertionError("another socket gets the port")
        except OSError as e:
            same("bind", e.errno, errno.EADDRINUSE)


@case("payload leaves as the vectors have it")
def udp_out():
    by_udp()
    s = udp_socket()
    with Counted(out_rehomed=1, out_udp=1):
        s.sendto(b"hello", (B, 9))
        sent(vector["payload"])
    # The context shows it, and what a ULP may send: 16 octets less.
    shown = tool("-j", "context", "show", A, B)
    for word in ('"encapsulation":"udp"', f'"mtu":{MTU - 16}'):
        assert word in shown.replace(" ", ""), shown
    # The port is the namespace's as it is now; without one, nothing goes out.
    port(5533)
    s.sendto(b"hello", (B, 9))
    sent(datagram(la, lb, inside(UDP, pkt.udp(a, b, PORT, 9, b"hello"), CT_PEER), 5533, 5533))
    port(0)
    with Counted(out_no_route=1):
        try:
            s.sendto(b"hello", (B, 9))
            raise AssertionError("a packet is sent, and its sender does not hear that it is not")
        except OSError as e:
            same("send", e.errno, errno.ENETUNREACH)
        nothing_sent()
    port()


@case("payload comes as the vectors have it: ULIDs come back, and the headers go")
def udp_in():
    by_udp()
    s = udp_socket()
    with Counted(in_payload=1, in_udp=1):
        tun.put(vector["payload-back"])
        received(s)
    # By which of its ports the peer sends does not matter: an address translator may have changed it.
    with Counted(in_payload=1, in_udp=1):
        come(inside(UDP, HELLO), sport=1234)
        received(s)
    with Counted(in_payload=1, in_udp=1, out_rehomed=1, out_udp=1):
        tun.put(vector["options"])
        got = tun.get()
    same("echo reply", got and got[56:58] + got[48:49], bytes([129, 0, ICMPV6]))
    with Counted(in_payload=2, in_udp=2):
        for name in ("fragment-2", "fragment-1"):
            tun.put(vector[name])
        received(s, bytes(range(24)))


@case("UDP behind other headers, in a fragmented packet, and before padding")
def udp_in_odd():
    by_udp()
    s = udp_socket()
    body = inside(UDP, HELLO)
    ways = {
        "Hop-by-Hop Options": datagram(lb, la, body, before=pkt.options(UDP), first=HOP),
        "Destination Options": datagram(lb, la, body, before=pkt.options(UDP), first=DEST),
        "an only fragment": datagram(lb, la, body, before=pkt.fragment(UDP, 0, 0, 7), first=FRAGMENT),
    }
    plain = datagram(lb, la, body)
    ways["padding"] = plain[:4] + struct.pack("!H", len(plain) - 40 + 5) + plain[6:] + b"\xff" * 5
    for name, p in ways.items():
        with Counted(in_payload=1, in_udp=1):
            tun.put(p)
            received(s)
    data = bytes(range(256)) * 4
    whole = pkt.udp(lb, la, UDP_PORT, UDP_PORT, inside(UDP, pkt.udp(b, a, 9, PORT, data)))
    with Counted(in_payload=1, in_udp=1):
        for off in (512, 0):
            part = whole[off:off + 512] if off == 0 else whole[off:]
            tun.put(pkt.ipv6(lb, la, FRAGMENT, pkt.fragment(UDP, off, off == 0, 78) + part))
        received(s, data)


@case("the UDP checksum must be there and right, and the ULP proves its own")
def udp_checksum():
    by_udp()
    s = udp_socket()
    with Counted(in_udp_checksum=17):
        for bit in range(16):
            come(inside(UDP, HELLO), bad=1 << bit)
        p = vector["payload-back"]
        tun.put(p[:46] + b"\0\0" + p[48:])
        nothing_received(s)
    with Counted(in_payload=1, in_udp=1):
        come(inside(UDP, pkt.udp(b, a, 9, PORT, b"hello", bad=1)))
        nothing_received(s)


@case("an unknown tag, a wrong length and what is not Shim6 are dropped and counted, and not answered")
def udp_other():
    unlimited()
    by_udp()
    s = udp_socket()
    bad_length = inside(UDP, HELLO)
    keep = pkt.control(66, CT_LOCAL.to_bytes(6, "big") + bytes(4))
    other = [bad_length[:1] + b"\1" + bad_length[2:], b"", b"x", bytes(7), b"GET / HTTP/1.1\r\n\r\n", bytes(40),
             keep[:8], pkt.control(1, bytes(10), bad=1), pkt.control(1, bytes(10), length=9)]
    with Daemon() as d:
        with Counted(in_udp_other=len(other)):
            for body in other:
                come(body)
            d.silent()
        with Counted(in_no_context=1):
            come(inside(UDP, HELLO, tag=CT_LOCAL ^ 1))
            d.expect(NO_CONTEXT, SOURCE=lb, DESTINATION=la, ENCAPSULATION=IN_UDP)
        nothing_received(s)
        assert ipv6_error() is None, "it is answered"
    with Counted(in_state=1):
        context(state="i1-sent")
        come(inside(UDP, HELLO))
        nothing_received(s)
    context(state="established")


@case("behind a payload header: no control message, by protocol 140 or by UDP, and no Neighbour Discovery")
def udp_twice():
    by_udp()
    keep = pkt.control(66, CT_LOCAL.to_bytes(6, "big") + bytes(4))
    in_datagram = pkt.udp(b, a, UDP_PORT, UDP_PORT, keep)
    advert = pkt.icmpv6(b, a, bytes([136, 0, 0, 0]) + bytes(20))
    before = stats()["keepalive-in"]
    bodies = [(SHIM6, keep), (UDP, in_datagram), (DEST, pkt.options(UDP) + in_datagram), (ICMPV6, advert),
              (FRAGMENT, pkt.fragment(UDP, 0, 1, 9) + in_datagram[:8]), (FRAGMENT, pkt.fragment(UDP, 0, 1, 9)),
              (UDP, in_datagram[:3])]
    with Counted(in_header=3 * len(bodies)):
        for nexthdr, data in bodies:
            come(inside(nexthdr, data))
            come(inside(nexthdr, data), before=pkt.options(UDP), first=DEST)
            arrive(nexthdr, data)
    same("Keepalives", stats()["keepalive-in"], before)


@case("control messages come and go in UDP, and the daemon is told how")
def udp_control():
    by_udp()
    with Daemon() as d:
        with Counted(ctl_in=1, in_udp=1):
            tun.put(vector["i1"])
            d.expect(CONTROL, SOURCE=b, DESTINATION=a, MESSAGE=vector["i1"][48:], ENCAPSULATION=IN_UDP)
        with Counted(ctl_in=1):
            tun.put(pkt.ipv6(b, a, SHIM6, vector["i1"][48:]))
            d.expect(CONTROL, MESSAGE=vector["i1"][48:], ENCAPSULATION=NATIVE)
        with Counted(ctl_in=1, in_udp=1, keepalive_in=1):
            tun.put(vector["keepalive-back"])
            d.silent()

        def send(message, *more):
            return d.sock.ask(d.family, SEND, attr(SOURCE, la) + attr(DESTINATION, lb) + attr(MESSAGE, message) +
                              b"".join(more))[:2]

        with Counted(ctl_out=2, out_udp=1):
            same("send", send(vector["keepalive"][48:], u32(ENCAPSULATION, 2))[0], 0)
            sent(vector["keepalive"])
            same("send", send(vector["keepalive"][48:], u32(ENCAPSULATION, 1))[0], 0)
            sent(pkt.ipv6(la, lb, SHIM6, vector["keepalive"][48:]))
        with Counted(ctl_out=1, out_udp=1):
            same("send, longer", send(vector["keepalive"][48:], u32(ENCAPSULATION, 2), u32(19, 1000))[0], 0)
            sent(datagram(la, lb, vector["keepalive"][48:] + bytes(1000 - 64)))
        port(0)
        got = send(vector["keepalive"][48:], u32(ENCAPSULATION, 2))
        same("send without a port", got[0], errno.EADDRNOTAVAIL)
        assert "udp-port" in got[1], got
        port()


@case("a packet to be sent is in UDP once, also on the ULIDs, and so is one of another program's UDP")
def udp_once():
    by_udp(A, B)
    context(header=1)
    s = udp_socket()
    with Counted(out_ulid_header=2, out_udp=2):
        s.sendto(b"hello", (B, 9))
        sent(datagram(a, b, inside(UDP, pkt.udp(a, b, PORT, 9, b"hello"), CT_PEER)))
        s.sendto(b"hello", (B, UDP_PORT))
        sent(datagram(a, b, inside(UDP, pkt.udp(a, b, PORT, UDP_PORT, b"hello"), CT_PEER)))
    with Counted(in_payload=1, in_udp=1):
        tun.put(datagram(b, a, inside(UDP, HELLO)))
        received(s)


@case("on the ULIDs payload has no header before a switch, and Keepalives are in UDP")
def udp_home():
    by_udp(A, B)
    context(header=0)
    assert "encapsulation udp" in tool("context"), tool("context")
    s = udp_socket()
    with Counted(out_ulid=1):
        s.sendto(b"hello", (B, 9))
        sent(pkt.ipv6(a, b, UDP, pkt.udp(a, b, PORT, 9, b"hello")))
    # A switch to other locators and back makes the header stay, in UDP.
    by_udp()
    by_udp(A, B)
    with Counted(out_ulid_header=1, out_udp=1):
        s.sendto(b"hello", (B, 9))
        sent(datagram(a, b, inside(UDP, pkt.udp(a, b, PORT, 9, b"hello"), CT_PEER)))
    context(header=0)
    with Counted(in_payload=1):
        arrive(UDP, HELLO)
        received(s)
    # The peer's header brings it back.
    with Counted(out_ulid_header=1, out_udp=1):
        s.sendto(b"hello", (B, 9))
        sent(datagram(a, b, inside(UDP, pkt.udp(a, b, PORT, 9, b"hello"), CT_PEER)))


@case("a datagram that does not fit is cut, each fragment in a datagram of its own")
def udp_fragments():
    by_udp()
    s = udp_socket()
    data = os.urandom(1500 - 48)
    s.sendto(data, (B, 9))
    whole = pkt.udp(a, b, PORT, 9, data)
    got = b""
    for _ in range(2):
        p = tun.get()
        assert p and len(p) <= MTU, p
        same("UDP checksum", pkt.checksum(la, lb, UDP, p[40:]), 0)
        same("ports", p[40:44], struct.pack("!HH", UDP_PORT, UDP_PORT))
        same("payload header", p[48:56], pkt.payload_header(CT_PEER, FRAGMENT))
        same("offset", struct.unpack("!H", p[58:60])[0] & ~7, len(got))
        got += p[64:]
    same("datagram", got, whole)


@case("ICMPv6 errors about packets in UDP are those of the ULP")
def udp_icmp():
    by_udp()
    s = errors_socket()
    s.setsockopt(socket.IPPROTO_IPV6, 23, 2)
    s.send(bytes(1400))
    quoted = tun.get()[:1232]
    with Counted(icmp_in=1, icmp_mapped=1):
        error(2, 0, 1400, quoted)
        got = queued(s)
        same("Packet Too Big", got and got[:4], (90, 2, 0, 1384))
    same("IPV6_MTU", s.getsockopt(socket.IPPROTO_IPV6, 24), 1384)
    s.send(bytes(1384 - 48))
    same("length", len(tun.get()), 1400)
    run("ip", "-6", "route", "flush", "cache")
    s.send(b"hello")
    quoted = tun.get()
    for kind, code, info, want in ((1, 1, 0, (1, 1, 0)), (4, 0, 56, (4, 0, 40)), (3, 0, 0, (3, 0, 0))):
        with Counted(icmp_in=1, icmp_mapped=1):
            error(kind, code, info, quoted)
            got = queued(s)
            same("error", got and got[1:] , (*want, b"hello"))
    # The port that is closed is that of Shim6, and not the ULP's.
    error(1, 4, 0, quoted)
    got = queued(s)
    same("error", got and got[1:3], (1, 3))
    # An error that is not proved to be about ours is mapped to nobody: another tag, another pair, cut off.
    with Counted(icmp_in=4, icmp_unmapped=4):
        error(1, 3, 0, quoted[:50] + bytes([quoted[50] ^ 1]) + quoted[51:])
        error(1, 3, 0, quoted[:51] + bytes([quoted[51] ^ 1]) + quoted[52:])
        error(1, 3, 0, quoted[:24] + ip("2001:db8:b:9::9") + quoted[40:])
        error(1, 3, 0, quoted[:55])
    # The same bytes with another port are some other program's.
    with Counted():
        error(1, 3, 0, quoted[:40] + struct.pack("!H", 53) + quoted[42:])
    # A pair that differs in its encapsulation alone is another pair.
    rehome()
    with Counted(icmp_in=1, icmp_withheld=1):
        error(2, 0, 1400, quoted)
    by_udp()
    with Daemon() as d:
        error(1, 4, 0, quoted)
        d.expect(ICMP, SOURCE=la, DESTINATION=lb, ENCAPSULATION=IN_UDP)
    s.close()


@case("a switch between native and UDP is a switch, and both ways receive all the time")
def udp_switch():
    s = udp_socket()
    rehome()
    by_udp()
    for how in ("native", "udp", "native", "udp"):
        context(encapsulation=how)
        s.sendto(b"hello", (B, 9))
        ulp = inside(UDP, pkt.udp(a, b, PORT, 9, b"hello"), CT_PEER)
        sent(datagram(la, lb, ulp) if how == "udp" else pkt.ipv6(la, lb, SHIM6, ulp))
        come(inside(UDP, HELLO))
        received(s)
        arrive(UDP, HELLO)
        received(s)
    # A request that names a locator and no encapsulation means native.
    rehome()
    assert "encapsulation udp" not in tool("context"), tool("context")
    context(inbound_locator_local=LA, inbound_locator_peer=LB, inbound_encapsulation="udp")
    assert "inbound-encapsulation udp" in tool("context"), tool("context")
    context(inbound_locator_local=A, inbound_locator_peer=B)
    assert "inbound-encapsulation" not in tool("context"), tool("context")


@case("a firewall sees the packet inside, and the datagram as one flow of one port")
def udp_firewall():
    by_udp()
    s = udp_socket()
    run("nft", "add table inet wall; add chain inet wall in { type filter hook input priority 0; policy drop; };"
        f"add rule inet wall in ip6 saddr {B} udp dport {PORT} ct state new,established accept; add rule inet wall in icmpv6 type 128-255 accept;"
        "add chain inet wall out { type filter hook output priority 300; };"
        "add counter inet wall outer;"
        f"add rule inet wall out ip6 saddr {LA} ip6 daddr {LB} udp sport {UDP_PORT} udp dport {UDP_PORT} ct state new,established counter name outer")
    try:
        come(inside(UDP, HELLO))
        received(s)
        # The handler's way: the datagram itself must pass INPUT, and the packet inside comes once more.
        odd = datagram(lb, la, inside(UDP, HELLO), before=pkt.options(UDP), first=DEST)
        tun.put(odd)
        nothing_received(s)
        run("nft", "add rule inet wall in meta l4proto udp udp dport", str(UDP_PORT), "accept")
        tun.put(odd)
        received(s)
        s.sendto(b"hello", (B, 9))
        assert tun.get(), "nothing is sent"
        assert "packets 1 " in run("nft", "list counter inet wall outer"), run("nft", "list ruleset")
    finally:
        run("nft", "delete table inet wall")


@case("without a daemon and a context the port is as good as closed")
def udp_nobody():
    unlimited()
    by_udp()
    tool("context", "del", A, B)
    try:
        with Counted():
            for name in ("payload-back", "i1"):
                tun.put(vector[name])
                got = ipv6_error()
                same("ICMPv6 error", got and (got[40], got[41]), (1, 4))
    finally:
        context_new()


class Guest:
    """A second TUN device, by which packets come as from a host of virtual machines: what is left
    to a device is still to be done. It can be unplugged."""

    def __init__(self, name="tun1"):
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001 | 0x4000))  # IFF_VNET_HDR
        run("ip", "link", "set", name, "up", "mtu", str(MTU))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def put(self, body, segment=0):
        """A datagram whose checksum is left to the device. With segment it is several, each with so many octets."""
        head = struct.pack("!HHHH", UDP_PORT, UDP_PORT, 8 + len(body), 0)
        partial = pkt.sum16(pkt.pseudo(lb, la, len(head) + len(body), UDP))
        packet = pkt.ipv6(lb, la, UDP, head[:6] + struct.pack("!H", partial) + body)
        # VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_UDP_L4
        os.write(self.fd, struct.pack("=BBHHHH", 1, 5 if segment else 0, 48, segment, 40, 6) + packet)


@case("a checksum that is left to the device is the datagram's, and says nothing of the ULP's")
def udp_partial():
    by_udp()
    s = udp_socket()
    with Guest() as guest:
        with Counted(in_payload=1, in_udp=1):
            guest.put(inside(UDP, HELLO))
            received(s)
        with Counted(in_payload=1, in_udp=1):
            guest.put(inside(UDP, pkt.udp(b, a, 9, PORT, b"hello", bad=1)))
            nothing_received(s)


@case("several datagrams in one packet, as a host hands them on that forwards, are cut and all arrive")
def udp_several():
    by_udp()
    s = udp_socket()
    words = [b"first", b"later", b"never"]
    bodies = [inside(UDP, pkt.udp(b, a, 9, PORT, w)) for w in words]
    with Guest() as guest, Counted(in_payload=3, in_udp=3):
        try:
            guest.put(b"".join(bodies), len(bodies[0]))
        except OSError as e:
            # Before Linux 6.2 no device can hand over such a packet.
            assert e.errno == errno.EINVAL and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 2), e
            for body in bodies:
                guest.put(body)
        for w in words:
            received(s, w)


@case("packets to other hosts are not changed, and nearly right ones harm nobody")
def udp_hostile():
    by_udp()
    s = udp_socket()
    with Counted():
        tun.put(datagram(lb, ip("2001:db8:b:1::77"), inside(UDP, HELLO)))
        nothing_received(s)
    whole = datagram(lb, la, inside(DEST, pkt.options(UDP) + HELLO))
    for n in range(40, len(whole)):
        tun.put(whole[:n])
        tun.put(whole[:4] + struct.pack("!H", n - 40) + whole[6:])
        tun.put(whole[:44] + struct.pack("!H", n - 40) + whole[46:])
    nothing_received(s)
    come(inside(UDP, HELLO))
    received(s)


main("keepalive-timeout", "1h")
