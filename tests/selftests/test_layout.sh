#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets of every form in every layout of memory (layouts.py, nic/s6_inject.c), and random
# packets by every way in that a TAP device has (fuzz.py).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip modprobe shim6tool python3

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
modinfo s6_inject >/dev/null 2>&1 ||
	{ tap_skip all "the module s6_inject is not there (tests/vm/run -m tests/selftests/nic)"; tap_end; }
modprobe s6_inject || exit
ns_add a
# The debug kernel and emulated machines take long for each packet. They get a part of the
# packets, which shows errors as well.
if [ -e /proc/self/fail-nth ] || [ "${SHIM6_TIME:-real}" = real ]; then
	export SHIM6_LAYOUTS=${SHIM6_LAYOUTS:-20} SHIM6_FUZZ_PACKETS=${SHIM6_FUZZ_PACKETS:-600}
fi


cases a layouts.py "$@"
cases a fuzz.py "$@"
tap_end
