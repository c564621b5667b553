#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Addresses that shim6d sets up: ULIDs that stay when their link loses them, and
# addresses that it makes for the prefixes that radvd announces.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/topology.sh"
. "$here/addresses.sh"
need ip radvd nft tcpdump ping tc modprobe shim6tool shim6d python3 ssh sshd ssh-keygen setpriv

# --- ULIDs that are kept -----------------------------------------------------

C=$(context_name $A1 $B1)

both_start()
{
	daemon_conf a <<-EOF2 && daemon_conf b <<-EOF2 && daemon_start a && daemon_start b
		[log]
		level = "debug"
		[peers]
		trusted-prefixes = ["2001:db8::/32"]
		[kernel]
		trigger-packets = 0
		trigger-time = "0s"
	EOF2
		[peers]
		trusted-prefixes = ["2001:db8::/32"]
		[kernel]
		trigger-packets = 0
		trigger-time = "0s"
	EOF2
}

# A session whose packets go by link 2, and whose ULIDs are of link 1.
session_by_link_2()
{
	session_begin && open_by_link_2 || return
	# As on a host with two providers, packets to a ULID always have some route, so that
	# they come to the module.
	ip -n "${ns}a" route add default via $B2 dev up2 metric 4096 && session_talk 5
}

open_by_link_2()
{
	command_ok a open "$C,\"locator-local\":\"$A2\",\"locator-peer\":\"$B2\",\"force\":true" &&
		busywait 20 established || { ask a /history; fail "no context"; }
}

kept() { ip -n "${ns}a" -6 addr show dev lo to "$1" | grep -q "inet6 $1/128"; }
not_kept() { ! kept "$1"; }

# lose_link COMMAND...: a loses A1. The address is kept, soon enough, and the session lives.
lose_link()
{
	local d=$TEST_TMP/monitor pid

	ip -n "${ns}a" -ts monitor address >"$d" &
	pid=$!
	sleep 0.5
	"$@" || return
	busywait 5 kept $A1 || { ip -n "${ns}a" -6 addr; cat "$(daemon_dir a)/log"; fail "$A1 is not kept"; return 1; }
	sleep 0.2
	kill $pid
	wait $pid 2>/dev/null
	soon "$d" || { cat "$d"; return 1; }
	session_talk 5 || return
	own_locator a $A1 '(.operational | not) and (.why // "" | contains("kept on lo for contexts"))' ||
		{ ask a /locators; fail "it is taken for a locator that works"; }
}

# soon FILE: it took less than 50 ms, or half a second where time is real.
soon() { /usr/bin/python3 "$here/kept.py" "$1" $A1 "$([ "${SHIM6_TIME:-real}" = real ] && echo 0.5 || echo 0.05)"; }

# get_back: restore the address, which does not come back by itself.
get_back()
{
	ip -n "${ns}a" link set up1 up && ip -n "${ns}a" addr replace $A1/64 dev up1 nodad "$@" &&
	busywait 5 not_kept $A1 || { ip -n "${ns}a" -6 addr; fail "it stays on the loopback"; return 1; }
	session_talk 5
}

link_down() { lose_link ip -n "${ns}a" link set up1 down; }
deleted() { lose_link ip -n "${ns}a" addr del $A1/64 dev up1 && get_back; }

restarted()
{
	daemon_restart a && session_talk 5 && kept $A1 && adopted || { ip -n "${ns}a" -6 addr; fail "it is not kept"; }
}

adopted() { ask_if a /status '.contexts == 1'; }

flaps()
{
	local i

	for i in 1 2 3 4 5; do
		ip -n "${ns}a" link set up1 down && ip -n "${ns}a" link set up1 up &&
		ip -n "${ns}a" addr replace $A1/64 dev up1 nodad || return
	done
	busywait 5 not_kept $A1 || { fail "it stays on the loopback"; return 1; }
	session_talk 5 && adopted
}

# A kept address has the rest of its lifetime. When it goes, so does the context.
lifetime_ends()
{
	get_back valid_lft 30 preferred_lft 30 && lose_link ip -n "${ns}a" link set up1 down || return
	sleep 31
	busywait 5 not_kept $A1 || { ip -n "${ns}a" -6 addr; fail "it outlives its lifetime"; return 1; }
	busywait 5 no_context a || { ask a /contexts; fail "so does its context"; }
}

no_context() { [ "$(shim6tool -n "${ns}$1" -j context)" = "[]" ]; }

# An address that no context has is not kept. When a context ends, its ULID is removed.
context_ends()
{
	ip -n "${ns}a" link set up1 up && ip -n "${ns}a" addr replace $A1/64 dev up1 nodad &&
	session_end && shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush && sleep 1 || return
	ip -n "${ns}a" addr del $A1/64 dev up1 && sleep 1
	not_kept $A1 || { fail "it is kept for nobody"; return 1; }
	ip -n "${ns}a" addr replace $A1/64 dev up1 nodad && sleep 1
	open_by_link_2 || return
	ip -n "${ns}a" link set up1 down && busywait 5 kept $A1 || { fail "it is not kept"; return 1; }
	# b, whose link has no carrier now, would tell so, and with that begin the context again.
	shim6tool -n "${ns}b" context flush && command_ok a close "$C" && busywait 5 not_kept $A1 ||
		{ ip -n "${ns}a" -6 addr; ask a /contexts; tail -n 20 "$(daemon_dir a)/log"; fail "it is still kept for nobody"; }
}

# --- addresses that are made -------------------------------------------------

# The hosts of topology.sh, with shim6d in charge of their routing.
two_providers()
{
	topo_slaac || return
	# An administrator's address, rule and route, which must stay.
	ip -n "${ns}a" addr add 2001:db8:77::a/64 dev up1 nodad && ip -n "${ns}a" -6 rule add from 2001:db8:77::/64 lookup 77 &&
	ip -n "${ns}a" -6 route add default via fe80::1 dev up1 table 77
}

# foreign: all addresses, rules and routes that are not of shim6d, without lifetimes.
foreign()
{
	{
		ip -n "${ns}a" -6 -o addr | awk '{ print $2, $4 }' | grep -v -F -e "${M1:-x}/" -e "${M2:-x}/"
		ip -n "${ns}a" -6 rule | grep -v 'proto 140'
		ip -n "${ns}a" -6 route show table all | grep -v 'proto 140' | grep -v -F -e "${M1:-x} " -e "${M2:-x} " |
			sed 's/ expires [0-9]*sec//'
	} | sort
}

makes()
{
	# By then the kernel has made its own addresses and routes, such as link-local ones.
	sleep 5
	BEFORE=$(foreign)
	echo | daemon_conf a && daemon_start a && both_made || return
	expect_eq "what is not shim6d's" "$(foreign)" "$BEFORE" || return
	! ip -n "${ns}a" -6 addr show to "$M1" | grep -q forever || fail "$M1 has no lifetime"
}

# The addresses prove each other, and shim6d says so.
proved()
{
	local d

	d=$(daemon_dir a)/state
	expect_eq "the mode of the key" "$(stat -c %a "$d/addresses.key")" 600 &&
	shim6tool hba verify "$M1" pds "$d/addresses.pem" && shim6tool hba verify "$M2" pds "$d/addresses.pem" || return
	own_locator a "$M1" .hba && own_locator a "$M2" .hba || { ask a /locators; fail "shim6d has no proof of them"; }
}

# An MTU learnt for one provider's path to a peer moves no packet of the other provider.
learnt_mtu()
{
	learn_mtu "$(topo_addr b up1)" && unmoved "$(topo_addr b up1)" && stranger_end
}

learnt_router()
{
	learn_router "$(topo_addr b up2)" && unmoved "$(topo_addr b up2)" && stranger_end
}

# For an answer the kernel looks for a route by the device on which the question came in.
answers_unmoved()
{
	local d

	d=$(topo_addr b up1)
	learn_mtu "$d" && capture_start p2 core "$TEST_TMP/answers.pcap" "icmp6 and src $M2 and ip6[40] == 129" || return
	in_ns b ping -6 -q -n -c 2 -i 0.2 -W 1 -I "$d" "$M2"
	capture_stop "$TEST_TMP/answers.pcap"
	expect_eq "answers by up2" "$(capture_count "$TEST_TMP/answers.pcap")" 2 && stranger_end
}

# If the main table has a route that is better than a default route, it decides, whatever the
# source address is. It still does so after the daemon or routes have come and gone.
better_known()
{
	local to=2001:db8:f:4 router

	router=$(ra_gateway a up1)
	from up2 "$M2" $to::1 || return
	ip -n "${ns}a" -6 route add $to::/64 via "$router" dev up1 && from up1 "$M2" $to::1 || return
	# Except for a socket that is bound to the other link.
	FROM_OPTIONS="-I up2" from up2 "$M2" $to::1 || return
	ip -n "${ns}a" -6 route del $to::/64 && from up2 "$M2" $to::1 || return
	ip -n "${ns}a" -6 route add unreachable $to::/64 || return
	busywait 5 no_way "$M2" $to::1 || { fail "a route of type unreachable is overridden"; return 1; }
	ip -n "${ns}a" -6 route del unreachable $to::/64 && from up2 "$M2" $to::1
}

no_way() { ! ip -n "${ns}a" -6 route get "$2" from "$1"; }

# However a route of the main table changes, shim6d knows when no such route is left.
followed()
{
	local to=2001:db8:f:40::/64 r1 r2 verb

	r1=$(ra_gateway a up1) r2=$(ra_gateway a up2)
	r1="via $r1 dev up1" r2="via $r2 dev up2"
	for verb in "replace $to $r2" "append $to $r2" "replace $to nexthop $r1 nexthop $r2"; do
		# shellcheck disable=SC2086
		ip -n "${ns}a" -6 route add $to $r1 && busywait 5 thrown $to &&
		ip -n "${ns}a" -6 route $verb && ip -n "${ns}a" -6 route del $to $r2 || return
		sleep 0.5
		# A route that was replaced is gone now; of two routes one is left.
		case $verb in
		"replace $to $r2") ;;
		*)
			thrown $to || { ours; fail "$verb: the way that is left is not known"; return 1; }
			# shellcheck disable=SC2086
			ip -n "${ns}a" -6 route del $to $r1 || return
			;;
		esac
		busywait 5 not_thrown $to || { ours; fail "$verb: it is not noticed that there is no route"; return 1; }
	done
	# A link that is removed takes its routes along.
	ip -n "${ns}a" link add gone type dummy && ip -n "${ns}a" link set gone up &&
	ip -n "${ns}a" -6 route add $to dev gone && busywait 5 thrown $to && ip -n "${ns}a" link del gone &&
	busywait 5 not_thrown $to || { ours; fail "the link's route is still there"; }
}

thrown() { [ "$(ours | grep -c "^throw $1 ")" = 2 ]; }
not_thrown() { ! ours | grep -q "^throw $1 "; }

# A neighbour on the link is reached without a router, also by sockets that are bound to it.
neighbours()
{
	local n=2001:db8:2:1::1

	for options in "" "-I up2"; do
		ip -n "${ns}a" -6 neigh flush to $n dev up2
		# shellcheck disable=SC2086
		in_ns a ping -6 -q -n -c 1 -W 1 $options -I "$M2" $n || { fail "it does not answer"; return 1; }
		ip -n "${ns}a" -6 neigh show to $n dev up2 | grep -q lladdr || { fail "the router is asked ($options)"; return 1; }
	done
}

# Each RA renews the lifetimes.
renewed()
{
	local left

	sleep 30
	left=$(valid "$M1")
	[ "${left:-0}" -ge 3590 ] || fail "$left seconds are left"
}

same_after_restart()
{
	local rules

	rules=$(ours)
	daemon_restart a && sleep 10 || return
	expect_eq "addresses after SIGKILL" "$(made up1) $(made up2)" "$M1 $M2" || return
	expect_eq "rules and routes" "$(ours)" "$rules" || return
	# As after a reboot.
	daemon_end a TERM
	shim6d_flush && ! is_made up1 && daemon_start a && busywait 20 is_made up1 && busywait 20 is_made up2 || { fail "no address"; return 1; }
	expect_eq "addresses after a reboot" "$(made up1) $(made up2)" "$M1 $M2"
}

# Host b makes addresses as well, and no prefix is trusted: all that they know of each other
# is proved.
peer()
{
	echo | daemon_conf b && daemon_start b && busywait 60 peer_made || { cat "$(daemon_dir b)/log"; fail "no address"; return 1; }
	MB=$(peer_made)
	command_ok a open "$(context_name "$M1" "$MB")" && busywait 20 proof "$M2" hba ||
		{ ask b /contexts; fail "b has no proof of $M2"; return 1; }
}

peer_made() { ask_for b /locators '.[] | select(.hba).address | select(startswith("2001:db8:3:1:"))'; }

# proof ADDRESS METHOD: b has verified the locator by that method.
proof() { peer_locator b "$1" ".method == \"$2\" and .verified"; }

# The key has signed for the new address, so b sends to it, and accepts packets from it.
signed()
{
	local before

	busywait 20 proof "$M3" cga || { ask b /contexts; cat "$(daemon_dir b)/log"; fail "b has no proof of $M3"; return 1; }
	before=$(stat_of b in-payload)
	use_pair "$M1" "$MB" "$M3" "$MB" || return
	in_ns a ping -6 -q -c 5 -i 0.2 -W 1 -I "$M1" "$MB" && grew b in-payload "$before" || return
	daemon_end b TERM
}

# An address of a later prefix is in no set, but the key signs for it.
new_prefix()
{
	local d

	d=$(daemon_dir a)/state
	prefix_add 1 2001:db8:1:2 && busywait 60 is_made up1 2001:db8:1:2 || { cat "$(daemon_dir a)/log"; fail "no address"; return 1; }
	M3=$(made up1 2001:db8:1:2)
	shim6tool cga verify "$M3" pds "$d/addresses.pem" || return
	expect_eq "the others" "$(made up1) $(made up2)" "$M1 $M2" && from up1 "$M3"
}

# By the rule of two hours the prefix is deprecated at once, and removed in time.
withdrawn()
{
	prefix_restore 1 && prefix_remove 2 || return
	busywait 20 deprecated "$M2" || { ip -n "${ns}a" -6 addr; fail "$M2 is not deprecated"; return 1; }
	is_made up2 || { fail "$M2 is gone before its time"; return 1; }
	! deprecated "$M1" || { fail "$M1 is deprecated"; return 1; }
	# Nobody renews the third address.
	[ "${SHIM6_TIME:-real}" = real ] && return
	# The kernel counts whole seconds from RA to RA, so it counts some too few.
	sleep 5400
	! is_made up1 2001:db8:1:2 || { fail "$M3 outlives its prefix"; return 1; }
	! is_made up2 || { fail "$M2 outlives its prefix"; return 1; }
	! ip -n "${ns}a" -6 rule | grep 2001:db8:2:1: || { fail "so does its rule"; return 1; }
	prefix_restore 2 && busywait 20 is_made up2 || { fail "it does not come back"; return 1; }
	expect_eq "the address that came back" "$(made up2)" "$M2"
}

deprecated() { ip -n "${ns}a" -6 addr show to "$1" | grep -q deprecated; }

# Another host has the address: shim6d makes another set.
duplicate()
{
	local d

	d=$(daemon_dir a)/state
	daemon_end a TERM
	shim6d_flush && ip -n "${ns}p1" addr add "$M1/64" dev host nodad && daemon_start a || return
	busywait 60 another_set || { ip -n "${ns}a" -6 addr; cat "$(daemon_dir a)/log"; fail "the addresses are the same"; return 1; }
	M1=$(made up1) M2=$(made up2)
	shim6tool hba verify "$M1" pds "$d/addresses.pem" && shim6tool hba verify "$M2" pds "$d/addresses.pem"
}

another_set() { is_made up1 && is_made up2 && [ "$(made up1)" != "$M1" ] && [ "$(made up2)" != "$M2" ]; }

flap()
{
	local i

	for i in 1 2 3; do
		ip -n "${ns}a" link set up1 down && ip -n "${ns}a" link set up1 up || return
	done
	ip -n "${ns}a" addr replace 2001:db8:77::a/64 dev up1 nodad && ip -n "${ns}a" -6 route replace default via fe80::1 dev up1 table 77
	busywait 30 is_made up1 && busywait 10 is_made up2 && expect_eq "addresses" "$(made up1) $(made up2)" "$M1 $M2" || return
	source_routing
}

# One key of the configuration removes all that shim6d has made, and nothing else.
switched_off()
{
	printf '[addresses]\nmanage = false\n' >>"$(daemon_dir a)/shim6d.conf"
	daemon_signal a HUP && busywait 10 nothing_left || { ip -n "${ns}a" -6 addr; ours; fail "something is left"; return 1; }
	expect_eq "what is not shim6d's" "$(foreign)" "$BEFORE" || return
	sleep 20
	nothing_left || fail "it is made again"
}

nothing_left() { [ -z "$(ours)" ] && ! is_made up1 && ! is_made up2; }

one_capability()
{
	local d

	d=$(daemon_dir a)
	daemon_end a TERM
	echo | daemon_conf a && chown -R 12345:12345 "$d" && chmod 755 "$TEST_TMP" || return
	DAEMON_AS="setpriv --reuid 12345 --regid 12345 --clear-groups --bounding-set -all,+net_admin \
		--inh-caps -all,+net_admin --ambient-caps -all,+net_admin --no-new-privs" daemon_start a || return
	busywait 20 is_made up1 && busywait 20 is_made up2 || { cat "$d/log"; fail "no address"; return 1; }
	source_routing
}

modprobe shim6 || exit
set_up "two hosts with two links" pair_up
run_test "two daemons, and an ssh server" eval "both_start && ssh_up"
run_test "a session whose packets go by link 2" session_by_link_2
run_test "a link that goes down leaves the ULID on lo, within 50 ms" link_down
run_test "a daemon that was killed still knows the kept address" restarted
run_test "the address comes back to its link" get_back
run_test "an address that is deleted stays on lo until it is restored" deleted
run_test "a link that flaps" flaps
run_test "a lifetime ends, and with it the context [5533-1.5-01]" lifetime_ends
run_test "a ULID is kept for contexts alone" context_ends
ns_del_all 2>/dev/null
run_test "two hosts with two providers each" two_providers
run_test "addresses appear beside those of others" makes
run_test "they prove each other, and are known by that [5533-15.3-02]" proved
run_test "packets leave by the router of their source [6629-4-03]" source_routing
run_test "a learnt path MTU moves no packet to another provider" learnt_mtu
run_test "a learnt path MTU moves no answer to another provider" answers_unmoved
run_test "a redirect moves no packet to another provider" learnt_router
run_test "the main table decides where it has more than a default route" better_known
run_test "changes of the main table's routes are followed" followed
run_test "neighbours are reached without a router" neighbours
run_test "lifetimes are renewed" renewed
run_test "after a restart they are the same" same_after_restart
run_test "a peer that has proof of all addresses" peer
run_test "a prefix that comes later" new_prefix
run_test "the peer believes the signature for it, and packets come by it" signed
run_test "a prefix that is withdrawn" withdrawn
run_test "a link that flaps, and its addresses" flap
run_test "another host has an address: a new set" duplicate
run_test "one key switches it off, and all is as it was" switched_off
run_test "CAP_NET_ADMIN is enough" one_capability
tap_end
