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
#	SHIM6_RUNS=20				of each failure, of which the median counts (default: 1,
#						and two more if that takes longer than it may)
#
# The table is shown at the end, and kept in SHIM6_ARTIFACTS.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
. "$here/flows.sh"
need ip tc nft modprobe shim6tool shim6d python3 radvd wg quic_flow

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
		busywait 20 labelled $h $((2 * $2)) || { in_ns $h ip addrlabel; fail "$h: connections may begin anywhere"; return 1; }
	done
}

# labelled HOST N: programs that name no source do not begin at N addresses beside those of shim6d.
labelled() { [ "$(in_ns "$1" ip addrlabel | grep -c "label 5533")" = "$2" ]; }

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

# silence FLOW FAILURE: in milliseconds. The flow goes from a to b, and b says how long nothing has
# arrived. To ask is a conversation, and a says. Inside WireGuard there is TCP.
silence()
{
	local status=0 FLOWS_PROGRAM=("${FLOWS_PROGRAM[@]}")

	case $1 in
	ask)
		asked "$2" ;;
	wireguard)
		tunnelled "$2" ;;
	quic)
		FLOWS_PROGRAM=(quic_flow)
		flow quic "$2" ;;
	*)
		flow "$1" "$2" ;;
	esac || status=1
	mended "$2" || status=1
	return $status
}

# flow PROTOCOL FAILURE
flow() { flows 20 "shim6:$2" "$1:5001" >&2 && outage "$1:5001"; }

# tunnelled FAILURE: a flow of TCP inside a tunnel that is there as long as the flow is.
tunnelled()
{
	local status=0

	tunnel_up && A1=fd51::1 B1=fd51::2 flows 20 "protected $1" tcp:5001 >&2 && outage tcp:5001 || status=1
	tunnel_down
	return $status
}

# protected FAILURE: the failure, once the hosts have a context, which is not the one of the flow's
# addresses.
protected() { busywait 20 context_there && "$1"; }

# tunnel_up: a tunnel between the ULIDs, as somebody sets it up who knows nothing of Shim6.
tunnel_up()
{
	local h

	for h in a b; do
		(umask 077 && wg genkey >"$TEST_TMP/$h.key") && ip -n "${ns}$h" link add wg0 type wireguard || return
	done
	tunnel_end a b fd51::1 fd51::2 "$B1" && tunnel_end b a fd51::2 fd51::1 "$A1" && busywait 10 in_ns a ping -c 1 -W 1 fd51::2 >&2
}

# tunnel_end HOST PEER INSIDE PEER-INSIDE ENDPOINT
tunnel_end()
{
	in_ns "$1" wg set wg0 private-key "$TEST_TMP/$1.key" listen-port 51820 \
		peer "$(wg pubkey <"$TEST_TMP/$2.key")" endpoint "[$5]:51820" allowed-ips "$4/128" &&
		ip -n "${ns}$1" addr add "$3/64" dev wg0 nodad && ip -n "${ns}$1" link set wg0 up
}

tunnel_down()
{
	local h

	for h in a b; do
		ip -n "${ns}$h" link del wg0 2>/dev/null
	done
	return 0
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
	local name=$1 rtt n run runs ms median line status=0

	for n in $ADDRESSES; do
		line=$name'|'$n
		for rtt in $ROUND_TRIPS; do
			: >"$TEST_TMP/runs"
			runs=$RUNS
			for ((run = 0; run < runs; run++)); do
				fresh "$rtt" "$n" && ms=$(silence "$2" "$3") || { look; hosts_end; return 1; }
				[ "$ms" != never ] || ms=1000000
				echo "$ms" >>"$TEST_TMP/runs"
				# Chance has a part in one: a stream may have paused just before.
				[ $runs -gt 1 ] || [ "$ms" -le $(($4)) ] || runs=3
			done
			median=$(sort -n "$TEST_TMP/runs" | sed -n "$(((runs + 1) / 2))p")
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

# far: at 100 ms TCP takes four to eight round trips. It had taken up to fourteen, by what each failure
# has left behind for the next one: so each is there three times.
far()
{
	local way status=0

	for way in black_hole black_hole_out black_hole_in; do
		ROUND_TRIPS=100 ADDRESSES=2 RUNS=3 TABLE=/dev/null row "$way, TCP" tcp $way "8 * rtt" || status=1
	done
	return $status
}

# Five round trips, but 60 ms at least, from the last octet before the failure; and the time of this
# laboratory: a packet each 20 ms, and timers of 10.
# Where only what is heard is lost, the peer has to be told, which is half a round trip more.
TCP_LIMIT="(rtt > 12 ? 5 * rtt : 60) + 40"
modprobe shim6 || exit
: >"$TABLE"
set_up "the standard topology, with home routers" routers_up 5ms
run_test "local link down, TCP" row "local link down, TCP" tcp link_down "3 * rtt + 100"
run_test "black hole, both ways, TCP" row "black hole, both ways, TCP" tcp black_hole "$TCP_LIMIT"
run_test "black hole, one way out, TCP" row "black hole, one way out, TCP" tcp black_hole_out "$TCP_LIMIT"
run_test "black hole, one way in, TCP" row "black hole, one way in, TCP" tcp black_hole_in "$TCP_LIMIT + rtt / 2"
run_test "black hole, TCP, at 100 ms" far
run_test "local link down, UDP" row "local link down, UDP" udp link_down "3 * rtt + 100"
run_test "black hole, both ways, UDP" row "black hole, both ways, UDP" udp black_hole "5 * rtt + 350"
run_test "black hole, one way out, UDP" row "black hole, one way out, UDP" udp black_hole_out "5 * rtt + 350"
run_test "black hole, both ways, UDP both ways" row "black hole, UDP both ways" call black_hole "5 * rtt + 200"
run_test "black hole, one way out, UDP both ways" row "one way out, UDP both ways" call black_hole_out "5 * rtt + 350"
run_test "black hole, both ways, QUIC" row "black hole, QUIC" quic black_hole "5 * rtt + 300"
run_test "black hole, both ways, WireGuard with TCP inside" row "black hole, TCP in WireGuard" wireguard black_hole "7 * rtt + 160"
# A question a second, so that a second of this is the time to the next one.
run_test "black hole, both ways, request and answer" row "black hole, request and answer" ask black_hole "5 * rtt + 2900"
run_test "black hole, one way out, request and answer" row "one way out, request and answer" ask black_hole_out "5 * rtt + 2900"
run_test "black hole, one way in, request and answer" row "one way in, request and answer" ask black_hole_in "5 * rtt + 2900"
show | sed 's/^/# /'
[ -z "${SHIM6_ARTIFACTS:-}" ] || show >"$SHIM6_ARTIFACTS/outages.txt"
tap_end
