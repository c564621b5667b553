# SPDX-License-Identifier: GPL-2.0
"""usage: races.py SECONDS SEED

Everything that the module does, at the same time, on more than one processor, between the
namespaces $NS_A and $NS_B of pair.sh with its context: traffic, switches, contexts, rules and
settings that come and go, namespaces that end with packets on their way, peers that send what
they like. Each actor is a process. In the second half the module itself goes and comes as well.

The kernel's log is the judge of what happened inside. Here it is seen that every actor got
something done and met no error that it must not meet, that what TCP carried is intact, and
that nothing is left at the end."""

import ctypes
import errno
import os
import random
import socket
import struct
import subprocess
import sys
import time

import genl
from genl import attr, locators, u32

seconds, seed = float(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
A1, A2, B1, B2 = (socket.inet_pton(socket.AF_INET6, x) for x in
                  ("2001:db8:1::a", "2001:db8:2::a", "2001:db8:1::b", "2001:db8:2::b"))
TAG_A, TAG_B = 0x0A0A0A0A, 0x7FFF0B0B0B0B
CONFIG_GET, CONFIG_SET, NEW, SET, GET, DEL, FLUSH = 1, 2, 4, 5, 6, 7, 8
POLICY_NEW, POLICY_DEL, POLICY_GET, POLICY_FLUSH, STATS, REGISTER, CONTROL_SEND = 11, 12, 13, 14, 17, 18, 19
DUMP, ESTABLISHED = 0x304, 4
# A context, rule or module that another actor has just taken away, made or used up.
RACED = {errno.ENOENT, errno.EEXIST, errno.EBUSY, errno.ENOSPC, errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENETUNREACH,
         errno.EHOSTUNREACH, errno.ENETDOWN, errno.ECONNREFUSED, errno.EAGAIN, errno.ENOBUFS, errno.EINTR, errno.EPIPE,
         errno.EPROTO, errno.EPROTONOSUPPORT, errno.EACCES, errno.EMSGSIZE, errno.EPERM}
# The loopback of a namespace that nobody else uses: many ULIDs.
OTHERS = [socket.inet_pton(socket.AF_INET6, f"2001:db8:1::1:{i:x}") for i in range(1, 9)]


def u64(kind, value):
    return attr(kind, struct.pack("=Q", value))


def enter(name):
    with open(f"/run/netns/{name}") as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {name}")


class Family:
    """Requests, to a module that may have gone and come since."""

    def __init__(self):
        self.sock = None

    def ask(self, cmd, body=b"", flags=genl.NLM_F_ACK):
        """Whether it was done; an errno that is no other actor's doing is an error."""
        try:
            if self.sock is None:
                sock = genl.Genl()
                self.number, self.groups = sock.family("shim6")
                self.sock = sock
            code, text, _ = self.sock.ask(self.number, cmd, body, flags)
        except OSError as e:
            self.sock, code, text = None, e.errno or errno.ENOENT, str(e)
        if code == errno.EOPNOTSUPP or code == errno.ENOENT:
            self.sock = None
        elif code and code not in RACED:
            raise OSError(code, f"command {cmd}: {text}")
        return code == 0


def udp(peer, port, source=None):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    if source:
        s.bind((socket.inet_ntop(socket.AF_INET6, source), 0))
    s.connect((socket.inet_ntop(socket.AF_INET6, peer), port))
    s.setblocking(False)
    return s


def datagrams(rng, peer):
    """Bursts of many flows and lengths: some are in fragments, and some find nobody, so that errors go back."""
    flows = [udp(peer, port) for port in (9, 9, 5000, 5001)]
    sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sink.bind(("::", 5000))
    sink.setblocking(False)
    while True:
        s, data = rng.choice(flows), bytes(rng.choice((1, 100, 1400, 1452, 3000, 9000)))
        for _ in range(20):
            try:
                s.send(data)
            except OSError as e:
                if e.errno not in RACED:
                    raise
        try:
            while sink.recv(65536):
                pass
        except BlockingIOError:
            pass
        yield


def floods(rng, local, peer):
    """As many datagrams as a processor can send, by s6_bench."""
    line = f"flood {socket.inet_ntop(socket.AF_INET6, local)} {socket.inet_ntop(socket.AF_INET6, peer)} 9 64 5000 7"
    while True:
        try:
            with open("/proc/s6_bench", "w") as f:
                f.write(line)
        except OSError as e:
            if e.errno not in RACED:
                raise
        yield


def flips(rng, local, peer):
    """From pair to pair as fast as netlink goes, and without waiting for answers."""
    f, seq = Family(), 0
    while True:
        if not f.ask(CONFIG_GET):
            time.sleep(0.05)
            yield False
            continue
        f.sock.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        burst = b""
        for i in range(50):
            body = struct.pack("=BBH", SET, 1, 0) + attr(2, local[0]) + attr(3, peer[0]) + \
                attr(8, local[i % 2]) + attr(9, peer[i % 2])
            burst += struct.pack("=IHHII", len(body) + 16, f.number, genl.NLM_F_REQUEST, 0, 0) + body
        try:
            f.sock.sock.send(burst)
        except OSError as e:
            f.sock = None
            if e.errno not in RACED:
                raise
        yield


def streams_served(rng):
    server = socket.create_server(("::", 7000), family=socket.AF_INET6, backlog=16)
    while True:
        c, _ = server.accept()
        if os.fork() == 0:
            try:
                while data := c.recv(65536):
                    c.sendall(data)
            except OSError:
                pass
            os._exit(0)
        c.close()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        yield


def streams(rng):
    """All that is sent comes back unchanged. A connection may fail while the module goes and comes."""
    while True:
        try:
            with socket.create_connection((socket.inet_ntop(socket.AF_INET6, B1), 7000), timeout=5) as s:
                for _ in range(8):
                    data = rng.randbytes(rng.choice((10, 1000, 60000)))
                    s.sendall(data)
                    back = b""
                    while len(back) < len(data):
                        part = s.recv(65536)
                        if not part:
                            raise ConnectionResetError(errno.ECONNREFUSED, "closed")
                        back += part
                    if back != data:
                        raise AssertionError("TCP carried something else")
        except (TimeoutError, OSError):
            yield False
            continue
        yield


def switches(rng, local, peer):
    """To any pair of the context, each end by itself, with and without the header on the ULIDs."""
    f, name = Family(), attr(2, local[0]) + attr(3, peer[0])
    tags = (TAG_A, TAG_B) if local[0] == A1 else (TAG_B, TAG_A)
    new = name + u64(5, tags[0]) + u64(6, tags[1]) + u32(7, 3) + locators(10, local[1]) + locators(11, peer[1])
    while True:
        body = rng.choice((attr(8, rng.choice(local)) + attr(9, rng.choice(peer)), u32(14, rng.randint(10000, 20000)),
                           u32(20, rng.choice((1280, 1400, 1500))), locators(11, peer[1])))
        # Others flush, and the module goes.
        yield f.ask(SET, name + body) or f.ask(NEW, new)


def contexts(rng):
    """Contexts that come and go, with traffic by each."""
    f = Family()
    while True:
        ulid, peer, fii = rng.choice(OTHERS), rng.choice((B1, B2)), rng.choice((0, 0, 1, 2))
        name = attr(2, ulid) + attr(3, peer) + u32(4, fii)
        done = f.ask(NEW, name + u64(5, rng.randrange(1 << 47)) + u64(6, rng.randrange(1 << 47)) + u32(7, 3) +
                     locators(10, A2) + locators(11, B2))
        try:
            with udp(peer, 5001, ulid) as s:
                s.send(b"x" * 100)
                f.ask(SET, name + attr(8, A2) + attr(9, B2))
                for _ in range(4):
                    s.send(b"x" * 100)
        except OSError as e:
            if e.errno not in RACED:
                raise
        f.ask(DEL, name)
        if rng.random() < 0.02:
            f.ask(FLUSH)
        yield done


def rules(rng):
    f = Family()
    while True:
        done = f.ask(POLICY_NEW, u32(1, rng.randint(1, 50)) + u32(13, rng.randint(1, 3)))
        f.ask(POLICY_DEL, u32(1, rng.randint(1, 50)))
        if rng.random() < 0.1:
            f.ask(POLICY_FLUSH)
        yield done


def settings(rng):
    f = Family()
    while True:
        yield f.ask(CONFIG_SET, rng.choice((u32(1, rng.choice((2, 131072))), u32(2, rng.choice((1, 4096))),
                                            u32(3, rng.choice((0, 1, 45))), u32(5, 15000))))


def readers(rng):
    """Dumps, of which some are left in their middle."""
    f = Family()
    while True:
        yield f.ask(rng.choice((GET, POLICY_GET)), b"", DUMP) or f.ask(rng.choice((STATS, CONFIG_GET)))
        if f.sock and rng.random() < 0.3:
            f.sock.seq += 1
            f.sock.sock.send(struct.pack("=IHHIIBBH", 20, f.number, genl.NLM_F_REQUEST | DUMP, f.sock.seq, 0, GET, 1, 0))
            f.sock = None


def daemons(rng):
    """A daemon that registers and dies, and programs that listen."""
    while True:
        f = Family()
        done = f.ask(REGISTER)
        f.ask(CONTROL_SEND, attr(2, A1) + attr(3, B1) + attr(4, bytes([59, 1, 66, 0]) + bytes(12)))
        if f.sock:
            try:
                for group in f.groups.values():
                    f.sock.join(group)
            except OSError as e:
                if e.errno not in RACED:
                    raise
        time.sleep(rng.random() / 50)
        yield done


def namespaces(rng):
    """A namespace ends with a context, and with packets in it."""
    while True:
        child = os.fork()
        if child == 0:
            try:
                libc.unshare(CLONE_NEWNET)
                commands = "link set lo up\n" + "".join(f"addr add 2001:db8:9::{i}/128 dev lo nodad\n" for i in range(1, 5))
                subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
                x = [socket.inet_pton(socket.AF_INET6, f"2001:db8:9::{i}") for i in range(1, 5)]
                f = Family()
                f.ask(NEW, attr(2, x[0]) + attr(3, x[1]) + u64(5, 5) + u64(6, 6) + u32(7, 3) +
                      locators(10, x[2]) + locators(11, x[3]) + attr(8, x[2]) + attr(9, x[3]))
                with udp(x[1], 9, x[0]) as s:
                    for _ in range(50):
                        try:
                            s.send(b"x" * 100)
                        except OSError:
                            pass
                os._exit(0)
            finally:
                os._exit(1)
        yield os.waitpid(child, 0)[1] == 0


def addresses(rng):
    """Locators and ULIDs that go from under the packets, and come again."""
    while True:
        a = rng.choice(("2001:db8:2::a/64 dev up2", "2001:db8:1::1:1/64 dev up1", "2001:db8:1::1:2/64 dev up1"))
        p = subprocess.run(["ip", "-force", "-batch", "-"], input=f"addr del {a}\naddr replace {a} nodad\n", text=True,
                           stderr=subprocess.PIPE)
        # Another actor of the same kind may have taken it away at this moment.
        gone = ("Cannot assign requested address", "address not found", "Command failed")
        wrong = [l for l in p.stderr.splitlines() if not any(g in l for g in gone)]
        if wrong:
            raise RuntimeError(" ".join(wrong))
        time.sleep(rng.random() / 20)
        yield


def links(rng):
    while True:
        subprocess.run(["ip", "-batch", "-"], input="link set up2 down\nlink set up2 up\n"
                       "addr replace 2001:db8:2::b/64 dev up2 nodad\n", text=True, check=True)
        time.sleep(0.2 + rng.random())
        yield


def strangers(rng):
    """Control messages, Probes and payload of contexts that there are and are not."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 140)
    s.setblocking(False)
    while True:
        tag = rng.choice((TAG_A, TAG_B, rng.randrange(1 << 47)))
        if rng.random() < 0.5:
            p = bytes([17, 0]) + ((1 << 47) | tag).to_bytes(6, "big") + struct.pack("!HHHH", 9, 5001, 8, 0)
        else:
            p = bytes([59, 2, rng.choice((1, 2, 3, 4, 5, 6, 64, 65, 66, 67)), 0]) + bytes(4) + rng.randbytes(16)
        for _ in range(20):
            try:
                s.sendto(p, (socket.inet_ntop(socket.AF_INET6, rng.choice((A1, A2))), 0))
            except OSError as e:
                if e.errno not in RACED:
                    raise
        yield


def module(rng):
    """It goes and comes. A request that is being served keeps it for that long, and nothing else does."""
    while True:
        until = time.monotonic() + 20
        while subprocess.run(["modprobe", "-r", "shim6"], stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > until:
                raise AssertionError("the module is in use for 20 seconds")
            time.sleep(0.05)
        time.sleep(rng.random() / 5)
        subprocess.run(["modprobe", "shim6"], check=True)
        time.sleep(0.3 + rng.random())
        yield


def act(actor, name, args, rng, until, out):
    """Run an actor until its time is over, and tell how often it got something done."""
    enter(name)
    done = tried = 0
    for result in actor(rng, *args):
        tried += 1
        done += result is not False
        if time.monotonic() > until:
            break
    os.write(out, f"{done} {tried}\n".encode())


def round_of(actors, until, number):
    """Some actors at once: what each has done, by name, and what failed."""
    pids, done, failed = {}, {}, []
    for i, (actor, name, args) in enumerate(actors):
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            try:
                act(actor, name, args, random.Random(f"{seed} {number} {i}"), until, w)
                os._exit(0)
            except BaseException as e:
                os.write(w, f"{type(e).__name__}: {e}\n".encode())
                os._exit(1)
        os.close(w)
        pids[pid] = (actor.__name__, r)
    # One that waits for a packet that was lost has no more to say, and a server for a client.
    limit = until + 60
    while time.monotonic() < limit and any(n != "streams_served" for n, _ in pids.values()):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid not in pids:
            time.sleep(0.05)
            continue
        name, r = pids.pop(pid)
        text = os.read(r, 4096).decode().strip()
        os.close(r)
        if status:
            failed.append(f"{name}: {text}")
        else:
            done[name] = done.get(name, 0) + int(text.split()[0])
    for pid, (name, r) in pids.items():
        try:
            os.killpg(pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)
        os.close(r)
        if name != "streams_served":
            failed.append(f"{name} does not come to its end")
    return done, failed


def rounds(title, always, others, share):
    """Each of the others has its rounds, a few at a time: with fewer at once each does more."""
    rng, total, failed = random.Random(f"{seed} {title}"), {}, []
    chosen = others * 2
    rng.shuffle(chosen)
    count = (len(chosen) + share - 1) // share
    for i in range(count):
        done, bad = round_of(always + chosen[i * share:(i + 1) * share], time.monotonic() + seconds / count, f"{title} {i}")
        for name, n in done.items():
            total[name] = total.get(name, 0) + n
        failed += bad
    print("#", title, " ".join(f"{name}:{n}" for name, n in sorted(total.items())))
    idle = sorted({a.__name__ for a, _, _ in always + others} - {"streams_served"} - {n for n in total if total[n]})
    if failed or idle:
        print(f"FAIL {title}: all get their work done, and what TCP carries is intact (idle: {idle}; failed: {failed})")
    else:
        print(f"PASS {title}: all get their work done, and what TCP carries is intact")


def main():
    a, b = os.environ["NS_A"], os.environ["NS_B"]
    always = [(floods, a, (A1, B1)), (flips, a, ((A1, A2), (B1, B2))), (streams_served, b, ()), (streams, a, ())]
    others = [(datagrams, a, (B1,)), (datagrams, b, (A1,)), (floods, b, (B1, A1)), (flips, b, ((B1, B2), (A1, A2))),
              (switches, a, ((A1, A2), (B1, B2))), (switches, b, ((B1, B2), (A1, A2))), (contexts, a, ()), (contexts, a, ()), (rules, a, ()), (settings, a, ()), (readers, a, ()), (daemons, a, ()),
              (namespaces, a, ()), (addresses, a, ()), (links, b, ()), (strangers, b, ())]
    print("# seed", seed, flush=True)
    rounds("everything at once", always, others, 4)
    rounds("and the module goes and comes", always + [(module, a, ())], others, 6)
    enter(a)
    f = Family()
    f.ask(FLUSH)
    left = f.sock.ask(f.number, GET, b"", DUMP)[2]
    print("PASS" if not left else "FAIL", "no context is left")


main()
