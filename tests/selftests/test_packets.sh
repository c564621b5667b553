#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data path, octet by octet (packets_out.py, packets_in.py, icmp.py, udp.py, tcp.py), the events for
# the daemon (events.py, timers.py, rhythm.py, answer.py), and the pairs that are counted (counted.py).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip nft modprobe shim6tool python3

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
ns_add a

cases a packets_out.py "$@"
cases a packets_in.py "$@"
cases a icmp.py "$@"
cases a udp.py "$@"
cases a tcp.py "$@"
# timers.py uses the timers of RFC 5534, some of which take minutes.
[ "${SHIM6_TIME:-real}" = real ] || {
	cases a events.py "$@"
	cases a counted.py "$@"
	cases a timers.py "$@"
	cases a rhythm.py "$@"
	cases a answer.py "$@"
}
ns_add v
cases v vrf.py "$@"
tap_end
