#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Namespaces, the module, contexts and addresses come and go while packets flow. The kernel's
# log must have no complaint, and sessions must go on.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
need ip tc modprobe shim6tool python3

rounds=12
[ "${SHIM6_TIME:-real}" = virtual ] || rounds=5

# flood_both: flood the links with datagrams and TCP, both ways.
flood_both()
{
	in_ns a /usr/bin/python3 "$here/flood.py" $A1 $B1 >/dev/null 2>&1 &
	in_ns b /usr/bin/python3 "$here/flood.py" $B1 $A1 >/dev/null 2>&1 &
}

# flood_end: kill what flood_both has started.
flood_end()
{
	local h

	for h in a b; do
		ip netns pids "${ns}$h" 2>/dev/null | xargs -r kill -9 2>/dev/null
	done
	wait 2>/dev/null
}

# flows HOST COUNTER: the counter grows by itself.
flows()
{
	local before

	before=$(stat_of "$1" "$2")
	busywait 10 counter_beyond "$1" "$2" "$((before + 50))" || fail "$1: $2 stays at $before"
}
counter_beyond() { [ "$(stat_of "$1" "$2")" -gt "$3" ]; }

context_anew() { shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush && context_up; }

namespaces_go()
{
	local i

	for i in $(seq $rounds); do
		pair_up && context_up && switch_to 2 || return
		flood_both
		flows b in-payload || return
		# While packets are under way, delete first one end, then the other. The programs
		# in it still run.
		[ $((i % 2)) = 0 ] || switch_to 1
		ip netns delete "${ns}a"
		ip netns delete "${ns}b"
		flood_end_all
	done
}

# Without a name of the namespaces, their processes can't be found by it either.
flood_end_all() { pkill -9 -f "$here/flood.py" 2>/dev/null; wait 2>/dev/null; return 0; }

contexts_go()
{
	local i

	flood_both
	for i in $(seq $((4 * rounds))); do
		switch_to $((i % 2 + 1)) || return
		case $((i % 4)) in
		0) context_anew ;;
		1) shim6tool -n "${ns}a" context set $A1 $B1 locators-peer none &&
			shim6tool -n "${ns}a" context set $A1 $B1 locators-peer $B2 ;;
		2) shim6tool -n "${ns}a" context set $A1 $B1 tag-peer $((TAG_B - i)) &&
			shim6tool -n "${ns}a" context set $A1 $B1 tag-peer $((TAG_B)) ;;
		3) shim6tool -n "${ns}a" context del $A1 $B1 && shim6tool -n "${ns}b" context del $B1 $A1 && context_up ;;
		esac || return
	done
	switch_to 2 && flows b in-payload
	i=$?
	flood_end
	return $i
}

addresses_go()
{
	local i

	switch_to 2 || return
	flood_both
	for i in $(seq $rounds); do
		ip -n "${ns}a" addr del 2001:db8:2::a/64 dev up2
		ip -n "${ns}b" link set up2 down
		sleep 0.05
		ip -n "${ns}a" addr add 2001:db8:2::a/64 dev up2 nodad
		ip -n "${ns}b" link set up2 up
		ip -n "${ns}b" addr replace 2001:db8:2::b/64 dev up2 nodad
	done
	busywait 10 flows b in-payload
	i=$?
	flood_end
	return $i
}

# The module may be unloaded at any time: contexts are removed, packets go by their ULIDs, and
# nothing is left.
module_goes()
{
	local i before

	for i in $(seq $rounds); do
		context_anew && switch_to 2 || return
		[ "$i" -gt 1 ] || flood_both
		flows b in-payload || return
		modprobe -r shim6 || return
		grep -q '^shim6 ' /proc/modules && { fail "it is still there"; return 1; }
		before=$(udp_in)
		busywait 10 udp_beyond $((before + 50)) || { fail "nothing arrives on the ULIDs"; return 1; }
		modprobe shim6 || return
	done
	flood_end
}
# Datagrams for which there is no socket, which is all of them.
udp_in() { in_ns b awk '$1 == "Udp6NoPorts" { print $2 }' /proc/net/snmp6; }
udp_beyond() { [ "$(udp_in)" -gt "$1" ]; }

# A namespace is made, used and unmade while another has traffic.
strangers_go()
{
	local i

	context_anew && switch_to 2 || return
	flood_both
	for i in $(seq $rounds); do
		ns_add x && shim6tool -n "${ns}x" context add $A1 $B1 tag-local 1 tag-peer 2 state established &&
		ip netns delete "${ns}x" || return
	done
	flows b in-payload
	i=$?
	flood_end
	return $i
}

modprobe shim6 || exit
run_test "namespaces are destroyed under traffic" namespaces_go
set_up "two hosts with two links" pair_up
set_up "a context at both ends" context_up
run_test "contexts come, change and go under traffic" contexts_go
run_test "addresses and links come and go under traffic" addresses_go
run_test "the module is unloaded and loaded under traffic" module_goes
run_test "namespaces of others come and go under traffic" strangers_go
run_test "the module unloads in the end" modprobe -r shim6
tap_end
