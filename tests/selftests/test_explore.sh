#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Why a host leaves a locator pair, and to which pair it moves: in the standard topology,
# in virtual time. test_failover.sh measures what applications lose by it.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/flows.sh"
need ip nft modprobe shim6tool shim6d python3 jq radvd sysctl

# --- failures of a host's own locators --------------------------------------------

# noticed FAILURE TRIGGER WHY LIMIT: the host moves within LIMIT milliseconds. A datagram is
# sent every 10 ms, and nothing comes back whose absence could be noticed. WHY is a pattern of
# the reason that shim6tool gives for the locator.
noticed()
{
	local failure=$1 udp status=0

	heal && daemons_up && flows 10 "shim6:$failure" udp:5002 || { cat "$RESULTS.err"; daemons_down; return 1; }
	udp=$(outage udp:5002)
	below "UDP" "$udp" "$4" || status=1
	grep -qE "$3" "$TEST_TMP/why" || { cat "$TEST_TMP/why"; fail "nothing is said of $3"; status=1; }
	# There is one move in these ten seconds.
	expect_eq "moves" "$(moves)" "$2 1 to 2" || { ask a /paths/history; status=1; }
	daemons_down
	return $status
}

# moves: the moves of a, each with its trigger, and from which to which of its own providers.
moves()
{
	ask a /paths/history | jq -r '
		def provider: ."locator-local" | split(":")[2];
		.[] | select(.direction == "outbound") | "\(.trigger) \(.from | provider) to \(.to | provider)"'
}

# is_said WHY: shim6tool gives this reason for a locator of a. All that it says is kept.
is_said() { said_of_locator >"$TEST_TMP/why"; grep -qE "$1" "$TEST_TMP/why"; }
said_of_locator() { shim6tool -socket "$(daemon_dir a)/socket" -s locator show | grep -A4 -F "$A1"; }

# routes_lost: the default route goes. The announcements end, since they would restore it.
routes_lost()
{
	radvd_end 1 && ip -n "${ns}a" -6 route del default dev up1 proto ra && ip -n "${ns}a" -6 route del default dev up1 table 101 &&
	busywait 5 is_said 'no default router'
}

# router_resigns: the router announces that it is no default router any more.
router_resigns()
{
	radvd_end 1 && ip -n "${ns}a" -6 route del default dev up1 table 101 && in_ns p1 /usr/bin/python3 "$here/router_resigns.py" host &&
	busywait 5 is_said 'no default router'
}

# nud_times REACHABLE-MS DELAY-S: for how long a router counts as reachable, and how long the
# host then waits before it asks the router, every second, three times.
nud_times()
{
	in_ns a sysctl -qw "net.ipv6.neigh.up1.base_reachable_time_ms=$1" "net.ipv6.neigh.up1.delay_first_probe_time=$2" &&
	ip -n "${ns}a" -6 neigh flush dev up1
}

# router_silent: the router neither answers nor forwards. Its own questions, which would show
# that it is there, do not arrive either.
router_silent()
{
	radvd_end 1 && in_ns p1 nft -f - <<-'EOF' && busywait 8 is_said 'does not answer'
		table ip6 silent {
			chain in { type filter hook prerouting priority -400; iifname "host" drop; }
			chain out { type filter hook postrouting priority 400; oifname "host" drop; }
		}
	EOF
}

no_router()
{
	local status

	nud_times 1000 1 && unwatched noticed router_silent local "does not answer" 8000
	status=$?
	in_ns p1 nft delete table ip6 silent
	nud_times 30000 5
	return $status
}

deprecated()
{
	radvd_end 1 && ip -n "${ns}a" addr change "$A1/64" dev up1 valid_lft 600 preferred_lft 0 && busywait 5 is_said deprecated
}

# radvd_end PROVIDER: kill radvd, so that it sends no last announcement. radvd_set starts it
# again.
radvd_end()
{
	kill -9 "$(cat "$TEST_TMP/radvd.$1.pid")" && rm "$TEST_TMP/radvd.$1.pid"
}

# --- preferences -----------------------------------------------------------------

# The configuration makes up1 a backup. A session, which begins there, goes to up2 once that
# has worked for the hold-down. In each standby interval the host probes the three best of the
# other pairs.
preferences()
{
	local status=0 before n

	DAEMON_MORE='
		[protocol]
		hold-down = "5s"
		standby = "20s"
		[[interface]]
		name = "up1"
		policy = "backup"'
	heal && daemons_up || status=1
	DAEMON_MORE=
	[ $status = 0 ] && flows 30 shim6:busy udp:5002 || status=1
	expect_eq "moves" "$(moves)" "return 1 to 2" || { ask a /paths/history; status=1; }
	# The hold-down, and the time until a packet was sent.
	below "the return" "$(since_context)" 6500 || status=1
	expect_eq "policies" "$(ask_for a /paths '[.[].policy] | sort | join(" ")')" "backup backup normal normal" || { ask a /paths; status=1; }
	before=$(sent a probe)
	# Three intervals; nothing else has a reason to probe.
	sleep 60
	n=$(($(sent a probe) - before))
	[ $n = 9 ] || { fail "$n Probes in three standby intervals"; status=1; }
	daemons_down
	return $status
}

# since_context: how many milliseconds after the context's R2 a first moved.
since_context()
{
	ask a /history >"$TEST_TMP/history" && ask a /paths/history | /usr/bin/python3 "$here/explored.py" since-context "$TEST_TMP/history"
}

busy() { :; }

# --- four locators of each -------------------------------------------------------

# The order in which pairs are probed shows when all are dead. Then there is a new session,
# without memory of the first one, and its current pair and the first three others are dead.
four_by_four()
{
	local p status=0

	heal || return
	for p in $TOPO_PROVIDERS; do
		prefix_add "$p" "2001:db8:$p:2" || return
	done
	for p in $TOPO_PROVIDERS; do
		busywait 20 has_addr "$(topo_host "$p")" "$(topo_uplink "$p")" "2001:db8:$p:2" || return
	done
	daemons_up && flows 10 shim6:all_dead_for_a_while tcp:5001 || { cat "$RESULTS.err"; daemons_down; return 1; }
	ask a /paths/history | /usr/bin/python3 "$here/explored.py" order >"$TEST_TMP/order" || { ask a /paths/history; status=1; }
	daemons_down
	[ $status = 0 ] || return
	# shellcheck disable=SC2046
	set -- $(cat "$TEST_TMP/order")
	[ $# = 8 ] || { fail "not four pairs: $*"; return 1; }
	# No heal here: the eight addresses must stay.
	topo_ping_all 20 && daemons_up && flows 10 shim6:dead_pairs tcp:5001 || { cat "$RESULTS.err"; daemons_down; return 1; }
	below "TCP" "$(outage tcp:5001)" 3000 || status=1
	ask a /paths/history | /usr/bin/python3 "$here/explored.py" fourth "$TEST_TMP/order" || { ask a /paths/history; status=1; }
	daemons_down
	return $status
}

all_dead_for_a_while()
{
	ask_if a /paths 'length == 16' || { ask a /paths; fail "not sixteen pairs"; return 1; }
	blackhole 1 both && blackhole 2 both && sleep 4 && blackhole_clear
}

dead_pairs()
{
	local rules=

	# shellcheck disable=SC2046
	set -- $(cat "$TEST_TMP/order")
	while [ $# -ge 2 ]; do
		rules+="add rule ip6 blackhole forward ip6 saddr $1 ip6 daddr $2 drop"$'\n'
		rules+="add rule ip6 blackhole forward ip6 saddr $2 ip6 daddr $1 drop"$'\n'
		shift 2
	done
	blackhole_rules "$rules"
}

modprobe shim6 || exit
set_up "the standard topology, at 20 ms" topo_up 5ms
count_control
run_test "the route is lost" noticed routes_lost local "no default router" 150
run_test "the router is no default router any more" noticed router_resigns local "no default router" 150
run_test "the router does not answer: Neighbor Unreachability Detection" no_router
run_test "the address is deprecated" noticed deprecated deprecated "deprecated" 10
run_test "interface policy, hold-down and standby, as configured" unwatched preferences
run_test "four locators each: the fourth pair that is probed is the first that works" unwatched four_by_four
tap_end
