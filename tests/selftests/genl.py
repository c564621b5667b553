# SPDX-License-Identifier: GPL-2.0
"""Generic Netlink by hand, for tests that send messages which no library would send."""

import socket
import struct

NLM_F_REQUEST, NLM_F_ACK, NLM_F_CAPPED, NLM_F_ACK_TLVS = 1, 4, 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 1, 11, 12


def attr(kind, data):
    """One attribute, padded."""
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def u32(kind, value):
    return attr(kind, struct.pack("=I", value))


def nest(kind, data):
    """An attribute that holds others."""
    return attr(kind | 0x8000, data)


def locators(kind, *addresses):
    """A list of locators, as the attributes locators-local and locators-peer are."""
    return nest(kind, b"".join(attr(1, a) for a in addresses))


def attrs(data):
    """Attributes as {kind: data}."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


class Genl:
    """A socket; ask() returns (errno, extack sentence, [payloads])."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.bind((0, 0))
        self.sock.settimeout(10)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        self.seq = 0

    def ask(self, family, cmd, body, flags=NLM_F_ACK, version=1, reserved=0):
        self.seq += 1
        payload = struct.pack("=BBH", cmd, version, reserved) + body
        self.sock.send(struct.pack("=IHHII", len(payload) + 16, family,
                                   NLM_F_REQUEST | flags, self.seq, 0) + payload)
        replies = []
        while True:
            for kind, nlflags, seq, data in self.receive():
                if seq != self.seq:
                    continue
                if kind not in (NLMSG_ERROR, NLMSG_DONE):
                    replies.append(data)
                    continue
                errno = -struct.unpack_from("=i", data)[0]
                text = ""
                if nlflags & NLM_F_ACK_TLVS:
                    skip = 20
                    if kind == NLMSG_DONE:
                        skip = 4
                    elif errno and not nlflags & NLM_F_CAPPED:
                        skip = 4 + ((struct.unpack_from("=I", data, 4)[0] + 3) & ~3)
                    text = attrs(data[skip:]).get(1, b"").rstrip(b"\0").decode()
                return errno, text, replies

    def receive(self):
        data = self.sock.recv(65536)
        while len(data) >= 16:
            length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
            yield kind, flags, seq, data[16:length]
            data = data[(length + 3) & ~3:]

    def family(self, name):
        """The family's number and its groups, {name: number}."""
        errno, text, replies = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
                                        attr(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))
        if errno:
            raise OSError(errno, text or "no such family")
        found = attrs(replies[0][4:])
        groups = {}
        for group in attrs(found.get(CTRL_ATTR_MCAST_GROUPS, b"")).values():
            one = attrs(group)
            groups[one[1].rstrip(b"\0").decode()] = struct.unpack("=I", one[2])[0]
        return struct.unpack("=H", found[CTRL_ATTR_FAMILY_ID])[0], groups

    def join(self, group):
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
