# SPDX-License-Identifier: GPL-2.0
"""Shim6 and VRFs: packets in a VRF are left alone, and errors say so. host.py explains the cases."""

import socket
import struct
import subprocess

import genl
import pkt
from genl import attr
from host import *
from pkt import DEST, ICMPV6, SHIM6, UDP, ip
from told import SOURCE, DESTINATION, MESSAGE, SEND, Daemon

# The VRF has a link of its own, with addresses like those outside.
VA, VLA, VB, VLB = "2001:db8:1a::1", "2001:db8:2a::1", "2001:db8:1b::1", "2001:db8:2b::1"
inside = pkt.Tun("tun1")


def vrf():
    if subprocess.run(["ip", "link", "show", "vrf1"], capture_output=True).returncode == 0:
        return
    for words in ("link add vrf1 type vrf table 100", "link set vrf1 up", "link set tun1 master vrf1", "link set tun1 up mtu 1500",
                  f"-6 addr add {VA}/64 dev tun1 nodad", f"-6 addr add {VLA}/64 dev tun1 nodad", "-6 route add 2001:db8::/32 dev tun1 table 100"):
        run("ip", *words.split())


@case("a context for an address in a VRF is refused, in a sentence")
def refused():
    vrf()
    r = subprocess.run(["shim6tool", "context", "add", VA, VB, "tag-local", "7"], capture_output=True, text=True)
    same("refused", (r.returncode != 0, "VRF" in r.stderr), (True, True))
    with Daemon() as d:
        same("a control message from there", d.send(pkt.control(1, bytes(18)), VA, VB)[1], "source is no address of this host")


@case("packets in a VRF are not counted, and are no reason for a context")
def untouched():
    vrf()
    tool("config", "set", "trigger-packets", "2")
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"vrf1\0")
    s.bind((VA, PORT))
    s.settimeout(5)
    before = stats()
    with Daemon() as d, Counted():
        for _ in range(5):
            s.sendto(b"hello", (VB, 9))
            got = inside.get()
            same("packet", got and without_label(got), pkt.ipv6(ip(VA), ip(VB), UDP, pkt.udp(ip(VA), ip(VB), PORT, 9, b"hello")))
            inside.put(pkt.ipv6(ip(VB), ip(VA), UDP, pkt.udp(ip(VB), ip(VA), 9, PORT, b"hello")))
            same("answer", s.recv(99), b"hello")
        d.silent()
    for k in ("in-ulid", "out-ulid"):
        same(k, stats()[k], before[k])


@case("a header of ours that arrives in a VRF is answered by an error: not known there")
def answer():
    vrf()
    run("sysctl", "-qw", "net.ipv6.icmp.ratelimit=0")
    for data in (pkt.control(1, bytes(18)), pkt.payload_header(CT_LOCAL, UDP) + HELLO):
        for before, first, pointer in ((b"", SHIM6, 6), (pkt.options(SHIM6), DEST, 40)):
            inside.put(pkt.ipv6(ip(VLB), ip(VLA), first, before + data))
            got = inside.get(2, lambda p: p[6] == ICMPV6 and p[40] == 4)
            same("Parameter Problem", got and (got[41], struct.unpack("!I", got[44:48])[0]), (1, pointer))
    # Outside of the VRF nothing has changed.
    s = udp_socket()
    with Counted(in_payload=1):
        arrive(UDP, HELLO)
        received(s)


main("keepalive-timeout", "1h")
