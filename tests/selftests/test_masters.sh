#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host whose uplinks are VLANs on a bond of two cards, as servers have them, and later one of
# them is in a VRF. The configuration is empty. Such devices are only in Debian's own kernels.
#
#                    t1   t2
#       a: up1, up2 == bond0 == switch -- p1 (VLAN 10), p2 (VLAN 20)

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/routers.sh"
need ip bridge radvd nft tc ping modprobe shim6tool shim6d python3 jq

a_ip() { ip -n "${ns}a" "$@"; }

# rewire: the links of a become those of the picture.
rewire()
{
	local p t

	ns_add sw && in_ns sw sysctl -qw net.ipv6.conf.default.disable_ipv6=1 || return
	ip -n "${ns}sw" link add br0 type bridge forward_delay 0 vlan_filtering 1 && ip -n "${ns}sw" link set br0 up &&
	a_ip link add bond0 type bond mode active-backup miimon 100 || return
	for t in t1 t2; do
		ip link add $t netns "${ns}a" type veth peer name $t netns "${ns}sw" && a_ip link set $t master bond0 &&
		ip -n "${ns}sw" link set $t master br0 up && bridge -n "${ns}sw" vlan add dev $t vid 10 &&
		bridge -n "${ns}sw" vlan add dev $t vid 20 || return
	done
	a_ip link set bond0 up || return
	for p in 1 2; do
		a_ip link del up$p && ip link add host netns "${ns}p$p" address 00:00:5e:00:0$p:01 type veth peer name p$p netns "${ns}sw" &&
		ip -n "${ns}sw" link set p$p master br0 up && bridge -n "${ns}sw" vlan del dev p$p vid 1 &&
		bridge -n "${ns}sw" vlan add dev p$p vid ${p}0 pvid untagged && router_up $p &&
		a_ip link add link bond0 name up$p address 00:00:5e:00:0$p:02 type vlan id ${p}0 && a_ip link set up$p up || return
	done
}

begins()
{
	local p

	topo_links 5ms && rewire || return
	for p in $TOPO_PROVIDERS; do
		busywait 20 no_tentative "p$p" host && router_rules "$p" "$([ "$p" -le 2 ] && echo established || echo invalid)" &&
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	hosts_up
}


calls() { talk_begin a 200 tcp udp && busywait 60 context_there || { look; fail "no context"; return 1; }; pause 3; talk_told; }

# The bond takes its other card. No address is on a card, and Shim6 has nothing to do.
card_lost()
{
	calls && expect_eq "links with addresses" "$(ask a /locators | jq -r '[.[] | select(.hba) | .interface] | unique | join(" ")')" "up1 up2" || return
	a_ip link set t1 down && pause 3 && silent_below "a card is off" 1000 && at_home a && a_ip link set t1 up && pause 2 || { look; return 1; }
}

provider_lost()
{
	blackhole 1 both && pause 7 && silent_below "a provider is dead" 5000 && busywait 5 one_away || { look; return 1; }
	in_ns core nft delete table ip6 blackhole && pause 8 && silent_below "it is back" 1000 || { look; return 1; }
	talk_end
}

contexts_flush() { shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush; }

# Packets of a VRF are left alone. So no locator is there, peers are told of none, and users are told why.
in_vrf()
{
	contexts_flush && a_ip link add blue type vrf table 77 && a_ip link set blue up && a_ip link set up2 master blue || return
	busywait 20 no_locator 2 || { ask a /locators; fail "addresses in a VRF are locators"; return 1; }
	busywait 20 told_of_vrf || { shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" locator; fail "the reason is not told"; return 1; }
	U_a=$(made_addr a up1)
	calls || return
	! ask_if b /contexts 'any(.[]."locators-peer"[]?; .address | startswith("2001:db8:2:"))' || { fail "b is told of an address in a VRF"; return 1; }
	talk_end
}

told_of_vrf() { shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" locator | grep -q 'interface up2 is in a VRF, where Shim6 does not work'; }
no_locator() { ask_if a /locators "all(.[] | select(.interface == \"up$1\"); .available | not)"; }

out_of_vrf()
{
	contexts_flush && a_ip link set up2 nomaster && a_ip link del blue && busywait 60 is_made_at a up2 &&
	busywait 20 own_locator a "$(made_addr a up2)" '.available and .operational' || { ask a /locators; fail "up2 has no locator again"; return 1; }
}

modprobe shim6 || exit
set_up "VLANs on a bond, two providers" begins
run_test "the bond takes its other card, and sessions stay" card_lost
run_test "a provider fails, and sessions move to the other VLAN" provider_lost
run_test "a link in a VRF has no locators, and it is told why" in_vrf
run_test "out of the VRF, it has locators again" out_of_vrf
hosts_down
tap_end
