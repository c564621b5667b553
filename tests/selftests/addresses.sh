# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The addresses, rules and routes that shim6d makes by itself on host a of topology.sh. A test
# sources this after topology.sh and daemon.sh. After both_made, M1 and M2 are the addresses.

# made UPLINK [PREFIX]: the address that shim6d has made there, once it is usable.
made() { made_addr a "$@"; }
is_made() { is_made_at a "$@"; }

both_made()
{
	local up

	for up in up1 up2; do
		busywait 60 is_made $up || { ip -n "${ns}a" -6 addr; cat "$(daemon_dir a)/log"; fail "no address on $up"; return 1; }
	done
	M1=$(made up1) M2=$(made up2)
}

ours() { ip -n "${ns}a" -6 rule | grep 'proto 140'; ip -n "${ns}a" -6 route show table all | grep 'proto 140'; }

# valid ADDRESS: for how many seconds it is still valid.
valid() { ip -n "${ns}a" -6 addr show to "$1" | sed -n 's/.*valid_lft \([0-9]*\)sec.*/\1/p'; }

# from UPLINK ADDRESS [DESTINATION]: packets from ADDRESS go to the core, or to DESTINATION, by
# that uplink's provider. The route comes a moment after the address, so this looks more than
# once. FROM_OPTIONS are options of ping.
from()
{
	busywait 10 from_once "$@" ||
		{ ours; ip -n "${ns}a" -6 route get "${3:-2001:db8:f:1::1}" from "$2"; fail "$2 does not go by $1"; }
}

from_once()
{
	local p=${1#up} n status

	capture_start "p$p" core "$TEST_TMP/from.pcap" "icmp6 and src $2" || return
	# shellcheck disable=SC2086
	in_ns a ping -6 -q -n -c 2 -i 0.2 -W 1 ${FROM_OPTIONS:-} -I "$2" "${3:-2001:db8:f:1::1}"
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

# --- exceptions that the kernel keeps below the main table's default routes ---

# An address of a that is of no provider: its packets leave by the main table's default route,
# which is that of provider 1. That provider's router has a route back.
STRANGER=2001:db8:99::a

stranger_begin()
{
	ip -n "${ns}a" addr replace $STRANGER/128 dev lo nodad noprefixroute &&
	ip -n "${ns}a" -6 route replace default via fe80::200:5eff:fe00:101 dev up1 metric 512 &&
	ip -n "${ns}p1" -6 route replace $STRANGER/128 via fe80::200:5eff:fe00:102 dev host
}

stranger_end()
{
	ip -n "${ns}p1" link set core mtu 1500 && ip -n "${ns}a" -6 route flush cache &&
	ip -n "${ns}a" -6 route del default metric 512 && ip -n "${ns}a" addr del $STRANGER/128 dev lo
}

# kept_below DESTINATION PATTERN: the kernel has learnt this of the path by which STRANGER's
# packets leave.
kept_below()
{
	ip -n "${ns}a" -6 route get "$1" from $STRANGER | grep "dev up1" | grep -q "$2" ||
		{ ip -n "${ns}a" -6 route get "$1" from $STRANGER; fail "the kernel has learnt nothing of the path"; }
}

# learn_mtu DESTINATION: provider 1's router says that a packet is too big.
learn_mtu()
{
	stranger_begin && ip -n "${ns}p1" link set core mtu 1400 || return
	in_ns a ping -6 -q -n -c 2 -i 0.2 -W 1 -s 1430 -M want -I $STRANGER "$1" >/dev/null
	kept_below "$1" "mtu 1400"
}

# learn_router DESTINATION: provider 1's router redirects to another router, which does not exist.
learn_router()
{
	stranger_begin || return
	in_ns p1 /usr/bin/python3 "$here/redirect.py" fe80::200:5eff:fe00:101 $STRANGER "$1" || return
	sleep 0.5
	kept_below "$1" "via fe80::bad"
}

# unmoved DESTINATION: packets of provider 2 leave by provider 2, with sockets bound to its link
# and without. Only the first packet counts: the kernel forgets a redirect to a router that does
# not answer.
unmoved()
{
	if from_once up2 "$M2" "$1" && FROM_OPTIONS="-I up2" from_once up2 "$M2" "$1"; then
		return
	fi
	ours
	ip -n "${ns}a" -6 route get "$1" from "$M2"
	fail "$M2 does not go by up2"
}
