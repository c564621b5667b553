# SPDX-License-Identifier: GPL-2.0
"""usage: netlink_fail.py init MODULE | requests | namespace | first

Makes each allocation fail, one after another, when the module is loaded, in a request, when a
namespace is made, and in the first use of a namespace. Each time the error must be reported,
and nothing may change or break."""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import threading

import genl
from genl import attr, locators, u32

FAIL = "/proc/thread-self/fail-nth"
libc = ctypes.CDLL(None, use_errno=True)


def failing(n, do):
    """do() with its n-th allocation failed: (result, whether there was one)."""
    fd = os.open(FAIL, os.O_RDWR)
    os.write(fd, str(n).encode())
    try:
        result = do()
    finally:
        left = int(os.pread(fd, 20, 0).rstrip(b"\0\n") or 0)
        os.write(fd, b"0")
        os.close(fd)
    return result, left == 0


def settings():
    for cache in ("failslab", "fail_page_alloc"):
        for name, value in (("ignore-gfp-wait", "N"), ("verbose", "0"), ("min-order", "0")):
            path = f"/sys/kernel/debug/{cache}/{name}"
            if os.path.exists(path):
                with open(path, "w") as f:
                    f.write(value)


def init(path):
    image = open(path, "rb")

    def load():
        return 0 if libc.syscall(313, image.fileno(), b"", 0) == 0 else ctypes.get_errno()

    n, failed = 0, 0
    while True:
        n += 1
        code, injected = failing(n, load)
        loaded = "shim6 " in open("/proc/modules").read()
        assert loaded == (code == 0), f"allocation {n}: errno {code}, loaded: {loaded}"
        if code == 0:
            assert libc.syscall(176, b"shim6", os.O_NONBLOCK) == 0, "it does not unload"
        else:
            failed += 1
        if not injected:
            break
    print(f"{n - 1} allocations, {failed} of which made loading fail")
    assert failed > 20, "these were not the module's own"


def requests():
    sock = genl.Genl()
    family, _ = sock.family("shim6")
    a, b, c = (bytes.fromhex("20010db8%024x" % i) for i in (1, 2, 3))
    pair = attr(2, a) + attr(3, b)
    u64 = lambda kind, v: attr(kind, struct.pack("=Q", v))
    new = pair + u64(5, 1) + u64(6, 2) + u32(7, 3) + locators(10, c) + locators(11, c)
    rehome = pair + attr(8, a) + attr(9, c)
    home = pair + attr(8, a) + attr(9, b)

    def ask(cmd, body, flags=genl.NLM_F_ACK):
        return sock.ask(family, cmd, body, flags)

    def state():
        """Contexts and rules, without the values that change with time."""
        out = []
        for text in (subprocess.run(["shim6tool", "context"], capture_output=True, text=True).stdout,
                     subprocess.run(["shim6tool", "policy"], capture_output=True, text=True).stdout):
            out += [l for l in text.splitlines() if "last-sent" not in l and "switches" not in l]
        return out

    listener = genl.Genl()
    _, groups = listener.family("shim6")
    for g in groups.values():
        listener.join(g)
    ask(8, b"")
    ask(14, b"")
    # Command, attributes, flags, and the command that undoes it (None: it changes nothing).
    plan = [
        ("context-new", 4, new, 4, (7, pair)), ("context-new", 4, new, 4, None),
        ("context-set", 5, rehome, 4, (5, home)), ("context-set back", 5, home, 4, (5, rehome)),
        ("context-set tag-peer", 5, pair + u64(6, 77), 4, (5, pair + u64(6, 2))),
        ("context-set lists", 5, pair + locators(11, c, a), 4, (5, pair + locators(11, c))),
        ("context-get", 6, pair, 4, None), ("context-get dump", 6, b"", 0x304, None),
        ("policy-new", 11, u32(1, 5) + u32(13, 3), 4, (12, u32(1, 5))),
        ("policy-get dump", 13, b"", 0x304, None), ("config-set", 2, u32(2, 77), 4, (2, u32(2, 4096))),
        ("config-get", 1, b"", 4, None), ("stats-get", 17, b"", 4, None), ("daemon-register", 18, b"", 4, None),
        ("control-send", 19, attr(2, bytes(15) + b"\1") + attr(3, bytes(15) + b"\1") +
         attr(4, bytes([59, 1, 66, 0]) + bytes(12)), 4, None),
        ("context-flush", 8, b"", 4, (4, new)), ("policy-flush", 14, b"", 4, None),
    ]
    for name, cmd, body, flags, undo in plan:
        if name == "context-flush":  # it needs the contexts that undoing it makes
            ask(8, b"")
            assert ask(4, new)[0] == 0
        before, n, failed = state(), 0, 0
        while True:
            n += 1
            try:
                (code, text, _), injected = failing(n, lambda: ask(cmd, body, flags))
            except OSError as e:  # sending or receiving itself failed
                code, injected = e.errno, True
                sock.sock.close()
                sock = genl.Genl()
            now = state()
            if code in (errno.ENOMEM, errno.ENOBUFS):
                failed += 1
                # If the answer was lost, the request may have been done.
                if now != before and undo and (again := ask(*undo)[0]) and again != errno.ENOENT:
                    raise AssertionError(f"{name}, allocation {n}: can't be undone: {again}")
            elif injected and name == "control-send" and code == errno.ENETUNREACH:
                failed += 1  # the kernel's error if there is no memory for a route
            elif code and not (name == "context-new" and code == errno.EEXIST):
                raise AssertionError(f"{name}, allocation {n}: errno {code} {text}")
            elif undo and injected:
                assert ask(*undo)[0] == 0, f"{name}, allocation {n}: not undone"
            if not injected:
                break
            if undo:
                assert state() == before, f"{name}, allocation {n}: {before} became {state()}"
        print(f"{name}: {n - 1} allocations, {failed} told")
    ask(8, b"")
    assert not state(), state()


def namespace():
    """Making a namespace fails and leaves nothing; in the end it succeeds."""
    n, failed = 0, 0
    while True:
        n += 1
        result = {}

        def make():
            # In a thread of its own: when the thread ends, so does the namespace.
            def body():
                result["code"], result["injected"] = failing(
                    n, lambda: 0 if libc.unshare(0x40000000) == 0 else ctypes.get_errno())
            t = threading.Thread(target=body)
            t.start()
            t.join()

        make()
        failed += result["code"] != 0
        if not result["injected"]:
            break
    print(f"{n - 1} allocations, {failed} of which made it fail")
    assert failed > 20 and result["code"] == 0, (failed, result)


def in_namespace(do):
    """do() in an unused namespace, in a thread; the namespace ends with the thread."""
    result = []

    def body():
        assert libc.unshare(0x40000000) == 0, ctypes.get_errno()
        try:
            result.append(do())
        except BaseException as e:
            result.append(e)

    t = threading.Thread(target=body)
    t.start()
    t.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def first():
    """A first use that fails leaves the namespace as it was: the same request succeeds later."""
    a, b, c = (bytes.fromhex("20010db8%024x" % i) for i in (1, 2, 3))
    u64 = lambda kind, v: attr(kind, struct.pack("=Q", v))
    new = attr(2, a) + attr(3, b) + u64(5, 1) + u64(6, 2) + u32(7, 3) + locators(10, c) + locators(11, c)
    rules = len(subprocess.run(["shim6tool", "policy"], capture_output=True, text=True).stdout.splitlines())

    # Of a namespace after the request: the numbers of contexts and rules, and a setting.
    def seen():
        sock = genl.Genl()
        family, _ = sock.family("shim6")
        _, _, contexts = sock.ask(family, 6, b"", 0x304)
        _, _, policies = sock.ask(family, 13, b"", 0x304)
        config = genl.attrs(sock.ask(family, 1, b"")[2][0][4:])
        return len(contexts), len(policies), struct.unpack("=I", config[2])[0]

    untouched = (0, rules, 4096)
    for name, cmd, body, after in (
            ("context-new", 4, new, (1, rules, 4096)), ("policy-new", 11, u32(1, 5) + u32(13, 3), (0, rules + 1, 4096)),
            ("policy-del", 12, u32(1, 32700), (0, rules - 1, 4096)), ("policy-flush", 14, b"", (0, 0, 4096)),
            ("config-set", 2, u32(2, 77), (0, rules, 77)), ("daemon-register", 18, b"", untouched)):
        def use(n):
            sock = genl.Genl()
            family, _ = sock.family("shim6")
            assert seen() == untouched, (name, seen())
            try:
                (code, _, _), injected = failing(n, lambda: sock.ask(family, cmd, body))
            except OSError as e:  # sending or receiving itself failed
                return e.errno, True
            if code:
                assert code == errno.ENOMEM, f"{name}, allocation {n}: errno {code}"
                assert seen() == untouched, f"{name}, allocation {n}: {seen()}"
                assert (again := sock.ask(family, cmd, body)[0]) == 0, f"{name}, after allocation {n}: errno {again}"
            assert seen() == after, f"{name}, allocation {n}: {seen()}"
            return code, injected

        n, failed, injected = 0, 0, True
        # The state comes first; a daemon's tables are allocated page by page behind it.
        while injected and n < 40:
            n += 1
            code, injected = in_namespace(lambda: use(n))
            failed += code != 0
        print(f"{name}: {n} times, {failed} told")
        # At least one allocation for the state, and one for each of the rules.
        assert failed > rules, "these were not the first use's own"


settings()
if sys.argv[1] == "namespace":
    namespace()
elif sys.argv[1] == "first":
    first()
elif sys.argv[1] == "init":
    init(sys.argv[2])
else:
    requests()
