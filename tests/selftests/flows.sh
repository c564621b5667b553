# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Flows from a to b in the standard topology, and how a failure interrupts them: a library
# for tests (source topology.sh, pair.sh and daemon.sh first). Locators need no proof, and
# ULIDs are the addresses of the first links.

A1=$(topo_addr a up1) A2=$(topo_addr a up2)
B1=$(topo_addr b up1) B2=$(topo_addr b up2)
RESULTS=$TEST_TMP/results

# unwatched COMMAND [...]: run a command, and let daemons that it starts not watch streams. So what
# is left of failures is noticed by what the command is about.
unwatched()
{
	local status=0

	DAEMONS_MORE="watch-streams = false"
	"$@" || status=$?
	DAEMONS_MORE=
	return $status
}

# daemons_up: start shim6d on both hosts, with default timers. DAEMONS_MORE is added to the
# section [kernel] of both, and DAEMON_MORE to the configuration of a.
daemons_up()
{
	local h more

	for h in a b; do
		more=${DAEMONS_MORE:-}
		[ $h != a ] || more+=${DAEMON_MORE:-}
		daemon_conf $h <<-EOF2 || return
			[log]
			level = "debug"
			[peers]
			trusted-prefixes = ["2001:db8::/32"]
			[addresses]
			manage = false
			[kernel]
			trigger-time = "0s"
			$more
		EOF2
		daemon_start $h || return
	done
}

daemons_down()
{
	local h

	for h in a b; do
		daemon_end $h TERM
		shim6tool -n "${ns}$h" context flush
		# The kernel keeps what it was told.
		[ -z "${DAEMONS_MORE:-}" ] || shim6tool -n "${ns}$h" config set watch-streams 1
		rm -rf "$(daemon_dir $h)/state" "$(daemon_dir $h)/socket.state"
	done
}

addresses_are_there()
{
	local h up

	for h in a b; do
		for up in up1 up2; do
			has_addr $h $up && has_carrier $h $up && addr_preferred $h $up || return
		done
	done
}

# heal: restore the network to its first state.
heal()
{
	local h up p

	in_ns core nft delete table ip6 blackhole 2>/dev/null
	for h in a b; do
		for up in up1 up2; do
			ip -n "${ns}$h" link set $up up
			p=$(topo_provider $h $up)
			router_up "$p"
			busywait 20 no_tentative "p$p" host || return
			has_addr $h $up || ip -n "${ns}$h" addr add "$(topo_addr $h $up)/64" dev $up nodad
		done
	done
	for p in $TOPO_PROVIDERS; do
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600
	done
	topo_routes a && topo_routes b && topo_ping_all 20 && busywait 20 addresses_are_there
}

# --- flows -------------------------------------------------------------------

# flows SECONDS FAILURE FLOW...: cause the failure, and write to RESULTS what the flows see of it.
# They send every FLOWS_TICK milliseconds, by FLOWS_PROGRAM.
FLOWS_TICK=10
FLOWS_PROGRAM=(/usr/bin/python3 "$here/flow.py")
flows()
{
	local sink= source= status

	flows_go "$@"
	status=$?
	[ -z "$source" ] || kill "$source" 2>/dev/null
	[ -z "$sink" ] || kill "$sink" 2>/dev/null
	[ -z "$source$sink" ] || wait $source $sink 2>/dev/null
	return $status
}

flows_go()
{
	local seconds=$1 failure=$2

	shift 2
	# Not by in_ns: signals must reach the sink.
	FLOW_ALSO=$B2 ip netns exec "${ns}b" "${FLOWS_PROGRAM[@]}" sink "$B1" "$@" >"$RESULTS" 2>"$RESULTS.err" &
	sink=$!
	busywait 20 grep -q ready "$RESULTS" || { cat "$RESULTS.err"; fail "no sink"; return 1; }
	FLOW_ALSO=$A2 ip netns exec "${ns}a" "${FLOWS_PROGRAM[@]}" source 1000 $FLOWS_TICK "$A1" "$B1" "$@" 2>>"$RESULTS.err" &
	source=$!
	sleep 3
	if [ "$failure" != "${failure#shim6:}" ]; then
		failure=${failure#shim6:}
		busywait 20 context_is a established && busywait 20 context_is b established ||
			{ ask a /history; fail "no context"; return 1; }
	fi
	[[ $* != *mptcp* ]] || busywait 20 mptcp_meshed || { in_ns b ss -tn; fail "MPTCP has not all its subflows"; return 1; }
	kill -USR1 $sink && busywait 20 grep -q marked "$RESULTS" || return
	$failure $sink || { fail "$failure fails"; return 1; }
	sleep "$seconds"
	# The sink writes its results when it ends.
	kill -TERM $sink
	wait $sink
	sink=
	return 0
}

# mptcp_meshed: each connection has subflows from both addresses to both, so that no result is
# for lack of a subflow. Linux 6.1 makes some of them twice.
mptcp_meshed()
{
	in_ns b ss -Htn state established | awk '
		$3 ~ /:500[3-7]$/ { sub(":[0-9]*$", "", $4); if (!seen[$3, $4]++) n[substr($3, length($3) - 3)]++ }
		END { for (p in n) { all++; if (n[p] != 4) exit 1 } exit !all }'
}

# outage FLOW: its length in milliseconds, or "never" if the flow has not come back.
outage() { awk -v f="$1" '$1 == f { print $3 == "back" ? $2 : "never" }' "$RESULTS"; }

# below WHAT OUTAGE LIMIT: the outage is at most LIMIT; both are in milliseconds.
below()
{
	[ "$2" != never ] && [ "$2" -le "$3" ] || fail "$1: $2 ms, wanted $3 at most"
}

# columns WIDTH: a table of lines that have | between their cells, the first of this width.
columns()
{
	local line

	while IFS='|' read -ra line; do
		printf "%-$1s" "${line[0]}"
		printf ' %10s' "${line[@]:1}"
		echo
	done
}

# --- failures of a's first provider ------------------------------------------

link_down() { link_cut a up1; }
black_hole() { blackhole 1 both; }
black_hole_out() { blackhole 1 out; }
black_hole_in() { blackhole 1 in; }
