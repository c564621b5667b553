# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What shim6d on host a of topology.sh makes by itself: addresses, rules and routes. To be
# sourced after topology.sh and daemon.sh. M1 and M2 are the addresses, once both_made.

# made UPLINK [PREFIX]: the address there, when it is usable.
made() { made_addr a "$@"; }
is_made() { [ -n "$(made "$@")" ]; }

both_made()
{
	local up

	for up in up1 up2; do
		busywait 60 is_made $up || { ip -n "$(ns a)" -6 addr; cat "$(daemon_dir a)/log"; fail "no address on $up"; return 1; }
	done
	M1=$(made up1) M2=$(made up2)
}

ours() { ip -n "$(ns a)" -6 rule | grep 'proto 140'; ip -n "$(ns a)" -6 route show table all | grep 'proto 140'; }

# valid ADDRESS: for how many seconds it still is.
valid() { ip -n "$(ns a)" -6 addr show to "$1" | sed -n 's/.*valid_lft \([0-9]*\)sec.*/\1/p'; }

# from UPLINK ADDRESS: packets reach the core by that uplink's provider. The route comes
# a moment after the address, so it is looked at more than once.
from()
{
	busywait 10 from_once "$@" || { ours; ip -n "$(ns a)" -6 route get 2001:db8:f:1::1 from "$2"; fail "$2 does not go by $1"; }
}

from_once()
{
	local p=${1#up} n status

	capture_start "p$p" core "$TEST_TMP/from.pcap" "icmp6 and src $2" || return
	in_ns a ping -6 -q -n -c 2 -i 0.2 -W 1 -I "$2" 2001:db8:f:1::1
	status=$?
	capture_stop "$TEST_TMP/from.pcap"
	n=$(capture_count "$TEST_TMP/from.pcap")
	[ $status = 0 ] && expect_eq "packets by $1" "$n" 2
}

source_routing()
{
	from up1 "$M1" && from up2 "$M2" && from up1 "$(topo_addr a up1)" && from up2 "$(topo_addr a up2)"
}

shim6d_flush() { in_ns a shim6d -flush-addresses; }
