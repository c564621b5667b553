#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Run shim6tool top on a terminal of 80 columns and 24 lines, until the screen has some words.

usage: top.py WORD[,WORD...] COMMAND...

The words are looked for in what the terminal gets; the words of a screen come one by one. Then the
key q has to end the command, and the terminal has to be as it was. An ESC behind a & would be that of
a name."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

words, command = sys.argv[1].split(","), sys.argv[2:]
master, tty = pty.openpty()
fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(tty)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(tty, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(tty, fd)
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)

got = b""


def read(seconds, until):
    """Read until until() is true; the return value says if it is."""
    global got
    end = time.monotonic() + seconds
    while not until():
        left = end - time.monotonic()
        if left <= 0 or not select.select([master], [], [], left)[0]:
            return False
        got += os.read(master, 65536)
    return True


if not read(60, lambda: all(w.encode() in got for w in words)):
    sys.exit(f"of {words} it has only {[w for w in words if w.encode() in got]}: {got!r}")
os.write(master, b"q")
if not read(20, lambda: got.rfind(b"\x1b[?1049l") > got.rfind(b"\x1b[?1049h")):
    sys.exit(f"it does not leave the screen: {got[-1000:]!r}")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if status or termios.tcgetattr(tty) != before:
    sys.exit(f"exit status {status}, and the terminal was {before}, and is {termios.tcgetattr(tty)}")
if b"&\x1b" in got:
    sys.exit(f"the terminal has got what a name has: {got!r}")
