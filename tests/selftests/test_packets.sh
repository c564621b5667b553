#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data path, octet by octet (packets.py, icmp.py), and what the daemon is told
# (events.py, timers.py).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip nft modprobe shim6tool python3

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
ns_add a
# cases PROGRAM [WORD...]: run it in the host, and make TAP of what it says.
cases()
{
	local program=$1 how what

	shift
	while read -r how what; do
		case $how in
		PASS) tap_ok "$what" ;;
		FAIL) tap_not_ok "$what" ;;
		*) echo "$how $what" ;;
		esac
	done < <(in_ns a /usr/bin/python3 "$here/$program" "$@" 2>&1
		[ $? = 0 ] && echo "PASS $program comes to its end" || echo "FAIL $program comes to its end")
}

cases packets.py "$@"
cases icmp.py "$@"
# Its timers are those of RFC 5534, some of minutes.
[ "${SHIM6_TIME:-real}" = real ] || {
	cases events.py "$@"
	cases timers.py "$@"
}
tap_end
