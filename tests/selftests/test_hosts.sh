#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Hosts as they are, with an empty shim6d.conf: other programs remove rules, a VPN has rules of
# its own, an address moves to another host, the loopback has no IPv6, addresses come by DHCPv6,
# an uplink becomes a bridge's port, a host is a router for others, another one has its addresses.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/routers.sh"
need ip radvd nft tc tcpdump ping modprobe shim6tool shim6d python3

FAR=2001:db8:f:1::1

a_ip() { ip -n "${ns}a" "$@"; }
log_says() { grep -q "$1" "$(daemon_dir a)/log"; }

begins()
{
	hosts_up && M1=$(made_addr a up1) M2=$(made_addr a up2) && source_routing || return
	OURS=$(ours | sort)
}

as_set_up() { [ "$(ours | sort)" = "$OURS" ]; }

# --- what others remove ------------------------------------------------------

# No Router Advertisement comes meanwhile.
routers_silent() { local p; for p in 1 2; do kill -STOP "$(cat "$TEST_TMP/radvd.$p.pid")" || return; done; }
routers_speak() { local p; for p in 1 2; do kill -CONT "$(cat "$TEST_TMP/radvd.$p.pid")" || return; done; }

# strip: remove all rules, routes and addresses with our mark, as a firewall's script does.
strip()
{
	a_ip -6 rule flush protocol 140 && a_ip -6 route flush table all proto 140 && a_ip -6 addr del "$M1/64" dev up1
}

removed()
{
	routers_silent && strip && busywait 5 as_set_up || { ours; fail "it is not set up again at once"; return 1; }
	busywait 5 is_made up1 || { fail "the address is gone"; return 1; }
	log_says "another program has removed what shim6d has set up" || fail "nobody says so"
}

# Another program removes our rules as often as there are any, for a minute. They come back a few
# times, and then now and then; in the end they stay.
fought()
{
	local began=$SECONDS times=0

	while [ $((SECONDS - began)) -lt 60 ]; do
		if a_ip -6 rule | grep -q 'proto 140'; then
			a_ip -6 rule flush protocol 140
			times=$((times + 1))
		fi
		sleep 0.5
	done
	echo "they were removed $times times in a minute"
	[ $times -ge 6 ] && [ $times -le 14 ] || { fail "$times times"; return 1; }
	log_says "another program goes on to remove" || { fail "nobody says so"; return 1; }
	busywait 15 as_set_up || { ours; fail "it is not set up again"; return 1; }
	routers_speak && source_routing
}

# --- a VPN -------------------------------------------------------------------

way_of() { a_ip -6 route get "$FAR" ${1:+from "$1"} | grep -o 'dev [^ ]*' | head -n 1; }
goes_by() { [ "$(way_of "$2")" = "dev $1" ]; }

# wg-quick sends everything into its tunnel, by rules for which the kernel chooses the priority.
tunnel()
{
	a_ip link add wg0 type dummy && a_ip addr add fd00:77::2/128 dev wg0 && a_ip link set wg0 up &&
	a_ip -6 route add default dev wg0 table 51820 && a_ip -6 rule add not fwmark 51820 table 51820 &&
	a_ip -6 rule add table main suppress_prefixlength 0
}

in_tunnel()
{
	local from

	for from in "$M1" "$M2" "$(topo_addr a up2)" ""; do
		busywait 10 goes_by wg0 "$from" || { a_ip -6 rule; fail "$1: from ${from:-any} by $(way_of "$from")"; return 1; }
	done
	expect_eq "the tunnel's own packets" "$(a_ip -6 route get $FAR from "$M2" mark 51820 | grep -o 'dev [^ ]*' | head -n 1)" "dev up2"
}

vpn()
{
	tunnel && in_tunnel "a tunnel after shim6d" || return
	daemon_end a TERM
	shim6d_flush && daemon_start a && both_made && in_tunnel "a tunnel before shim6d" || return
	a_ip -6 rule del table 51820 && a_ip -6 rule del table main suppress_prefixlength 0 && a_ip link del wg0 && source_routing
}

# --- an address moves to another host ----------------------------------------

VIRTUAL=2001:db8:1:1::100

on_lo() { a_ip -6 addr show dev lo to $VIRTUAL | grep -q inet6; }
not_on_lo() { ! on_lo; }

# A context has the address. keepalived deletes it here, and another host has it, here the router.
moved()
{
	a_ip addr add $VIRTUAL/64 dev up1 nodad && busywait 5 own_locator a $VIRTUAL .available &&
	command_ok b open "$(context_name "$U_b" $VIRTUAL)" && U_a=$VIRTUAL busywait 20 context_there || { fail "no context"; return 1; }
	a_ip addr del $VIRTUAL/64 dev up1 && ip -n "${ns}p1" addr add $VIRTUAL/64 dev host nodad && sleep 4
	not_on_lo || { a_ip -6 addr; fail "the old host still has it"; return 1; }
	in_ns a ping -6 -q -n -c 1 -W 1 $VIRTUAL && a_ip -6 neigh show to $VIRTUAL dev up1 | grep -q lladdr ||
		{ fail "the old host does not ask the new one"; return 1; }
	ip -n "${ns}p1" addr del $VIRTUAL/64 dev host && contexts_flush
}

contexts_flush() { shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush; }

# A program that renews its configuration deletes an address as well. The context lives.
renews()
{
	a_ip addr add $VIRTUAL/64 dev up1 nodad && busywait 5 own_locator a $VIRTUAL .available &&
	command_ok b open "$(context_name "$U_b" $VIRTUAL)" && U_a=$VIRTUAL busywait 20 context_there || { fail "no context"; return 1; }
	a_ip addr del $VIRTUAL/64 dev up1 && busywait 5 on_lo && sleep 0.5 && a_ip addr add $VIRTUAL/64 dev up1 && sleep 5
	not_on_lo || { fail "it stays on lo"; return 1; }
	U_a=$VIRTUAL context_there || { fail "the context is gone"; return 1; }
	contexts_flush && a_ip addr del $VIRTUAL/64 dev up1
}

# --- no IPv6 on the loopback -------------------------------------------------

lo_without()
{
	in_ns a sysctl -qw net.ipv6.conf.lo.disable_ipv6=1 &&
	talk_begin a 100 tcp && busywait 60 context_there || { look; fail "no context"; return 1; }
	pause 3
	talk_told && a_ip link set up1 down && pause 20 && silent_below "its link goes down" 2000
	set -- $?
	[ "$1" = 0 ] || look
	a_ip link set up1 up && busywait 30 is_made up1 && busywait 10 one_place || { a_ip -6 addr; fail "the address is not where it was"; set -- 1; }
	talk_end
	contexts_flush
	in_ns a sysctl -qw net.ipv6.conf.lo.disable_ipv6=0
	return "$1"
}

one_place() { [ "$(a_ip -6 -o addr show to "$M1" | awk '{ print $2 }')" = up1 ]; }

# --- a link without a carrier ------------------------------------------------

# While the first default route's link has no carrier, new connections take the other one.
no_carrier_new()
{
	busywait 30 as_set_up || { ours; fail "it is not as before"; return 1; }
	link_cut a up1 && busywait 10 goes_by up2 "" || { a_ip -6 rule; a_ip -6 route; fail "new connections go by $(way_of "")"; return 1; }
	in_ns a /usr/bin/python3 "$here/source_of.py" $FAR | grep -q "^$M2" || { fail "from another address"; return 1; }
	link_back 1 && busywait 30 as_set_up || { ours; fail "it is not as before"; return 1; }
}

# --- DHCPv6 alone ------------------------------------------------------------

# Routers announce prefixes in which hosts may make no addresses, and a program has leased some.
leases()
{
	local p

	daemon_end a TERM
	shim6d_flush || return
	for p in 1 2; do
		sed -i 's/AdvAutonomous on/AdvAutonomous off/' "$TEST_TMP/radvd.$p.conf" && kill -HUP "$(cat "$TEST_TMP/radvd.$p.pid")" || return
	done
	sleep 5
	for p in 1 2; do
		a_ip addr flush dev up$p scope global && a_ip addr add 2001:db8:$p:1::d/128 dev up$p valid_lft 3600 preferred_lft 1800 || return
	done
	busywait 20 has_gateway a up1 && busywait 20 has_gateway a up2 || { fail "no routers"; return 1; }
	daemon_start a && sleep 10
	! ask_if a /locators 'any(.[]; .hba)' || { a_ip -6 addr; fail "an address is made, against the network's will"; return 1; }
	from up1 2001:db8:1:1::d && from up2 2001:db8:2:1::d
}

leases_end()
{
	local p

	a_ip addr del 2001:db8:1:1::d/128 dev up1 && a_ip addr del 2001:db8:2:1::d/128 dev up2 || return
	for p in 1 2; do
		prefix_restore $p || return
	done
	both_made && busywait 20 has_addr a up1 && busywait 20 has_addr a up2
}

# --- a router for others -----------------------------------------------------

# a has a network for containers in prefixes that its providers have delegated to it. Packets that
# it forwards leave by the router of their source, too.
containers()
{
	local p

	ns_add c && in_ns a sysctl -qw net.ipv6.conf.up1.accept_ra=2 net.ipv6.conf.up2.accept_ra=2 net.ipv6.conf.all.forwarding=1 &&
	ip link add vc netns "${ns}a" type veth peer name eth0 netns "${ns}c" && a_ip link set vc up && ip -n "${ns}c" link set eth0 up || return
	for p in 1 2; do
		a_ip addr add 2001:db8:$p:c::1/64 dev vc nodad && ip -n "${ns}c" addr add 2001:db8:$p:c::c/64 dev eth0 nodad &&
		ip -n "${ns}p$p" route add 2001:db8:$p:c::/64 via "$(topo_addr a up$p)" dev host || return
	done
	ip -n "${ns}c" -6 route add default via 2001:db8:1:c::1
	for p in 1 2; do
		busywait 30 forwarded $p || { ours; fail "packets of 2001:db8:$p:c::c do not go by up$p"; return 1; }
	done
	a_ip link del vc && in_ns a sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.up1.accept_ra=1 net.ipv6.conf.up2.accept_ra=1
}

forwarded()
{
	local n

	capture_start "p$1" core "$TEST_TMP/forwarded.pcap" "icmp6 and src 2001:db8:$1:c::c" || return
	in_ns c ping -6 -q -n -c 2 -i 0.2 -W 1 -I 2001:db8:$1:c::c $FAR
	capture_stop "$TEST_TMP/forwarded.pcap"
	n=$(capture_count "$TEST_TMP/forwarded.pcap")
	[ "$n" = 2 ]
}

# --- another host has all addresses ------------------------------------------

# Copies of this host, or a network that sends questions back: each address is taken. When that is
# over, the link has one again, without a restart.
copied()
{
	local i

	for i in 1 2 3; do
		busywait 30 is_made up1 || { a_ip -6 addr; fail "no address $i"; return 1; }
		ip -n "${ns}p1" addr add "$(made up1)/64" dev host nodad && a_ip link set up1 down && a_ip link set up1 up && sleep 10 || return
	done
	is_made up1 && { a_ip -6 addr; fail "there is a fourth address"; return 1; }
	busywait 120 is_made up1 && busywait 30 is_made up2 ||
		{ cat "$(daemon_dir a)/log"; fail "a link stays without an address"; return 1; }
	log_says "this host may be a copy of another one" || { fail "nobody says why"; return 1; }
	M1=$(made up1) M2=$(made up2)
	source_routing
}

# --- an uplink becomes a port of a bridge ------------------------------------

bridged()
{
	a_ip link add br0 address 00:00:5e:00:01:02 type bridge && a_ip link set br0 up && a_ip link set up1 master br0 || return
	busywait 30 on_bridge || { a_ip -6 addr; cat "$(daemon_dir a)/log"; fail "the address stays on the port"; return 1; }
	busywait 10 in_ns core ping -6 -q -n -c 1 -W 1 "$M1" || { ours; fail "it is not reached"; return 1; }
	own_locator a "$M1" '.interface == "br0" and .operational' || { ask a /locators; fail "it is no good locator"; }
}

on_bridge() { [ "$(a_ip -6 -o addr show to "$M1" -tentative | awk '{ print $2 }')" = br0 ]; }

modprobe shim6 || exit
set_up "the standard topology" routers_up 5ms
run_test "shim6d has set up both links" begins
run_test "what others remove is set up again at once" removed
run_test "with a program that goes on to remove it, there is no endless fight" fought
run_test "a VPN that takes everything keeps everything, whichever came first" vpn
run_test "an address that moves to another host is let go" moved
run_test "an address that is renewed keeps its contexts" renews
run_test "where the loopback has no IPv6, another link keeps a ULID" lo_without
run_test "new connections do not wait for a link without a carrier" no_carrier_new
run_test "addresses of DHCPv6 leave by their router, and none is made beside them" leases
run_test "when hosts may make addresses again, they are made" leases_end
run_test "what a host forwards from a delegated prefix leaves by its provider" containers
run_test "another host has each of our addresses, until that is over" copied
run_test "the addresses of a link that becomes a bridge's port move to the bridge" bridged
hosts_down
tap_end
