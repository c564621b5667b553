#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random netlink requests, and lack of memory: the runner fails if the kernel's log
# has a complaint.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
need ip modprobe shim6tool python3
export PYTHONDONTWRITEBYTECODE=1

# The debug kernel, which finds most errors, gets all requests.
messages=3000
[ -e /proc/self/fail-nth ] && messages=${SHIM6_FUZZ:-100000}

fuzz()
{
	in_ns a /usr/bin/python3 "$here/netlink_fuzz.py" $messages ${1:+"$1"} || return
	# The next case needs room for two contexts.
	shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}a" policy flush &&
	shim6tool -n "${ns}a" config set max-contexts 131072
}

module_path() { modinfo -F filename shim6; }

modprobe shim6 || exit
ns_add a
ns_add b
run_test "$messages random requests" fuzz
if [ -e /proc/self/fail-nth ]; then
	[ -d /sys/kernel/debug/failslab ] || mount -t debugfs none /sys/kernel/debug
	# In a namespace that the random requests have not configured. Not by `ip netns exec`,
	# which would hide the settings in /sys.
	run_test "requests while memory is short" nsenter "--net=/run/netns/${ns}b" /usr/bin/python3 "$here/netlink_fail.py" requests
	run_test "the first use of a namespace while memory is short" /usr/bin/python3 "$here/netlink_fail.py" first
	run_test "the module is unloaded" modprobe -r shim6
	# The kernel's tracing warns, and continues, if there is no memory for the events of
	# a module that is being loaded.
	echo "vm: command expects warnings of kernel/trace/trace_events.c" >/dev/kmsg
	run_test "loading while memory is short" /usr/bin/python3 "$here/netlink_fail.py" init "$(module_path)"
	echo "vm: command expects warnings of none" >/dev/kmsg
	run_test "the module is loaded again" modprobe shim6
	run_test "namespaces while memory is short" /usr/bin/python3 "$here/netlink_fail.py" namespace
else
	note "this kernel can't make memory short on demand; the debug kernel does"
fi
tap_end
