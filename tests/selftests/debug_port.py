# SPDX-License-Identifier: GPL-2.0
"""usage: debug_port.py ADDRESS WORDS...: a command to shim6d's debug port, and its answer, which
ends with ok."""

import socket
import sys

DEBUG_PORT = 19384
address, words = sys.argv[1], sys.argv[2:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((address, DEBUG_PORT))
s.send(" ".join(words).encode())
text = s.recv(65536).decode()
print(text, end="")
sys.exit(not text.endswith("ok\n"))
