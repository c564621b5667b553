#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs of a cgroup see each packet of its sockets, like those of systemd's
# IPAddressAllow=, IPAddressDeny= and RestrictNetworkInterfaces=. In both directions they
# see each packet once, with its ULIDs and with the device by which it really goes.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip modprobe shim6tool python3

groups=$TEST_TMP/groups
trap 'umount -l "$groups" 2>/dev/null; cleanup' EXIT

cgroups() { mkdir -p "$groups" && mount -t cgroup2 none "$groups" && mkdir "$groups/s6-test"; }

# attach egress|ingress WORD OFFSET: only packets that have that word at that offset pass. With
# "ifindex" for OFFSET, WORD is the device.
attach() { /usr/bin/python3 "$here/filters.py" cgroup "$groups/s6-test" "$@"; }

# The program is removed with its cgroup, which is free soon after the end of its last process.
detach() { busywait 10 rmdir "$groups/s6-test" 2>/dev/null && mkdir "$groups/s6-test"; }

# of_prefix ADDRESS: the 32 bits of its prefix that tell links apart, as a program loads them.
of_prefix()
{
	/usr/bin/python3 -c 'import socket, sys
print(int.from_bytes(socket.inet_pton(socket.AF_INET6, sys.argv[1])[4:8], sys.byteorder))' "$1"
}

index_of() { in_ns "$1" cat "/sys/class/net/$2/ifindex"; }

sends()
{
	(echo $BASHPID >"$groups/s6-test/cgroup.procs" &&
		exec ip netns exec "${ns}a" /usr/bin/python3 "$here/filters.py" send $A1 $B1 9 "$@")
}

# sent WHAT ON-ULIDS RE-HOMED: the result of sending a datagram: ok, or the sender's error.
sent()
{
	local i=1 want got before

	for want; do
		switch_to $i || return
		before=$(stat_of a out-cgroup)
		got=$(sends)
		case $want in
		passes) expect_eq "link $i, what the sender is told" "$got" ok && expect_eq "refusals" "$(stat_of a out-cgroup)" "$before" || return ;;
		stops)
			if [ $i = 2 ]; then
				grew a out-cgroup "$before" || return
			else
				expect_eq "link $i, what the sender is told" "$got" EPERM || return
			fi
			;;
		esac
		i=2
	done
	detach
}

# 28: the second half of the destination's prefix.
egress_ulid() { attach egress "$(of_prefix $B1)" 28 && sent passes passes; }
egress_locator() { attach egress "$(of_prefix $B2)" 28 && sent stops stops; }
egress_device() { attach egress "$(index_of a up1)" ifindex && sent passes stops; }
egress_other_device() { attach egress "$(index_of a up2)" ifindex && sent stops passes; }

# The same for datagrams that are cut into fragments or segments.
egress_pieces()
{
	local before

	attach egress "$(of_prefix $B1)" 28 && switch_to 2 || return
	before=$(stat_of a out-fragments)
	expect_eq "a datagram of 4000 octets" "$(sends size=4000)" ok && grew a out-fragments "$before" 2 || return
	detach
}

# received ON-ULIDS RE-HOMED: whether a server in the cgroup gets the SYN of a client.
received()
{
	local i=1 want server

	# exec makes the shell the program.
	(echo $BASHPID >"$groups/s6-test/cgroup.procs" &&
		exec ip netns exec "${ns}b" /usr/bin/python3 "$here/filters.py" serve $B1 7) >"$TEST_TMP/served" &
	server=$!
	busywait 20 grep -q ready "$TEST_TMP/served" || return
	for want; do
		switch_to $i || return
		rm -rf "$TEST_TMP/go" && mkdir "$TEST_TMP/go" && : >"$TEST_TMP/go/end"
		in_ns a timeout 3 /usr/bin/python3 "$here/filters.py" talk $A1 $B1 7 "$TEST_TMP/go" >"$TEST_TMP/talk" 2>&1
		case $want in
		passes) grep -q "ok 0" "$TEST_TMP/talk" || { fail "link $i: no session"; return 1; } ;;
		stops) grep -q "ok 0" "$TEST_TMP/talk" && { fail "link $i: a session"; return 1; } ;;
		esac
		i=2
	done
	kill $server
	wait $server 2>/dev/null
	detach
}

# 12: the same of the source.
ingress_ulid() { attach ingress "$(of_prefix $A1)" 12 && received passes passes; }
ingress_locator() { attach ingress "$(of_prefix $A2)" 12 && received stops stops; }
ingress_device() { attach ingress "$(index_of b up1)" ifindex && received passes stops; }

modprobe shim6 || exit
set_up "two hosts with two links, and a context" eval 'pair_up && context_up'
set_up "a cgroup" cgroups
if ! attach egress 0 28 2>/dev/null >&2; then
	tap_skip all "the kernel has no CONFIG_CGROUP_BPF"
	tap_end
fi
detach
run_test "an egress program that allows the peer's ULID lets all pass" egress_ulid
run_test "one that allows its locator only lets nothing pass" egress_locator
run_test "one that allows the first link stops what would leave by the second" egress_device
run_test "and the other way round" egress_other_device
run_test "it is asked before a packet is cut, and not again" egress_pieces
run_test "an ingress program that allows the peer's ULID lets all pass" ingress_ulid
run_test "one that allows its locator only lets nothing pass" ingress_locator
run_test "one that allows the first link stops what comes by the second" ingress_device
tap_end
