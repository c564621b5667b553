#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything at once, on more than one processor (races.py): only kernel smp has them at
# native speed. The runner fails on whatever the kernel's log says of it.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip modprobe shim6tool python3

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit
modinfo s6_bench >/dev/null 2>&1 ||
	{ tap_skip all "the module s6_bench is not there (tests/vm/run -m tests/bench/datapath)"; tap_end; }
modprobe s6_bench || exit
[ "$(nproc)" -gt 1 ] || { tap_skip all "there is one processor only"; tap_end; }

# The links are as fast as they can be: this kernel has no netem.
link_alive() { :; }

several()
{
	local h

	note "$(nproc) processors"
	pair_up && more_addresses && context_up || return
	for h in a b; do
		in_ns $h sh -c "echo 'listen :: 9' >/proc/s6_bench" || return
	done
}

more_addresses()
{
	local i

	for i in 1 2 3 4 5 6 7 8; do
		ip -n "${ns}a" addr add "2001:db8:1::1:$i/64" dev up1 nodad || return
	done
}

goes() { modprobe -r shim6 && ! grep -q '^shim6 ' /proc/modules; }

set_up "two hosts with a context" several
NS_A=${ns}a NS_B=${ns}b cases a races.py "${SHIM6_RACES:-40}" "${SHIM6_SEED:-$RANDOM}"
run_test "then the module goes for good" goes
tap_end
