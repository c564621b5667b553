#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Paths that drop IP protocol 140: sessions survive failures by UDP. shim6d is as it is by default.
# The drops are those of the core, so nobody is told. Home routers with stateful firewalls forget UDP
# after 30 seconds.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
. "$here/middle.sh"
need ip tc nft modprobe shim6tool shim6d python3 jq radvd

# carried HOST: how its packets are carried now. carried_are A B: of both hosts.
carried() { of_context "$1" encapsulation; }
carried_are()
{
	[ "$(carried a) $(carried b)" = "$1 $2" ] || fail "a and b send by $(carried a) and $(carried b), wanted $1 and $2"
}

# story NAME: run a function of this file between the start of both hosts and their end.
story()
{
	local status=0

	"$@" || { look; status=1; }
	talk_end
	blackhole_clear 2>/dev/null
	hosts_down
	no_cpe && all140 && return $status
}

# begins FLOW...: both hosts, a conversation, and a context.
begins()
{
	hosts_up && talk_begin a 1000 "$@" && busywait 60 context_there || { fail "no context"; return 1; }
	pause 5
}

# away LIMIT: the first providers' path fails, and no flow is silent for longer than LIMIT.
away()
{
	talk_told && blackhole 1 both && busywait 60 one_away || { fail "nobody moves"; return 1; }
	pause 150
	silent_below "away" "$1"
}

# back: both hosts return by themselves, and nothing is lost. RETURNS names what to wait for if
# stateful routers are in between: the pair is closed for whoever is outside until the other one
# has returned, and then asked ever more rarely.
back()
{
	blackhole_clear && busywait 300 ${RETURNS:-both_home} || { fail "they do not return"; return 1; }
	pause 60
	silent_below "back" 1000
}

# everywhere LIMIT FLOW...: no path carries protocol 140, and what the routers are was said before.
everywhere()
{
	local limit=$1 h before_a before_b

	shift
	before_a=$(moved a) before_b=$(moved b)
	no140 && begins "$@" && carried_are udp udp || return
	expect_eq "header before" "$(of_context a header)$(of_context b header)" 00 || return
	# Between the ULIDs payload has no header.
	expect_eq "with a header" "$(moved a) $(moved b)" "$before_a $before_b" || return
	away "$limit" && carried_are udp udp && back && carried_are udp udp || return
	for h in a b; do
		local before=before_$h
		[ "$(moved $h)" -gt $((${!before} + 100)) ] || { fail "$h: nothing was re-homed"; return 1; }
	done
	shows_udp
}

# moved HOST: how many packets had a header.
moved() { echo $(($(stat_of "$1" out-rehomed) + $(stat_of "$1" out-ulid-header))); }

# shows_udp: what users are told names the encapsulation.
shows_udp()
{
	shim6tool -n "${ns}a" context show | grep -q 'encapsulation udp' || { fail "context show does not tell"; return 1; }
	ask_if a /paths 'any(.[]; .encapsulation == "udp" and .state == "working" and .current)' || { ask a /paths; fail "the control socket does not tell"; return 1; }
	ask_if a /paths/history 'any(.[]; .to.encapsulation == "udp")' || { ask a /paths/history; fail "the history does not tell"; }
}

# second: only the second provider's paths drop it.
second()
{
	no140 2 4 && begins tcp udp && carried_are native native && away 3500 && carried_are udp udp && back && carried_are native native
}

# idle: nothing is said for a quarter of an hour, and then the outer host speaks first.
idle()
{
	no140 && cpe "$@" && begins idle && carried_are udp udp && blackhole 1 both && busywait 60 one_away || { fail "nobody moves"; return 1; }
	pause 900
	carried_are udp udp && one_away || { fail "they are not where they were"; return 1; }
	kill -USR1 "$talk_server" && pause 5 && talk_told || return
	expect_eq "what has arrived" "$(awk '$1 == "idle" { print $2 }' "$TEST_TMP/talk")" 1
}

# config HOST LINE: shim6d there is started again with this in [protocol].
protocol()
{
	daemon_conf "$1" <<-EOF && daemon_restart "$1"
		[protocol]
		$2
	EOF
}

# port HOST: the UDP port that its kernel has open, 0 for none.
port() { shim6tool -n "${ns}$1" -j config | jq '.[0]."udp-port"'; }

# never: both hosts are as before there was an encapsulation.
never()
{
	local h

	no140 && hosts_up || return
	for h in a b; do
		protocol $h 'udp = "never"' || return
	done
	talk_begin a 1000 tcp && pause 60
	context_there && { fail "a context without protocol 140"; return 1; }
	expect_eq "ports" "$(port a) $(port b)" "0 0" &&
	expect_eq "datagrams" "$(datagrams a) $(datagrams b)" "0 0" || return
	# Another choice, by a reload: the context is made.
	for h in a b; do
		daemon_conf $h </dev/null && daemon_signal $h HUP || return
	done
	busywait 120 context_there && carried_are udp udp || fail "no context after the reload"
}

# stubborn: a peer that does not use UDP is no worse off.
stubborn()
{
	no140 99 && hosts_up && protocol b 'udp = "never"' && talk_begin a 1000 tcp udp && busywait 60 context_there || { fail "no context"; return 1; }
	pause 5
	carried_are native native && away 3500 && carried_are native native && back && carried_are native native || return
	# A path that answers natively is not asked in UDP.
	expect_eq "datagrams of b" "$(datagrams b)" 0
}

# always: nothing goes by protocol 140.
always()
{
	local h

	no140 && hosts_up || return
	for h in a b; do
		protocol $h 'udp = "always"' || return
	done
	# The packets sent before that do not count.
	no140 && talk_begin a 1000 tcp && busywait 60 context_there || { fail "no context"; return 1; }
	carried_are udp udp && away 3500 && back && carried_are udp udp
	# nft prints the name of the protocol if it knows it.
	in_ns core nft list chain ip6 no140 forward | grep -qE 'l4proto (140|shim6) counter packets 0 ' ||
		{ in_ns core nft list chain ip6 no140 forward; fail "something went by protocol 140"; }
}

# spoofed: datagrams of somebody who knows addresses and no tags change nothing.
spoofed()
{
	local before

	no140 && begins tcp || return
	before=$(facts)
	in_ns core /usr/bin/python3 "$here/spoof.py" "$U_b" "$U_a" $UDP_PORT || return
	pause 2
	grew a in-udp-other 60 || { fail "they did not arrive"; return 1; }
	pause 5
	expect_eq "the contexts" "$(facts)" "$before" && silent_below "meanwhile" 1000
}
facts()
{
	local h

	for h in a b; do
		kernel_contexts $h '.[] | [."tag-local", ."tag-peer", .state, ."locator-local", ."locator-peer", .encapsulation, ."reap-state", .header]'
	done
}

modprobe shim6 || exit
set_up "the standard topology, with home routers" routers_up 5ms
run_test "no path carries protocol 140: a context is made, and a session survives" story everywhere 3500 tcp udp
run_test "only the second paths drop it" story second
run_test "stateful routers at one end" story eval 'cpe 1 2 && RETURNS="at_home a" everywhere 3500 tcp udp'
run_test "stateful routers at one end, and an idle session" story idle 1 2
run_test "udp = never: as without it, until a reload" story never
run_test "a peer that has never heard of it" story stubborn
run_test "udp = always: nothing by protocol 140" story always
run_test "spoofed datagrams change nothing" story spoofed
tap_end
