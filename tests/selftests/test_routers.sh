#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Sessions through stateful home routers. These follow TCP's windows, and forget connections
# that are silent for a while. The first provider fails and returns. Sessions that were saved by
# the other provider go on after the return, and ten minutes later. On both hosts shim6d has an
# empty configuration. All rows run on "latest", and one row of each set of rules on other
# kernels.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
need ip tc nft modprobe shim6tool shim6d python3 radvd

# failure PROVIDER KIND, of a host's first provider, and repair:
#   both, in, out	the core loses packets both ways, to its customers, or from its customers
#   link	the link to its router is cut
#   flap	that link goes off and on, and stays off
#   address	the host's addresses on that link are removed
#   second	first that link is cut, and then the link to the peer's first provider
#   ends	these two links are cut at the same time
#   all	both providers lose all for 40 seconds; then the second one works again
failure()
{
	local h up i

	h=$(topo_host "$1") up=$(topo_uplink "$1")
	case $2 in
	link) link_cut "$h" "$up" ;;
	flap)
		for i in 1 2 3; do
			link_cut "$h" "$up" && pause 4 && link_back "$1" && pause 4 || return
		done
		link_cut "$h" "$up"
		;;
	address) ip -n "${ns}$h" addr flush dev "$up" scope global ;;
	second) link_cut "$h" "$up" && pause 5 && talk_told && link_cut "$(peer_of "$h")" up1 ;;
	ends) link_cut "$h" "$up" && link_cut "$(peer_of "$h")" up1 ;;
	all)
		blackhole "$1" both && blackhole $(($1 + 1)) both && pause 40 &&
			blackhole_clear && blackhole "$1" both && talk_told
		;;
	*) blackhole "$1" "$2" ;;
	esac
}

repair()
{
	case $2 in
	link | flap) link_back "$1" ;;
	address) prefix_restore "$1" ;;
	second | ends) link_back "$1" && link_back "$(provider_of "$(peer_of "$(topo_host "$1")")")" ;;
	*) blackhole_clear ;;
	esac
}

peer_of() { [ "$1" = a ] && echo b || echo a; }

# provider_of CLIENT: the first provider of the host that calls.
provider_of() { topo_provider "$1" up1; }

# fresh CLIENT RULES: routers and hosts are set up again, without a context.
fresh()
{
	routers_for "$1" "$2" && hosts_up
}

# away PROVIDER FAILURE LIMIT SECONDS: the provider fails, and the flows go on by another pair.
away()
{
	talk_told && failure "$1" "$2" && busywait 60 one_away || { fail "nobody moves"; return 1; }
	pause "$4"
	silent_below "away" "$3"
}

# back PROVIDER FAILURE: both hosts return to it by themselves, and nothing is lost.
back()
{
	repair "$1" "$2" && busywait 300 both_home || { fail "they do not return"; return 1; }
	pause 20
	silent_below "back" 1000
}

# saved CLIENT RULES FAILURE LIMIT [FLOW...]: the failure lasts longer than a router remembers
# datagrams.
saved()
{
	saved_go "$@" || { look; talk_end; blackhole_clear 2>/dev/null; link_back 1; link_back 3; hosts_down; return 1; }
	talk_end
	hosts_down
}

saved_go()
{
	local p h rehomed client=$1 rules=$2 failure=$3 limit=$4

	shift 4
	[ $# -gt 0 ] || set -- tcp udp listen
	p=$(provider_of "$client")
	fresh "$client" "$rules" && talk_begin "$client" 4000 "$@" && busywait 60 context_there || { fail "no context"; return 1; }
	expect_eq "header before" "$(of_context a header)$(of_context b header)" 00 || return
	pause 5
	silent_below "at first" 1000 && away "$p" "$failure" "$limit" 150 && back "$p" "$failure" || return
	for h in a b; do
		expect_eq "$h: header after" "$(of_context $h header)" 1 || return
		rehomed=$(stat_of $h out-rehomed)
		[ "$(stat_of $h out-ulid-header)" -gt 50 ] || { fail "$h: no header on the ULIDs"; return 1; }
		eval "rehomed_$h=\$rehomed"
	done
	pause $LATER
	silent_below "$LATER seconds later" 1000 || return
	expect_eq "what has left re-homed since" "$(stat_of a out-rehomed) $(stat_of b out-rehomed)" "$rehomed_a $rehomed_b"
}

# For how many seconds flows go on after a return, while nothing may leave re-homed.
LATER=600

# A session is idle for so long that the router forgets IP protocol 140, but not TCP. Then the
# host on the outside speaks first.
idle()
{
	idle_go || { look; talk_end; blackhole_clear 2>/dev/null; hosts_down; return 1; }
	talk_end
	hosts_down
}

idle_go()
{
	fresh a established && talk_begin a 100 idle && busywait 60 context_there || { fail "no context"; return 1; }
	failure 1 both && busywait 60 one_away || { fail "nobody moves"; return 1; }
	pause 10
	repair 1 both && busywait 300 both_home || { fail "they do not return"; return 1; }
	pause 900
	expect_eq "header" "$(of_context b header)" 1 && both_home || return
	kill -USR1 "$talk_server" && pause 10 && talk_told || return
	expect_eq "what has arrived" "$(awk '$1 == "idle" { print $2 }' "$TEST_TMP/talk")" 1
}

modprobe shim6 || exit
set_up "the standard topology, with home routers" routers_up 5ms
run_test "answers are let in: a calls, its provider fails and returns" saved a established both 3000
run_test "invalid packets are dropped: b calls, its provider fails and returns" saved b invalid both 3000
run_test "answers are let in: b calls, its provider fails and returns" saved b established both 3000
run_test "invalid packets are dropped: a calls, its provider fails and returns" saved a invalid both 3000
run_test "answers are let in: only packets that leave are lost" saved a established out 3000
run_test "answers are let in: only packets that arrive are lost" saved a established in 3000
# All other failures of test_failover.sh, with either host as the client. Each packet of ten
# minutes takes time of a real processor, and those above have seen what comes in that time.
LATER=60
for client in a b; do
	run_test "what answers is let in: $client calls, the link is cut" saved $client established link 1000
	run_test "what answers is let in: $client calls by UDP alone, its provider fails" saved $client established both 16500 udp
	run_test "what answers is let in: $client calls, its addresses are taken away" saved $client established address 1000
	run_test "what answers is let in: $client calls, the link goes on and off" saved $client established flap 1000
	run_test "what answers is let in: $client calls, a second failure comes after the first" saved $client established second 1000
	run_test "what answers is let in: $client calls, both hosts' links are cut at once" saved $client established ends 1000
	run_test "what answers is let in: $client calls, all paths are dead, and one comes back" saved $client established all 15000
done
run_test "an idle session, of which the router remembers only TCP: the outer host speaks first" idle
tap_end
