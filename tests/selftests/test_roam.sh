#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host that moves: it has one provider at a time, and comes to another network with no
# address of the first. Sessions go on there within a second after the address is usable.
# Routers are stateful, shim6d.conf is empty, and peers do not know the new network.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/routers.sh"
need ip tc nft modprobe shim6tool shim6d python3 radvd

# The new network of up1, behind another router on the same cable.
NEW=2001:db8:5:1

# begins FLOW...: a has only its first provider, and a session to b.
begins()
{
	local up

	routers_for a established && link_cut a up2 && ip -n "${ns}a" addr flush dev up2 scope global || return
	daemon_conf a </dev/null && daemon_conf b </dev/null && daemon_start a && daemon_start b || return
	busywait 90 is_made_at a up1 || { cat "$(daemon_dir a)/log"; fail "a: no address"; return 1; }
	for up in up1 up2; do
		busywait 90 is_made_at b $up || { cat "$(daemon_dir b)/log"; fail "b: no address on $up"; return 1; }
	done
	U_a=$(made_addr a up1) U_b=$(made_addr b up1)
	busywait 20 in_ns a ping -6 -q -n -c 1 -W 1 -I "$U_a" "$U_b" || { fail "no way"; return 1; }
	talk_begin a 1000 "$@" && busywait 60 context_there || { fail "no context"; return 1; }
	pause 5
	silent_below "at first" 1000
}

# goes_on UPLINK PREFIX SECONDS: within this time after an address there is usable, all flows are
# heard again.
goes_on()
{
	busywait 60 usable "$1" "$2" || { ip -n "${ns}a" -6 addr; fail "no address in $2"; return 1; }
	pause "$3"
	talk_told || return
	pause 10
	silent_below "in the other network" 1000 || { look_around; return 1; }
	case $(of_context a locator-local) in "$2"*) ;; *) look_around; fail "a sends from $(of_context a locator-local)"; return 1 ;; esac
	case $(of_context b locator-peer) in "$2"*) ;; *) look_around; fail "b sends to $(of_context b locator-peer)" ;; esac
}

usable() { ip -n "${ns}a" -6 addr show dev "$1" -tentative | grep -q "inet6 $2:"; }

look_around()
{
	look
	ip -n "${ns}a" -6 addr
	ip -n "${ns}a" -6 route
	ip -n "${ns}a" -6 neigh
}

# ends STATUS: restore the network as it was before the case.
ends()
{
	talk_end
	hosts_down
	return "$1"
}

# other_interface: from one interface to the other, which had no network before, as with Wi-Fi and
# mobile.
other_interface()
{
	begins tcp udp listen && link_cut a up1 && pause 3 && router_up 2 && busywait 20 no_tentative p2 host && prefix_restore 2 &&
		goes_on up2 "$(topo_prefix 2)" 1
	set -- $?
	link_back 1
	ends "$1"
}

# moves HOW: up1 is in another network after three seconds without a carrier. HOW is "flushed":
# its addresses and routes are gone, as systemd-networkd and NetworkManager do it; or "kept": the
# kernel still has them, and also the old router.
moves()
{
	link_cut a up1 || return
	[ "$1" = kept ] || ip -n "${ns}a" -6 addr flush dev up1 scope global && ip -n "${ns}a" -6 route flush dev up1 proto ra
	ip -n "${ns}core" route del 2001:db8:1::/48 && ip -n "${ns}core" route add 2001:db8:5::/48 via 2001:db8:f:1::2 &&
	# As in any network, packets with a source of another network do not pass (RFC 2827).
	in_ns p1 nft "add table ip6 spoofed; add chain ip6 spoofed forward { type filter hook forward priority 0; };
		add rule ip6 spoofed forward iifname host ip6 saddr != { $NEW::/64, fe80::/10 } drop" &&
	ip -n "${ns}p1" link set host address 00:00:5e:00:05:01 && pause 3 &&
	ip -n "${ns}p1" link set host up && ip -n "${ns}p1" addr replace $NEW::1/64 dev host nodad &&
	busywait 20 no_tentative p1 host && radvd_set 1 $NEW 1800 3600
}

# moves_back: up1 is in its first network again.
moves_back()
{
	link_cut a up1
	ip -n "${ns}a" -6 addr flush dev up1 scope global
	ip -n "${ns}a" -6 route flush dev up1 proto ra
	in_ns p1 nft delete table ip6 spoofed
	ip -n "${ns}core" route del 2001:db8:5::/48
	ip -n "${ns}core" route add 2001:db8:1::/48 via 2001:db8:f:1::2
	ip -n "${ns}p1" link set host address 00:00:5e:00:01:01
	ip -n "${ns}p1" addr del $NEW::1/64 dev host 2>/dev/null
	link_back 1
}

# same_interface HOW SECONDS
same_interface()
{
	begins tcp udp listen && moves "$1" && goes_on up1 $NEW "$2"
	set -- $?
	ends "$1"
	moves_back
	return "$1"
}

modprobe shim6 || exit
set_up "the standard topology, with home routers" routers_up 5ms
run_test "a host comes to another network, by its other interface" other_interface
run_test "a host comes to another network, by the same interface, whose addresses are gone" same_interface flushed 1
run_test "a host comes to another network, by the same interface, with its old addresses" same_interface kept 1
tap_end
