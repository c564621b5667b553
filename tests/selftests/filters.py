# SPDX-License-Identifier: GPL-2.0
"""usage: filters.py send SOURCE DESTINATION PORT [OPTION...] | sender SOURCE DESTINATION PORT |
       serve ... | talk ... |
       queue NUMBER [keep] | packet DEVICE in|out SOURCE DESTINATION NEXT-HEADER |
       cgroup FOLDER egress|ingress WORD OFFSET-OR-ifindex | xdp DEVICE

send: one datagram, and "ok" or the name of the error is printed. The options of the
socket are dev=NAME (SO_BINDTODEVICE), unicast=NAME (IPV6_UNICAST_IF), pktinfo=NAME,
mark=N, tos=N, uid=N (of the sender), size=N octets, and count=N datagrams of one socket. A sender reads the options from
lines of standard input, and sends for each.

serve ADDRESS PORT [dev=NAME]: TCP; what is sent comes back. It says "ready".
talk SOURCE DESTINATION PORT FOLDER [dev=NAME]: "ok" once there was an answer; then for each
new file FOLDER/1, 2, ... again, until FOLDER/end is there.

queue: what netfilter hands to user space by that queue passes; it begins with "ready". With
"keep" it is not decided what becomes of a packet before a line comes from standard input.

packet: a line for each packet that AF_PACKET shows, with its direction, addresses and
Next Header, until the one that is named; it begins with "ready".

cgroup: attach a program that lets pass only packets whose 32 bits at the offset from the
IPv6 header, or whose device's index, are WORD.

xdp: until standard input ends, what has Next Header 140 and comes in by the device is
dropped. It says "ready".
"""

import ctypes
import errno
import os
import socket
import struct
import sys
import time

IPV6_TCLASS, IPV6_PKTINFO, IPV6_UNICAST_IF, SO_MARK = 67, 50, 76, 36


def options(words):
    return dict(w.split("=") for w in words)


def configured(s, o):
    if "mark" in o:
        s.setsockopt(socket.SOL_SOCKET, SO_MARK, int(o["mark"], 0))
    if "tos" in o:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, int(o["tos"], 0))
    if "dev" in o:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, o["dev"].encode())
    if "unicast" in o:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_IF, struct.pack("!I", socket.if_nametoindex(o["unicast"])))
    return s


def send(source, destination, port, *words):
    o = options(words)
    if "uid" in o:
        os.setuid(int(o["uid"]))
    s = configured(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), o)
    s.bind((source, 0))
    more = []
    if "pktinfo" in o:
        info = socket.inet_pton(socket.AF_INET6, source) + struct.pack("=I", socket.if_nametoindex(o["pktinfo"]))
        more = [(socket.IPPROTO_IPV6, IPV6_PKTINFO, info)]
    for _ in range(int(o.get("count", 1))):
        s.sendmsg([b"x" * int(o.get("size", 8))], more, 0, (destination, int(port)))


def sender(source, destination, port):
    for line in sys.stdin:
        if os.fork() == 0:
            send(source, destination, port, *line.split())
            return
        os.wait()
    os._exit(0)


def serve(address, port, *words):
    s = configured(socket.socket(socket.AF_INET6, socket.SOCK_STREAM), options(words))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    s.listen()
    print("ready", flush=True)
    while True:
        c, _ = s.accept()
        while d := c.recv(1000):
            c.sendall(d)
        c.close()


def talk(source, destination, port, folder, *words):
    s = configured(socket.socket(socket.AF_INET6, socket.SOCK_STREAM), options(words))
    s.bind((source, 0))
    s.connect((destination, int(port)))
    n = 0
    while True:
        s.sendall(b"%4d" % n)
        if (got := s.recv(100)) != b"%4d" % n:
            sys.exit(f"what came back is {got}")
        print("ok", n, flush=True)
        n += 1
        while not os.path.exists(f"{folder}/{n}"):
            if os.path.exists(f"{folder}/end"):
                return
            time.sleep(0.05)


def packet(device, *wanted):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    s.bind((device, 0x0003))
    print("ready", flush=True)
    end = time.monotonic() + 15
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        data, (_, protocol, kind, *_) = s.recvfrom(2000)
        if protocol == 0x86dd:
            source, destination = (socket.inet_ntop(socket.AF_INET6, data[i:i + 16]) for i in (8, 24))
            seen = ["out" if kind == socket.PACKET_OUTGOING else "in", source, destination, str(data[6])]
            print(*seen, flush=True)
            if seen == list(wanted):
                return


def queue(number, keep=""):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.bind((0, 0))

    def ask(kind, attribute, value, flags=5):
        body = struct.pack("!BBH", 0, 0, int(number)) + struct.pack("=HH", 4 + len(value), attribute) + value
        body += bytes(-len(body) % 4)
        s.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | kind, flags, 1, 0) + body)
        if flags & 4 and (error := struct.unpack_from("=i", s.recv(4096), 16)[0]):
            raise OSError(-error, os.strerror(-error))

    # NFQNL_MSG_CONFIG: bind, and copy nothing of a packet.
    ask(2, 1, struct.pack("!BBH", 1, 0, 0))
    ask(2, 2, struct.pack("!IB", 0, 1))
    print("ready", flush=True)
    while True:
        message = s.recv(65536)
        # NLMSG_ERROR: the packet is already gone, with the hook that had queued it.
        if struct.unpack_from("=H", message, 4)[0] == 2:
            print("gone", flush=True)
            continue
        # NFQA_PACKET_HDR comes first, and begins with the packet's number.
        number_of_packet = message[24:28]
        print("queued", flush=True)
        if keep:
            sys.stdin.readline()
        # NFQNL_MSG_VERDICT: NF_ACCEPT.
        ask(1, 2, struct.pack("!I", 1) + number_of_packet, 1)


def instruction(op, dst, src, off, imm):
    return struct.pack("=BBhi", op, (src << 4) | dst, off, imm)


def bpf(command, attributes):
    buf = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    number = {"x86_64": 321, "aarch64": 280, "riscv64": 280}[os.uname().machine]
    result = ctypes.CDLL(None, use_errno=True).syscall(number, command, buf, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf: " + os.strerror(ctypes.get_errno()))
    return result


def load(kind, code, attach):
    insns, license = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    return bpf(5, struct.pack("=IIQQIIQII", kind, len(code) // 8, ctypes.addressof(insns), ctypes.addressof(license),
                              0, 0, 0, 0, 0) + bytes(16) + struct.pack("=II", 0, attach))


def cgroup(folder, way, word, offset):
    if offset == "ifindex":
        look = instruction(0x61, 0, 1, 40, 0)
    else:
        # skb_load_bytes(skb, offset, stack - 8, 4)
        look = (instruction(0xb7, 2, 0, 0, int(offset)) + instruction(0xbf, 3, 10, 0, 0) +
                instruction(0x07, 3, 0, 0, -8) + instruction(0xb7, 4, 0, 0, 4) + instruction(0x85, 0, 0, 0, 26) +
                instruction(0x61, 0, 10, -8, 0))
    # r1 = word; if r0 == r1 then 1 else 0
    code = (look + instruction(0xb4, 1, 0, 0, int(word, 0)) + instruction(0x1d, 0, 1, 2, 0) +
            instruction(0xb7, 0, 0, 0, 0) + instruction(0x95, 0, 0, 0, 0) +
            instruction(0xb7, 0, 0, 0, 1) + instruction(0x95, 0, 0, 0, 0))
    kind = 1 if way == "egress" else 0
    program = load(8, code, kind)
    bpf(8, struct.pack("=IIII", os.open(folder, os.O_RDONLY), program, kind, 0))


def xdp(device):
    # r2 = data, r3 = data_end; if data + 54 > data_end or the Next Header is not 140
    # then XDP_PASS else XDP_DROP
    code = (instruction(0x61, 2, 1, 0, 0) + instruction(0x61, 3, 1, 4, 0) + instruction(0xbf, 4, 2, 0, 0) +
            instruction(0x07, 4, 0, 0, 54) + instruction(0x2d, 4, 3, 4, 0) + instruction(0x71, 5, 2, 20, 0) +
            instruction(0x55, 5, 0, 2, 140) + instruction(0xb7, 0, 0, 0, 1) + instruction(0x95, 0, 0, 0, 0) +
            instruction(0xb7, 0, 0, 0, 2) + instruction(0x95, 0, 0, 0, 0))
    link = bpf(28, struct.pack("=IIII", load(6, code, 0), socket.if_nametoindex(device), 37, 2))
    print("ready", flush=True)
    sys.stdin.readline()
    os.close(link)


try:
    {"xdp": xdp, "send": send, "sender": sender, "serve": serve, "talk": talk, "queue": queue, "packet": packet, "cgroup": cgroup}[sys.argv[1]](*sys.argv[2:])
    if sys.argv[1] in ("send", "sender"):
        print("ok")
except OSError as e:
    print(errno.errorcode.get(e.errno, str(e)), flush=True)
    sys.exit(1)
