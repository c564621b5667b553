# SPDX-License-Identifier: GPL-2.0
"""Malformed requests: each is refused with the right errno and, where the module itself
refuses, with a sentence that helps the user."""

import errno
import struct
import sys

import genl
from genl import attr, locators, nest, u32

GET, SET = 1, 2
sock = genl.Genl()
family, groups = sock.family("shim6")
assert list(groups) == ["config", "context", "policy"], groups

_, _, replies = sock.ask(family, GET, b"")
before = replies[0]
bad = 0


def refused(what, want, sentence, *args, **kwargs):
    global bad
    got, text, _ = sock.ask(family, *args, **kwargs)
    after = sock.ask(family, GET, b"")[2][0]
    if got != want or sentence not in text or after != before:
        bad += 1
        print(f"{what}: {errno.errorcode.get(got, got)} {text!r}, changed: {after != before}")


refused("nothing to set", errno.EINVAL, "at least one value", SET, b"")
refused("an attribute in a get", errno.EINVAL, "", GET, u32(1, 5))
refused("an unknown attribute", errno.EINVAL, "nknown attribute", SET, u32(1, 5) + u32(0x3fff, 5))
refused("attribute 0", errno.EINVAL, "", SET, u32(0, 5))
refused("a short number", errno.EINVAL, "", SET, attr(1, b"\1\2"))
refused("a long number", errno.EINVAL, "", SET, attr(1, bytes(8)))
refused("an empty number", errno.EINVAL, "", SET, attr(1, b""))
refused("a nested number", errno.EINVAL, "", SET, u32(1 | 0x8000, 5))
refused("bytes after the attributes", errno.EINVAL, "", SET, u32(1, 5) + b"\1\2\3")
refused("an attribute longer than the message", errno.EINVAL, "", SET, struct.pack("=HHI", 200, 1, 5))
refused("an attribute shorter than its header", errno.EINVAL, "", SET, struct.pack("=HHI", 3, 1, 5))
refused("the notification as a request", errno.EOPNOTSUPP, "", 3, b"")
refused("an unknown command", errno.EOPNOTSUPP, "", 200, b"")
refused("a dump of what is one", errno.EOPNOTSUPP, "", GET, b"", flags=genl.NLM_F_ACK | 0x300)
refused("reserved bits", errno.EINVAL, "", SET, u32(1, 5), reserved=1)
refused("one good value, one bad", errno.ERANGE, "out of range", SET, u32(1, 5) + u32(2, 0))
refused("one bad value, one good", errno.ERANGE, "out of range", SET, u32(2, 0) + u32(1, 5))

# How payload is carried on a locator pair: this kernel knows the values 1 and 2.
CONTEXT_SET = 5
for value in 0, 3:
    refused(f"encapsulation {value}", errno.ERANGE, "out of range", CONTEXT_SET, u32(23, value))

# Lists of locators.
NEW = 4
good = locators(11, bytes(15) + b"\1")
refused("a list that is not marked as a nest", errno.EINVAL, "NLA_F_NESTED is missing", NEW, attr(11, good[4:]))
refused("an address in place of a list", errno.EINVAL, "bytes leftover", NEW, nest(11, bytes(15) + b"\1"))
refused("an unknown attribute in a list", errno.EINVAL, "nknown attribute", NEW, nest(11, good[4:] + u32(2, 5)))
refused("a short locator in a list", errno.ERANGE, "", NEW, nest(11, good[4:] + attr(1, bytes(15))))
refused("bytes after a list's locators", errno.EINVAL, "bytes leftover", NEW, nest(11, good[4:] + b"\1\2\3\4"))
refused("a list that is longer than the message", errno.EINVAL, "bytes leftover", NEW, struct.pack("=HH", 28, 0x8000 | 11) + good[4:])

# Of the same attribute twice, the last one counts, as everywhere in netlink.
assert sock.ask(family, SET, u32(1, 5) + u32(1, 6))[0] == 0
now = genl.attrs(sock.ask(family, GET, b"")[2][0][4:])
if struct.unpack("=I", now[1])[0] != 6:
    bad += 1
    print("twice the same attribute:", now)
before_attrs = genl.attrs(before[4:])
assert sock.ask(family, SET, attr(1, before_attrs[1]))[0] == 0
sys.exit(bad != 0)
