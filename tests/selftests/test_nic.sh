#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Re-homed TCP over network cards of each kind (nic/s6_nic.c): cards that report
# CHECKSUM_NONE, COMPLETE or UNNECESSARY, cards whose offloads know no extension header, and
# cards whose drivers promise more than they keep. Packets are still merged, no checksum is
# wrong, and no card gets work that it can't do.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc modprobe shim6tool python3 ethtool

# The cable of link 2, in place of a veth.
cable()
{
	local h i=0

	modprobe s6_nic "$@" || return
	for h in a b; do
		ip link set nic$i netns "${ns}$h" &&
		ip -n "${ns}$h" link set nic$i name up2 up &&
		ip -n "${ns}$h" addr add "2001:db8:2::$h/64" dev up2 nodad || return
		i=1
	done
	link_set 2 && in_ns a ping -6 -q -n -c 1 -W 5 $B2 >/dev/null
}

uncable()
{
	local h i=0

	for h in a b; do
		ip -n "${ns}$h" link set up2 down && ip -n "${ns}$h" link set up2 name nic$i &&
		ip -n "${ns}$h" link set nic$i netns 1 || return
		i=1
	done
	modprobe -r s6_nic
}

bad_checksums() { { in_ns b awk '$1 == "TcpInCsumErrors" || $1 == "Udp6InCsumErrors"' /proc/net/snmp6; echo in-udp-checksum "$(stat_of b in-udp-checksum)"; } | awk '{ n += $2 } END { print n + 0 }'; }
tcp_bad() { in_ns b nstat -az TcpInCsumErrors | awk '$1 == "TcpInCsumErrors" { print $2 }'; }

# carries CSUM: a stream passes by link 2, and no checksum is wrong. $switch is how to get there.
switch=switch_to
carries()
{
	local bad before

	echo "$1" >/sys/module/s6_nic/parameters/csum || return
	before=$(stat_of b in-payload)
	bad="$(tcp_bad) $(bad_checksums)"
	$switch 2 && stream 2 true && grew b in-payload "$before" 10 || return
	expect_eq "wrong checksums" "$(tcp_bad) $(bad_checksums)" "$bad"
}

# merges CSUM: a stream passes by link 2, and its receiver merges packets.
merges()
{
	local merged

	merged=$(stat_of b gro-merged)
	carries "$1" && grew b gro-merged "$merged" 10
}

# corrupt CSUM: segments that were damaged on the way are not merged into accepted ones.
corrupt()
{
	echo "$1" >/sys/module/s6_nic/parameters/csum || return
	link_set 2 corrupt 5% || return
	$switch 2 && stream 2 true || return
	link_set 2
}

# by_udp COMMAND...: the same in UDP.
by_udp()
{
	local switch=switch_to_udp before bad=0

	before=$(stat_of b in-udp)
	udp_open && "$@" || return
	grew b in-udp "$before" 10
}

plain_card()
{
	uncable && cable plain=1 || return
	in_ns a ethtool -k up2 | grep -q 'tx-checksum-ipv6: on' || { fail "the card does not offer what it should"; return 1; }
	carries 2 || return
	expect_eq "packets that the card could not send right" "$(cat /sys/module/s6_nic/parameters/wrong)" 0
}

wrong() { cat /sys/module/s6_nic/parameters/wrong; }

# parsing_card: its driver looks for TCP behind the headers that it knows, whatever its features say.
parsing_card()
{
	uncable && cable parses=1 || return
	in_ns a ethtool -k up2 | grep -q 'tx-checksum-ip-generic: on' || { fail "the card does not offer what it should"; return 1; }
	carries 2 || return
	expect_eq "large segments that the driver did not know" "$(wrong)" 0
}

# below_bridge: the same card below a bridge, which offers the features of its cards.
below_bridge()
{
	local h

	for h in a b; do
		ip -n "${ns}$h" addr flush dev up2 && ip -n "${ns}$h" link set up2 down && ip -n "${ns}$h" link set up2 name card2 &&
		ip -n "${ns}$h" link add up2 type bridge && ip -n "${ns}$h" link set card2 master up2 up &&
		ip -n "${ns}$h" link set up2 up && ip -n "${ns}$h" addr add "2001:db8:2::$h/64" dev up2 nodad || return
	done
	link_set 2 && in_ns a ping -6 -q -n -c 1 -W 5 $B2 >/dev/null && carries 2 || return
	expect_eq "large segments that the driver did not know" "$(wrong)" 0 || return
	for h in a b; do
		ip -n "${ns}$h" link del up2 && ip -n "${ns}$h" link set card2 down && ip -n "${ns}$h" link set card2 name up2 up &&
		ip -n "${ns}$h" addr add "2001:db8:2::$h/64" dev up2 nodad || return
	done
	link_set 2
}

card_offload() { echo "$1" >/sys/module/shim6/parameters/card_offload; }

not_any_more()
{
	card_offload 0
	[ "$(wrong)" -gt 0 ] || fail "nothing large has come to the card"
}

# trusted_card: if the administrator says that the cards can do it, large segments reach the
# driver. This driver loses them, and the session goes on when that setting is removed.
trusted_card()
{
	switch_to 2 && card_offload 1 && stream 3 not_any_more
}

# believed_card: the core cuts and sums what the card can't.
believed_card()
{
	local status

	card_offload 1 && carries 2
	status=$?
	card_offload 0
	return $status
}

modprobe shim6 || exit
modinfo s6_nic >/dev/null 2>&1 || { tap_skip all "the module s6_nic is not there (tests/vm/run -m tests/selftests/nic)"; tap_end; }
set_up "two hosts, one link a cable between cards" ns_add a b
pair_link 1 && cable && context_up || exit
run_test "CHECKSUM_NONE: TCP is merged, and no sum is wrong" merges 0
run_test "CHECKSUM_COMPLETE: TCP is merged, and no sum is wrong" merges 1
run_test "CHECKSUM_UNNECESSARY: TCP is merged, and no sum is wrong" merges 2
run_test "CHECKSUM_NONE: TCP in UDP is merged, and no sum is wrong" by_udp merges 0
run_test "CHECKSUM_COMPLETE: TCP in UDP is merged, and no sum is wrong" by_udp merges 1
run_test "CHECKSUM_UNNECESSARY: TCP in UDP is merged, and no sum is wrong" by_udp merges 2
run_test "CHECKSUM_NONE: damaged segments are found" corrupt 0
run_test "CHECKSUM_COMPLETE: damaged segments are found" corrupt 1
run_test "CHECKSUM_COMPLETE: damaged segments in UDP are found" by_udp corrupt 1
run_test "a card that knows no extension header gets no work behind ours" plain_card
run_test "a card that knows no tunnel gets no work behind ours in UDP" by_udp carries 2
run_test "a card that promises to sum anything is not believed" parsing_card
run_test "a card that promises to sum anything is not believed in UDP" by_udp carries 2
run_test "a card that is believed: TCP in UDP arrives" by_udp believed_card
run_test "a card that promises to sum anything is not believed below a bridge" below_bridge
run_test "cards are believed if the administrator says so" trusted_card
run_test "the cards go" uncable
tap_end
