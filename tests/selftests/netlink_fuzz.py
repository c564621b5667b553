# SPDX-License-Identifier: GPL-2.0
"""usage: netlink_fuzz.py MESSAGES [SEED]

Random requests to the family, with the family's own policies (CTRL_CMD_
GETPOLICY) as guide: mostly of the right shape, with values at and beyond the
limits, and attributes that are missing, doubled, of wrong length, nested, cut off.
The kernel's log must have no complaint. The errno of each kind of answer is printed."""

import collections
import errno
import os
import random
import struct
import sys

import genl
from genl import attr

count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
print("seed", seed, flush=True)
rng = random.Random(seed)

GETPOLICY = 10
OP_POLICY, POLICY, OP = 9, 8, 10
P_DO = 1
# enum netlink_attribute_type
U8, U16, U32, U64, BINARY, FLAG, NESTED = 2, 3, 4, 5, 10, 1, 13
A_TYPE, A_MIN_U, A_MAX_U, A_MINLEN, A_MAXLEN, A_POLICY = 1, 4, 5, 6, 7, 8

sock = genl.Genl()
family, _ = sock.family("shim6")


def policies():
    """The policies, as {command: {attribute: {policy}}}, and by index for nested attributes."""
    code, text, replies = sock.ask(genl.GENL_ID_CTRL, GETPOLICY, attr(2, b"shim6\0"), flags=0x300)
    ops, sets = {}, collections.defaultdict(dict)
    for body in replies:
        found = genl.attrs(body[4:])
        for cmd, index in genl.attrs(found.get(OP_POLICY, b"")).items():
            do = genl.attrs(index).get(P_DO)
            if do:
                ops[cmd] = struct.unpack("=I", do)[0]
        for index, one in genl.attrs(found.get(POLICY, b"")).items():
            for number, what in genl.attrs(one).items():
                sets[index][number] = {k: int.from_bytes(v, sys.byteorder) for k, v in genl.attrs(what).items()}
    return {cmd: sets[index] for cmd, index in ops.items()}, sets


known, inner = policies()
assert len(known) >= 7, known
assert any(what.get(A_TYPE) == NESTED for policy in known.values() for what in policy.values()), known
ADDRS = [os.urandom(16)] + [bytes.fromhex("20010db8%024x" % i) for i in range(6)] + \
    [bytes(16), bytes(15) + b"\1", b"\xff\x02" + bytes(13) + b"\1", b"\xfe\x80" + bytes(13) + b"\1"]
SIZE = {U8: 1, U16: 2, U32: 4, U64: 8}


def value(what, careful):
    kind = what.get(A_TYPE)
    if kind in SIZE:
        low, high = what.get(A_MIN_U, 0), what.get(A_MAX_U, (1 << 8 * SIZE[kind]) - 1)
        if careful:
            return rng.randint(low, min(high, low + rng.choice((3, 5, high)))).to_bytes(SIZE[kind], sys.byteorder)
        n = rng.choice((low, high, low - 1, high + 1, rng.randint(low, high), rng.randint(low, min(high, low + 5)),
                        rng.randint(low, min(high, low + 5)), rng.randint(low, min(high, low + 5))))
        return (n % (1 << 8 * SIZE[kind])).to_bytes(SIZE[kind], sys.byteorder)
    if kind == FLAG:
        return b""
    if kind == NESTED:
        return nested(inner[what[A_POLICY]], careful)
    if what.get(A_MAXLEN) == 16 or what.get(A_MINLEN) == 16:
        return rng.choice(ADDRS[:7] if careful else ADDRS)
    # The message of control-send: a header whose length may be right.
    n = rng.choice((8, 16, 24, 40, 2048))
    return bytes([59, n // 8 - 1, rng.randrange(256), 0]) + rng.randbytes(n - 4)


def nested(policy, careful):
    """A list: empty, short, with one of each, or longer than the kernel accepts."""
    body = b""
    for _ in range(rng.choice((0, 1, 1, 2, 3) if careful else (0, 1, 2, 5, 32, 40))):
        number = rng.choice(list(policy))
        if not careful and rng.random() < 0.02:
            number = rng.randrange(1 << 14)
        data = value(policy.get(number, {}), careful)
        if not careful and rng.random() < 0.02:
            data = rng.randbytes(rng.randrange(70))
        body += attr(number, data)
    return body


# The attributes without which a request is refused, by command: policies do not name them.
NEEDED = {4: (2, 3, 5), 5: (2, 3), 6: (2, 3), 7: (2, 3), 11: (1, 13), 12: (1,), 19: (2, 3, 4)}


# The memory for max-flows is allocated at once. A million takes the debug kernel seconds, so
# this is done only at times.
MAX_FLOWS = (2, 2)


def attributes(cmd):
    policy = known.get(cmd, {})
    body = b""
    # Half of the requests are meant to succeed, so that the tables fill.
    careful = rng.random() < 0.5
    for number in policy:
        wanted = 0.95 if number in NEEDED.get(cmd, ()) else 0.2 if careful else 0.55
        if rng.random() > wanted:
            continue
        for _ in range(rng.choice((1, 1, 1, 1, 2, 40) if rng.random() < 0.05 else (1,))):
            what = policy[number]
            if (cmd, number) == MAX_FLOWS and rng.random() > 0.02:
                what = {**what, A_MAX_U: 5000}
            data = value(what, careful)
            if not careful and rng.random() < 0.04:
                data = rng.randbytes(rng.randrange(70))
            # The flag NLA_F_NESTED, which nested attributes must have, and others must not.
            flag = (what.get(A_TYPE) == NESTED) != (rng.random() < 0.005)
            kind = number | (0x8000 if flag else 0) | (0x4000 if rng.random() < 0.005 else 0)
            body += attr(kind, data)
    if rng.random() < 0.02:
        body += attr(rng.randrange(1 << 14), rng.randbytes(rng.randrange(20)))
    if rng.random() < 0.02:
        body = body[:rng.randrange(len(body) + 1)]
    if rng.random() < 0.02 and body:
        at = rng.randrange(len(body))
        body = body[:at] + rng.randbytes(1) + body[at + 1:]
    return body


COMMANDS = sorted(known) * 4 + list(range(26)) + [255]
FLUSH = (8, 14)  # context-flush and policy-flush
answers = collections.Counter()
sent = 0
payload = b""
while sent < count:
    batch = b""
    n = 0
    while n < 16 and sent < count:
        cmd = rng.choice(COMMANDS)
        # Tables that are always empty show little.
        if cmd in FLUSH and rng.random() < 0.95:
            continue
        # At times the same request again: its object exists now.
        again = payload and rng.random() < 0.1
        flags = genl.NLM_F_REQUEST | genl.NLM_F_ACK | (rng.choice((0x300, 0x100, 8)) if rng.random() < 0.1 else 0)
        if not again:
            payload = struct.pack("=BBH", cmd, 1, 0 if rng.random() < 0.99 else 1) + attributes(cmd)
            payload += bytes(-len(payload) % 4)
        batch += struct.pack("=IHHII", len(payload) + 16, family, flags, sent + 1, 0) + payload
        n, sent = n + 1, sent + 1
    sock.sock.send(batch)
    # Read all answers; the end of a dump, or an error, answers the last request.
    waiting = True
    while waiting:
        try:
            for kind, _, seq, data in sock.receive():
                if kind in (2, 3) and len(data) >= 4:
                    answers[errno.errorcode.get(-struct.unpack_from("=i", data)[0], "done")] += 1
                    waiting = seq < sent
        except TimeoutError:
            print("no answer to message", sent)
            sys.exit(1)
        except OSError as e:
            # There were more messages than the socket holds. Lost ones do not matter.
            answers[errno.errorcode[e.errno]] += 1
            sock = genl.Genl()
            waiting = False
    if rng.random() < 0.02:
        sock = genl.Genl()
print(*(f"{k}={v}" for k, v in answers.most_common()))
# If all requests were refused, only the parser was tested.
good = answers["done"]
assert good > count // 50, f"{good} of {count} were taken"
for want in ("EINVAL", "ERANGE", "EEXIST", "ENOENT"):
    assert answers[want], f"nothing was refused with {want}"
