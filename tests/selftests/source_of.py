# SPDX-License-Identifier: GPL-2.0
"""usage: source_of.py DESTINATION [--device DEVICE] [--bind ADDRESS]: the address at which a
connection to DESTINATION begins. Nothing is sent."""

import argparse
import socket

parser = argparse.ArgumentParser()
parser.add_argument("destination")
parser.add_argument("--device", help="the device to which the socket is bound")
parser.add_argument("--bind", help="the address to which the socket is bound")
args = parser.parse_args()
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
if args.device:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, args.device.encode())
if args.bind:
    s.bind((args.bind, 0))
s.connect((args.destination, 9))
print(s.getsockname()[0])
