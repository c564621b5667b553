# SPDX-License-Identifier: GPL-2.0
"""A host with one context, whose peer is the test: this namespace gets a TUN
device, at whose other end the test puts packets in and takes them out.

Tests declare cases with @case and end with main()."""

import os
import socket
import struct
import subprocess
import sys
import traceback

import pkt
from pkt import SHIM6, TCP, UDP, ip

A, B = "2001:db8:a:1::1", "2001:db8:b:1::1"
LA, LB = "2001:db8:a:2::1", "2001:db8:b:2::1"
a, b, la, lb = ip(A), ip(B), ip(LA), ip(LB)
CT_LOCAL, CT_PEER = 0x123456789ABC, 0x7EDCBA987654
MTU = 1500
PORT = 4000
# The usual port of the encapsulation in UDP.
UDP_PORT = 61140
tun = pkt.Tun("tun0")
cases = []


def case(name, *ids):
    def add(fn):
        cases.append((f"{name} [{' '.join(ids)}]" if ids else name, fn))
        return fn
    return add


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def tool(*words):
    return run("shim6tool", *words)


def context(**values):
    """Set values of the one context; locators by default those of a re-homed one."""
    words = []
    for k, v in values.items():
        words += [k.replace("_", "-"), str(v)]
    tool("context", "set", A, B, *words)


def rehome():
    context(locator_local=LA, locator_peer=LB)


def home():
    """The context is on the ULIDs, as if neither host had ever left them."""
    context(locator_local=A, locator_peer=B, header=0)


def back():
    """The context returns to the ULIDs, as a daemon does it."""
    context(locator_local=A, locator_peer=B)


def at_home(nexthdr, payload, before=b"", first=SHIM6, **kw):
    """A packet as it should leave by the ULIDs of a context that has returned to them."""
    return pkt.ipv6(a, b, first, before + pkt.payload_header(CT_PEER, nexthdr) + payload, **kw)


def stats():
    return {k: int(v) for k, v in (l.split() for l in tool("stats").splitlines())}


class Counted:
    """Within the block these counters change, and no others."""

    def __init__(self, **wanted):
        self.wanted = {k.replace("_", "-"): v for k, v in wanted.items()}

    def __enter__(self):
        self.before = stats()

    def __exit__(self, kind, *_):
        if kind:
            return
        after = stats()
        got = {k: v - self.before[k] for k, v in after.items() if v != self.before[k]}
        for k in ("in-ulid", "out-ulid", "ctl-in-no-daemon"):
            if k not in self.wanted:
                got.pop(k, None)
        same("counters", got, self.wanted)


def same(what, got, want):
    if got == want:
        return
    show = lambda v: v.hex() if isinstance(v, bytes) else repr(v)
    raise AssertionError(f"{what} is\n  {show(got)}, wanted\n  {show(want)}")


def udp_socket(port=PORT):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((A, port))
    s.settimeout(5)
    return s


def tcp_open():
    """A TCP connection of the host to its peer, which ends at once when it is closed; its port and
    next number."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setblocking(False)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.bind((A, 0))
    s.connect_ex((B, 9))
    p = tun.get()
    syn = p[48:] if p[6] == SHIM6 else p[40:]
    port, seq = s.getsockname()[1], int.from_bytes(syn[4:8], "big") + 1
    answer = tcp(port, 1, seq, 0x12, bytes([2, 4, 5, 160]))
    if p[6] == SHIM6:
        arrive(TCP, answer)
    else:
        tun.put(pkt.ipv6(b, a, TCP, answer))
    tun.get()
    return s, port, seq


def tcp(port, seq, ack, flags, options=b""):
    head = struct.pack("!HHIIBBHHH", 9, port, seq, ack & 0xFFFFFFFF, 5 + len(options) // 4 << 4, flags, 65535, 0, 0) + options
    return head[:16] + struct.pack("!H", pkt.checksum(b, a, TCP, head)) + head[18:]


def without_label(p):
    """The kernel chooses the flow label."""
    return struct.pack("!I", struct.unpack("!I", p[:4])[0] & 0xFFF00000) + p[4:]


def sent(want, what="packet"):
    got = tun.get()
    assert got is not None, "no packet was sent"
    same(what, without_label(got), want)


def nothing_sent(wait=0.3):
    got = tun.get(wait)
    assert got is None, f"sent: {got.hex()}"


def rehomed(nexthdr, payload, before=b"", first=SHIM6, dst=lb, **kw):
    """A packet as it should leave: earlier headers, our header, the rest."""
    return pkt.ipv6(la, dst, first, before + pkt.payload_header(CT_PEER, nexthdr) + payload, **kw)


def arrive(payload_nexthdr, payload, src=lb, dst=la, tag=CT_LOCAL, before=b"", first=SHIM6):
    tun.put(pkt.ipv6(src, dst, first, before + pkt.payload_header(tag, payload_nexthdr) + payload))


def received(s, want=b"hello", sender=B):
    data, peer = s.recvfrom(70000)
    same("data", data, want)
    same("sender", (peer[0], peer[1]), (sender, 9))


def nothing_received(s):
    s.settimeout(0.3)
    try:
        data = s.recvfrom(70000)
    except TimeoutError:
        s.settimeout(5)
        return
    raise AssertionError(f"received {data}")


HELLO = pkt.udp(b, a, 9, PORT, b"hello")
first_values = []


def context_new():
    tool("context", "add", A, B, "tag-local", str(CT_LOCAL), "tag-peer", str(CT_PEER), "state", "established",
         "locators-local", LA, "locators-peer", LB, *first_values)


def main(*more):
    """Run all cases, with one context between A and B. The keywords are more values of it."""
    for words in ("link set tun0 up mtu 1500", f"-6 addr add {A}/64 dev tun0 nodad", f"-6 addr add {LA}/64 dev tun0 nodad",
                  "-6 route add 2001:db8:b::/48 dev tun0", "-6 route add 2001:db8:c::/48 dev tun0",
                  "-6 route add ff0e::/16 dev tun0 table local"):
        run("ip", *words.split())
    tool("context", "flush")
    first_values.extend(more)
    context_new()
    for name, fn in cases:
        if len(sys.argv) > 1 and not any(w in fn.__name__ for w in sys.argv[1:]):
            continue
        if os.environ.get("SHIM6_CASE", "") not in name:
            continue
        tun.drain()
        try:
            fn()
            print("PASS", name)
        except Exception as e:
            print("FAIL", name)
            text = str(e) if isinstance(e, AssertionError) and str(e) else traceback.format_exc()
            if isinstance(e, subprocess.CalledProcessError):
                text += e.stderr
            print("#   " + text.strip().replace("\n", "\n#   "))
        sys.stdout.flush()
