#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router that changes addresses (NPTv6, NAT66) gives a session other ULIDs at its two ends, so
# that no proof can match. Such a session is left as it is, and both hosts say why. shim6d is as it is
# by default.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
need ip nft modprobe shim6tool shim6d python3 jq radvd

# outside PROVIDER: the prefix that its customer has outside. It has the same sum as the one inside, so
# that checksums stay as they are, as NPTv6 has it (RFC 6296, section 3.1).
outside() { echo "2001:db7:$1:2"; }

# routes_outside: the network knows these prefixes.
routes_outside()
{
	local p

	for p in $TOPO_PROVIDERS; do
		ip -n "${ns}core" route replace "2001:db7:$p::/48" via "2001:db8:f:$p::2" &&
			ip -n "${ns}p$p" route replace 2001:db7::/32 via "2001:db8:f:$p::1" || return
	done
}

# npt PROVIDER: its router changes the prefix, and keeps no state.
npt()
{
	local in=$(topo_prefix "$1")::/64 out=$(outside "$1")::/64 rest=::ffff:ffff:ffff:ffff

	in_ns "p$1" nft -f - <<-EOF
		table ip6 translate {
			chain out {
				type filter hook postrouting priority 0;
				oifname core ip6 saddr $in ip6 saddr set ip6 saddr & $rest | ${out%/64}
			}
			chain in {
				type filter hook prerouting priority -300;
				iifname core ip6 daddr $out ip6 daddr set ip6 daddr & $rest | ${in%/64}
			}
		}
	EOF
}

# nat66 PROVIDER: its router has one address for all that comes from inside.
nat66()
{
	ip -n "${ns}p$1" addr replace "$(outside "$1")::66/128" dev core nodad &&
	in_ns "p$1" nft -f - <<-EOF
		table ip6 translate {
			chain post {
				type nat hook postrouting priority 100;
				oifname core ip6 saddr $(topo_prefix "$1")::/64 snat to $(outside "$1")::66
			}
		}
	EOF
}

# seen_outside KIND PROVIDER ADDRESS: what others see of it.
seen_outside()
{
	[ "$1" = nat66 ] && echo "$(outside "$2")::66" || echo "$(outside "$2"):${3#"$(topo_prefix "$2"):"}"
}

# story NAME: run a function of this file between the start of both hosts and their end.
story()
{
	local p status=0

	hosts_up && "$@" || { look; status=1; }
	talk_end
	blackhole_clear 2>/dev/null
	hosts_down
	for p in $TOPO_PROVIDERS; do
		in_ns "p$p" nft -f - <<-EOF || status=1
			add table ip6 translate
			delete table ip6 translate
		EOF
	done
	return $status
}

# why HOST LOCAL PEER PATTERN: it says so of a session.
why() { ask_if "$1" "/protection?context=$2,$3,0" '.[0] | (.protected | not) and (.why | test($why))' --arg why "$4"; }

# lines HOST TEXT: how many lines of its log say that.
lines() { grep -cF "msg=\"$2" "$(daemon_dir "$1")/log"; }

PEER_CHANGED="the peer's proof is of another address than its ULID" OURS_CHANGED="the peer does not accept our proof"

# first KIND: the session's own path changes its addresses.
first()
{
	local seen

	seen=$(seen_outside "$1" 1 "$U_a")
	"$1" 1 && talk_begin a 1000 tcp udp || return
	busywait 300 why b "$U_b" "$seen" "$PEER_CHANGED" || { ask b "/protection?context=$U_b,$seen,0"; fail "b does not say why"; return 1; }
	busywait 300 why a "$U_a" "$U_b" "$OURS_CHANGED" || { ask a "/protection?context=$U_a,$U_b,0"; fail "a does not say why"; return 1; }
	silent_below "meanwhile" 1000 || return
	# In the quarter of an hour after that, the same is not said again and again.
	pause 900
	silent_below "after a quarter of an hour" 1000 || return
	[ "$(lines b "$PEER_CHANGED")" = 1 ] || { fail "b has $(lines b "$PEER_CHANGED") lines about it"; return 1; }
	[ "$(lines a "$OURS_CHANGED")" = 1 ] || { fail "a has $(lines a "$OURS_CHANGED") lines about it"; return 1; }
	# The way back from a failure is the path's own, as without Shim6.
	blackhole 1 both && pause 5 && blackhole_clear && pause 30 && talk_told || return
	echo "a failure of 5 s: $(tr '\n' ' ' <"$TEST_TMP/talk")"
	pause 5
	silent_below "after it" 1000
}

# other_path KIND: the path that the session would be moved to changes addresses. There is a context,
# and asking that path does the session no harm.
other_path()
{
	local i

	"$1" 2 && talk_begin a 1000 tcp udp && busywait 60 context_there || { fail "no context"; return 1; }
	for i in 1 2 3; do
		in_ns a shim6tool -socket "$(daemon_dir a)/socket" path doubt "$U_a" "$U_b" || return
		pause 60
		[ "$(of_context a state)$(of_context b state)" = establishedestablished ] || { fail "the context is gone"; return 1; }
	done
	silent_below "meanwhile" 1000 || return
	blackhole 1 both && pause 20 && blackhole_clear && pause 60 && talk_told || return
	echo "a failure of 20 s: $(tr '\n' ' ' <"$TEST_TMP/talk")"
	pause 5
	silent_below "after it" 1000 && busywait 120 context_there || fail "no context afterwards"
}

modprobe shim6 || exit
set_up "the standard topology, with home routers" eval 'routers_up 5ms && routes_outside'
run_test "NPTv6 on the session's path: it goes on unprotected, and both hosts say why" story first npt
run_test "NAT66 on the session's path: it goes on unprotected, and both hosts say why" story first nat66
run_test "NPTv6 on the other path: the session is not harmed" story other_path npt
tap_end
