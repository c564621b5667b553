# SPDX-License-Identifier: GPL-2.0
"""usage: talk.py serve ADDRESS | call OCTETS LOCAL ADDRESS FLOW...

Conversations, and how long each is silent for the caller. A FLOW is one of

tcp     the caller says OCTETS octets five times a second, and the server says them again
udp     the same in datagrams
ask     a datagram a second, which the server answers
slow    as tcp for a minute and a half, and then once a minute
listen  the caller says one datagram, and then hears one five times a second
idle    a TCP connection on which the caller says a little for a minute and a half; the
        server says a word on it when it gets a SIGUSR1

FLOW@ADDRESS is a flow from another address than LOCAL. Both print "ready", and the caller also
the addresses at which its flows begin. At SIGUSR1 the caller prints, for each flow, its name and
the longest time in which nothing has arrived since the last time, or since it began, in
milliseconds; then a line "told". For idle it prints the number of words that it has heard.
"""

import asyncio
import signal
import socket
import sys
import time

PORTS = {"tcp": 7000, "udp": 7001, "ask": 7001, "listen": 7002, "idle": 7003, "slow": 7004}
PACE = 0.2
ASK_PACE = 1
SLOW_PACE = 60
WORD = b"a word of the server\n"
IDLE_SMALL_TALK = 90


class Heard:
    def __init__(self):
        self.words = 0
        self.mark()

    def mark(self):
        self.last, self.longest = time.monotonic(), 0

    def arrived(self):
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now

    def silence(self):
        return round(max(self.longest, time.monotonic() - self.last) * 1000)


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received):
        self.received = received

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.received(self.transport, data, address)

    def error_received(self, error):
        print("udp:", error, file=sys.stderr)


# --- the server --------------------------------------------------------------

async def echo(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError as e:
        print("server:", e, file=sys.stderr)


async def to_listener(transport, address):
    while True:
        transport.sendto(b"x" * 500, address)
        await asyncio.sleep(PACE)


async def serve(address):
    loop = asyncio.get_running_loop()
    idle, tasks = [], set()

    async def quiet(reader, writer):
        idle.append(writer)
        await echo(reader, writer)

    def listener(transport, _, source):
        tasks.add(loop.create_task(to_listener(transport, source)))

    await asyncio.start_server(echo, address, PORTS["tcp"])
    await asyncio.start_server(echo, address, PORTS["slow"])
    await asyncio.start_server(quiet, address, PORTS["idle"])
    await loop.create_datagram_endpoint(lambda: Datagrams(lambda t, d, a: t.sendto(d, a)), (address, PORTS["udp"]))
    await loop.create_datagram_endpoint(lambda: Datagrams(listener), (address, PORTS["listen"]))
    loop.add_signal_handler(signal.SIGUSR1, lambda: [w.write(WORD) for w in idle])
    print("ready", flush=True)
    await asyncio.Event().wait()


# --- the caller --------------------------------------------------------------

async def hear(flow, heard, reader):
    try:
        while data := await reader.read(1 << 16):
            heard.words += data.count(WORD)
            heard.arrived()
        print(f"{flow}: the end", file=sys.stderr)
    except OSError as e:
        print(f"{flow}: {e}", file=sys.stderr)


async def say(octets, write, until=None, pace=PACE):
    while until is None or time.monotonic() < until:
        write(b"x" * octets)
        await asyncio.sleep(pace)


async def say_slowly(octets, write):
    await say(octets, write, time.monotonic() + IDLE_SMALL_TALK)
    await say(octets, write, pace=SLOW_PACE)


async def call(octets, local, address, names):
    loop = asyncio.get_running_loop()
    flows, tasks, begun = {}, [], []

    for name in names:
        flows[name] = heard = Heard()
        name, _, own = name.partition("@")
        begin = (own or local, 0)
        if name in ("tcp", "slow", "idle"):
            reader, writer = await asyncio.open_connection(address, PORTS[name], local_addr=begin)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tasks.append(hear(name, heard, reader))
            if name == "tcp":
                tasks.append(say(octets, writer.write))
            elif name == "slow":
                tasks.append(say_slowly(octets, writer.write))
            else:
                tasks.append(say(50, writer.write, time.monotonic() + IDLE_SMALL_TALK))
        else:
            transport, _ = await loop.create_datagram_endpoint(
                lambda heard=heard: Datagrams(lambda *_: heard.arrived()), begin, (address, PORTS[name]))
            if name == "udp":
                tasks.append(say(min(octets, 1000), transport.sendto))
            elif name == "ask":
                tasks.append(say(100, transport.sendto, pace=ASK_PACE))
            else:
                transport.sendto(b"hello")
        begun.append((transport if name in ("udp", "ask", "listen") else writer).get_extra_info("sockname")[0])

    def tell():
        for name, heard in flows.items():
            print(name, heard.words if name == "idle" else heard.silence())
            heard.mark()
        print("told", flush=True)

    loop.add_signal_handler(signal.SIGUSR1, tell)
    print("ready", *begun, flush=True)
    await asyncio.gather(*tasks)
    await asyncio.Event().wait()


if sys.argv[1] == "serve":
    asyncio.run(serve(sys.argv[2]))
else:
    asyncio.run(call(int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
