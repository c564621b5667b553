#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long applications of default hosts hear nothing after a failure: shim6d has an empty
# configuration, the hosts have temporary addresses, and the client's routers let in only what
# belongs to connections from inside (routers.sh). test_failover.sh compares hosts of one address
# a prefix with plain IPv6 and MPTCP; here is what a user gets.
#
#	SHIM6_ROUND_TRIPS="5 20 100 200"	in milliseconds (default: 20)
#	SHIM6_ADDRESSES="2 5"			how many a prefix, beside the temporary one (default)
#	SHIM6_RUNS=20				of each failure, of which the median counts (default: 1)
#
# The table is shown at the end, and kept in SHIM6_ARTIFACTS.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
. "$here/flows.sh"
need ip tc nft modprobe shim6tool shim6d python3 radvd

ROUND_TRIPS=${SHIM6_ROUND_TRIPS:-20}
ADDRESSES=${SHIM6_ADDRESSES:-2 5}
RUNS=${SHIM6_RUNS:-1}
TABLE=$TEST_TMP/table
FLOWS_TICK=20
hosts_are=

# --- hosts -------------------------------------------------------------------

# hosts_fresh ROUND-TRIP N: both hosts, with N addresses a prefix. One is of the MAC address and one
# is made by shim6d; the others are added by hand.
hosts_fresh()
{
	local p h up

	[ "$hosts_are" != "$*" ] || return 0
	[ -z "$hosts_are" ] || hosts_end
	for p in $TOPO_PROVIDERS; do
		# A round trip meets such a delay four times.
		netem_set "$p" "$(($1 * 1000 / 4))us" || return
	done
	routers_for a established && hosts_up || return
	hosts_are=$* A1=$U_a B1=$U_b
	by_hand add "$2" || return
	for h in a b; do
		for up in up1 up2; do
			# One more is temporary.
			expect_eq "addresses of $h on $up" "$(ip -n "${ns}$h" -6 -o addr show dev $up scope global | wc -l)" $(($2 + 1)) || return
		done
	done
}

hosts_end()
{
	by_hand del "${hosts_are#* }"
	hosts_down
	hosts_are=
}

# by_hand add|del N: what hosts with N addresses a prefix have beside the usual two.
by_hand()
{
	local h up n

	for h in a b; do
		for up in up1 up2; do
			for ((n = 3; n <= $2; n++)); do
				# shellcheck disable=SC2046
				ip -n "${ns}$h" addr "$1" "$(topo_prefix "${TOPO_PROVIDER[$h$up]}")::1$n/64" dev $up $([ "$1" = del ] || echo nodad) || return
			done
		done
	done
}

# made_well: shim6d can protect and use all that it has made.
made_well()
{
	local h

	for h in a b; do
		ask_if $h /locators '[.[] | select(.hba and .available and .operational and (.temporary | not))] | length == 2' || return
	done
}

# fresh ROUND-TRIP N: no context, and all is well.
fresh()
{
	hosts_fresh "$@" && shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush || return
	busywait 60 made_well || { ask a /locators; fail "the hosts are not well"; }
}

# mended FAILURE
mended()
{
	if [ "$1" = link_down ]; then link_back 1; else blackhole_clear; fi
}

# --- measures ----------------------------------------------------------------

# silence FLOW FAILURE: in milliseconds. A flow of TCP or UDP goes from a to b, and b says how long
# nothing has arrived. To ask is a conversation, and a says.
silence()
{
	local status=0

	if [ "$1" = ask ]; then
		asked "$2"
	else
		flows 20 "shim6:$2" "$1:5001" >&2 && outage "$1:5001"
	fi || status=1
	mended "$2" || status=1
	return $status
}

asked()
{
	local status=0

	talk_client='' talk_server=''
	talk_begin a 100 ask >&2 && busywait 60 context_there && pause 5 && talk_told >&2 &&
		"$1" >&2 && pause 20 && talk_told >&2 && awk '$1 == "ask" { print $2 }' "$TEST_TMP/talk" || status=1
	# shellcheck disable=SC2086
	processes_end $talk_client $talk_server
	return $status
}

# row NAME FLOW FAILURE LIMIT: a line of the table for each number of addresses, of each round trip.
# LIMIT is a sum in milliseconds, in which rtt is the round trip.
row()
{
	local name=$1 rtt n run ms median line status=0

	for n in $ADDRESSES; do
		line=$name'|'$n
		for rtt in $ROUND_TRIPS; do
			: >"$TEST_TMP/runs"
			for ((run = 0; run < RUNS; run++)); do
				fresh "$rtt" "$n" && ms=$(silence "$2" "$3") || { look; hosts_end; return 1; }
				[ "$ms" != never ] || ms=1000000
				echo "$ms" >>"$TEST_TMP/runs"
			done
			median=$(sort -n "$TEST_TMP/runs" | sed -n "$(((RUNS + 1) / 2))p")
			line+="|$median"
			echo "$n addresses, $rtt ms: $(tr '\n' ' ' <"$TEST_TMP/runs")"
			below "$n addresses, $rtt ms" "$median" $(($4)) || { ask a /paths/history; status=1; }
		done
		echo "$line" >>"$TABLE"
	done
	return $status
}

show()
{
	{
		echo "outage in ms, by round trip|addresses|${ROUND_TRIPS// /|}"
		cat "$TABLE"
	} | columns 34
}

modprobe shim6 || exit
: >"$TABLE"
set_up "the standard topology, with home routers" routers_up 5ms
run_test "local link down, TCP" row "local link down, TCP" tcp link_down "3 * rtt + 100"
run_test "black hole, both ways, TCP" row "black hole, both ways, TCP" tcp black_hole "6 * rtt + 100"
run_test "black hole, one way out, TCP" row "black hole, one way out, TCP" tcp black_hole_out "6 * rtt + 100"
run_test "black hole, one way in, TCP" row "black hole, one way in, TCP" tcp black_hole_in "6 * rtt + 100"
run_test "local link down, UDP" row "local link down, UDP" udp link_down "3 * rtt + 100"
run_test "black hole, both ways, UDP" row "black hole, both ways, UDP" udp black_hole "5 * rtt + 350"
run_test "black hole, one way out, UDP" row "black hole, one way out, UDP" udp black_hole_out "5 * rtt + 350"
# One packet a second is no stream that is watched: the Send Timer notices (RFC 5534).
run_test "black hole, both ways, request and answer" row "black hole, request and answer" ask black_hole "5 * rtt + 16500"
show | sed 's/^/# /'
[ -z "${SHIM6_ARTIFACTS:-}" ] || show >"$SHIM6_ARTIFACTS/outages.txt"
tap_end
