#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data path, octet by octet; see packets.py.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip modprobe shim6tool python3

modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
ns_add a
while read -r how what; do
	case $how in
	PASS) tap_ok "$what" ;;
	FAIL) tap_not_ok "$what" ;;
	*) echo "$how $what" ;;
	esac
done < <(in_ns a /usr/bin/python3 "$here/packets.py" ${1:+"$@"} 2>&1
	[ $? = 0 ] && echo "PASS the program comes to its end" || echo "FAIL the program comes to its end")
tap_end
