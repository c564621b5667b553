#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unmodified programs keep their sessions while the pair is switched by hand: ssh, TCP and
# UDP in bulk, behind a stateful firewall, through IPsec, with and without offloads of the
# network card.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc nft modprobe shim6tool python3 jq ssh sshd iperf3 ethtool ssh-keygen

# count_links: count the packets on link 2, at a hook where no hook of ours comes before.
count_links()
{
	local h

	for h in a b; do
		in_ns $h nft -f - <<-EOF || return
			table ip6 count {
				counter behind_140 { }
				counter esp_behind_140 { }
				chain in {
					type filter hook prerouting priority -470;
					iif != "up2" accept
					ip6 nexthdr 140 counter name behind_140
					ip6 nexthdr 140 @th,0,8 50 counter name esp_behind_140
				}
			}
		EOF
	done
}

# counted HOST COUNTER: packets.
counted() { in_ns "$1" nft list counter ip6 count "$2" | awk '$1 == "packets" { print $2 }'; }

# --- ssh ---------------------------------------------------------------------

# An interactive session: a word that is typed comes back, before and after the switch.
ssh_survives()
{
	local d=$TEST_TMP/ssh pid before at_a at_b

	ssh_up || return
	mkfifo "$d/in" || return
	ssh_cat <"$d/in" >"$d/out" 2>"$d/err" &
	pid=$!
	exec 9>"$d/in"
	echo first >&9
	busywait 60 grep -q first "$d/out" || { cat "$d/err" "$d/log"; fail "no session"; return 1; }
	before=$(counted b behind_140)
	link_dead 1 && switch_to 2 || return
	echo second >&9
	busywait 20 grep -q second "$d/out" || { fail "nothing comes back by the other pair"; return 1; }
	[ "$(counted b behind_140)" -gt "$before" ] || { fail "no header was seen"; return 1; }
	link_alive 1
	switch_to 1 || return
	before=$(counted b behind_140)
	at_a=$(stat_of a out-ulid-header) at_b=$(stat_of b out-ulid-header)
	echo third >&9
	busywait 20 grep -q third "$d/out" || { fail "nothing comes back by the ULIDs again"; return 1; }
	expect_eq "headers on the other link" "$(counted b behind_140)" "$before" &&
	grew a out-ulid-header "$at_a" && grew b out-ulid-header "$at_b" || return
	exec 9>&-
	wait $pid || fail "ssh ended with $?"
}

# --- bulk --------------------------------------------------------------------

# fail_and_switch [SECONDS SECONDS]: b's way out fails so much later than a's, and b then
# switches so much later than a.
fail_and_switch()
{
	local start

	start=$(date +%s%N)
	end_set 1 a loss 100% || return
	sleep "${1:-0}"
	end_set 1 b loss 100% || return
	sleep 1
	switch_host a 2 || return
	sleep "${2:-0}"
	switch_host b 2 || return
	echo $((($(date +%s%N) - start) / 1000000)) >"$TEST_TMP/dead"
}

# tcp_survives COMMAND...: where time is real, other work on the machine may add to the figure.
tcp_survives()
{
	local try

	for try in 1 2 3; do
		tcp_survives_once "$@" && return
		[ "${SHIM6_TIME:-real}" = real ] || break
		link_alive 1
		start_over
	done
	return 1
}

tcp_survives_once()
{
	local before restarts longest

	before=$(stat_of a out-rehomed)
	restarts=$(stat_of a tcp-restarts)
	stream 6 "$@" || return
	grew a out-rehomed "$before" 20 && grew a tcp-restarts "$restarts" || return
	longest=$(cat "$TEST_TMP/stream.longest")
	# As long as there was no path, without a wait for a retransmission timer that had
	# backed off.
	awk -v l="$longest" -v d="$(cat "$TEST_TMP/dead")" 'BEGIN { exit !(l < d / 1000 + 1) }' ||
		fail "nothing arrived for $longest s, of which $(cat "$TEST_TMP/dead") ms had no path"
}

back_and_forth()
{
	local i

	for i in 2 1 2 1; do
		switch_to $i || return
		sleep 0.3
	done
}

tcp_many_switches() { stream 5 back_and_forth; }

# with_offload SETTING...: set both ends of link 2, and run a stream on it.
with_offload()
{
	local h merged

	for h in a b; do
		in_ns $h ethtool -K up2 "$@" >/dev/null || return
	done
	merged=$(stat_of b gro-merged)
	switch_to 2 && stream 3 true || return
	case "$*" in
	*"gro on"*) grew b gro-merged "$merged" ;;
	esac
}

udp_survives()
{
	local out client start dead

	in_ns b iperf3 -s -1 -B $B1 >/dev/null &
	busywait 10 listens b 5201 || { fail "iperf3 does not listen"; return 1; }
	in_ns a iperf3 -6 -u -b 2M -l 1200 -t 4 -c $B1 -J >"$TEST_TMP/udp.json" &
	client=$!
	sleep 2
	# The control connection is TCP, and survives too.
	start=$(date +%s%N)
	link_dead 1 && switch_to 2 || return
	dead=$((($(date +%s%N) - start) / 1000000))
	wait $client || { cat "$TEST_TMP/udp.json"; fail "iperf3 fails"; return 1; }
	out=$(jq -r '.end.sum | "\(.packets) \(.lost_packets)"' "$TEST_TMP/udp.json") || return
	echo "packets and losses: $out"
	# shellcheck disable=SC2086
	set -- $out
	# As many as were sent while there was no path, out of four seconds, and a tenth of all.
	[ $(($2 * 4000)) -le $(($1 * (dead + 400))) ] || fail "of $1 datagrams $2 were lost, in $dead ms without a path"
}

# quiet: nothing is on its way: all connections are in TIME-WAIT.
quiet()
{
	local h

	for h in a b; do
		[ -z "$(in_ns $h ss -Htn state connected exclude time-wait)" ] || return
	done
	sleep 0.1
}

# --- firewall ----------------------------------------------------------------

# The host's own firewall lets in answers to packets that it has let out, which it knows by their
# ULIDs. It sees a packet that leaves re-homed twice, as with a tunnel: with its ULIDs, and as
# protocol 140 between locators.
firewall()
{
	local h

	for h in a b; do
		in_ns $h nft -f - <<-EOF || return
			table inet fw {
				counter locators { }
				counter invalid { }
				counter established { }
				counter rehomed { }
				chain in {
					type filter hook input priority 0; policy drop;
					iif lo accept
					icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
					# Control messages, such as a late Keepalive: P is 0. They
					# are between locators, and must be let in.
					ip6 nexthdr 140 @th,16,8 & 0x80 == 0 accept
					ip6 saddr 2001:db8:2::/64 counter name locators
					ip6 nexthdr 140 counter name locators
					ct state invalid counter name invalid
					ct state established counter name established accept
					tcp dport { 22, 5000 } ct state new accept
				}
				chain out {
					type filter hook output priority 0; policy accept;
					ip6 daddr 2001:db8:2::/64 meta l4proto tcp counter name locators
					ip6 daddr 2001:db8:2::/64 ip6 nexthdr 140 @th,16,8 & 0x80 != 0 counter name rehomed
					ct state invalid counter name invalid
				}
			}
		EOF
	done
}

fw_counter() { in_ns "$1" nft list counter inet fw "$2" | awk '$1 == "packets" { print $2 }'; }

behind_firewall()
{
	local h

	# Otherwise packets of an earlier case would be new connections to conntrack.
	busywait 10 quiet || { fail "there are connections left"; return 1; }
	firewall || return
	stream 4 fail_and_switch || return
	for h in a b; do
		expect_eq "$h: TCP with locators that the firewall saw" "$(fw_counter $h locators)" 0 ||
			{ in_ns $h nft list table inet fw; return 1; }
		expect_eq "$h: packets that conntrack can't place" "$(fw_counter $h invalid)" 0 || return
		[ "$(fw_counter $h rehomed)" -gt 10 ] || { fail "$h: what leaves re-homed does not pass OUTPUT"; return 1; }
		[ "$(fw_counter $h established)" -gt 10 ] || { fail "$h: the session is none for conntrack"; return 1; }
		in_ns $h nft delete table inet fw || return
	done
}

# --- IPsec -------------------------------------------------------------------

# ipsec HOST LOCAL PEER SPI-OUT SPI-IN [MODE]: set up ESP between these addresses.
ipsec()
{
	local n key=0x000102030405060708090a0b0c0d0e0f10111213 mode=${6:-transport}

	n=${ns}$1
	ip -n "$n" xfrm state add src "$2" dst "$3" proto esp spi "$4" mode "$mode" \
		aead 'rfc4106(gcm(aes))' $key 128 sel src "$2" dst "$3" &&
	ip -n "$n" xfrm state add src "$3" dst "$2" proto esp spi "$5" mode "$mode" \
		aead 'rfc4106(gcm(aes))' $key 128 sel src "$3" dst "$2" &&
	ip -n "$n" xfrm policy add src "$2" dst "$3" dir out tmpl src "$2" dst "$3" proto esp mode "$mode" &&
	ip -n "$n" xfrm policy add src "$3" dst "$2" dir in tmpl src "$3" dst "$2" proto esp mode "$mode"
}

no_ipsec()
{
	local h

	for h in a b; do
		ip -n "${ns}$h" xfrm policy flush && ip -n "${ns}$h" xfrm state flush || return
	done
}

through_ipsec()
{
	local before

	ipsec a $A1 $B1 0x100 0x200 && ipsec b $B1 $A1 0x200 0x100 || return
	before=$(counted b esp_behind_140)
	stream 4 fail_and_switch || return
	[ "$(counted b esp_behind_140)" -gt $((before + 10)) ] || { fail "no ESP behind our header was seen"; return 1; }
	no_ipsec
}

xfrm_errors() { in_ns b awk '{ n += $2 } END { print n }' /proc/net/xfrm_stat; }

# below_ipsec MODE: ESP between the locators, below the shim. Packets to them that are not
# encrypted are refused, even with the right tag.
below_ipsec()
{
	local before errors

	ipsec a $A2 $B2 0x100 0x200 "$1" && ipsec b $B2 $A2 0x200 0x100 "$1" || return
	in_ns a ping -6 -q -n -c 2 -i 0.1 -W 2 -I $A2 $B2 || { fail "the locators themselves don't hear each other"; return 1; }
	before=$(stat_of b in-payload)
	errors=$(xfrm_errors)
	stream 4 fail_and_switch && grew b in-payload "$before" 10 || return
	expect_eq "packets that xfrm refuses" "$(xfrm_errors)" "$errors" || return
	# One end loses its policy.
	ip -n "${ns}a" xfrm policy flush && ip -n "${ns}a" xfrm state flush || return
	before=$(stat_of b in-payload)
	errors=$(stat_of b in-policy)
	in_ns a ping -6 -q -n -c 2 -i 0.1 -W 1 -I $A1 $B1 && { fail "what is in clear is taken"; return 1; }
	expect_eq "packets in clear that were taken" "$(stat_of b in-payload)" "$before" &&
	grew b in-policy "$errors" 2 && no_ipsec
}

# --- reverse-path filters -----------------------------------------------------

# rpfilter HOST: a strict one, as firewalld has it after conntrack and others before it.
rpfilter()
{
	in_ns "$1" nft -f - <<-EOF
		table ip6 rp {
			chain raw { type filter hook prerouting priority raw; fib saddr . iif oif missing counter drop; }
			chain filter { type filter hook prerouting priority filter + 10; fib saddr . mark . iif oif missing counter drop; }
		}
	EOF
}

pings() { in_ns a ping -6 -q -n -c 2 -i 0.1 -W 2 -I $A1 $B1; }

# A re-homed packet is answered for by its locators.
behind_rpfilter()
{
	rpfilter a && rpfilter b || return
	pings || { fail "nothing passes on the ULIDs"; return 1; }
	# One host sends by the other pair, and then both.
	switch_host a 2 && pings && switch_host b 2 && pings && stream 6 fail_and_switch ||
		{ in_ns b nft list table ip6 rp; fail "re-homed nothing passes"; return 1; }
	link_alive 1
	in_ns a nft delete table ip6 rp && in_ns b nft delete table ip6 rp
}

# A packet whose source is not where it comes from is dropped as before, though its tag is right.
spoofed_locator()
{
	local before

	rpfilter b && shim6tool -n "${ns}a" context set $A1 $B1 locator-local $A1 locator-peer $B2 || return
	before=$(stat_of b in-payload)
	pings && { fail "it passes"; return 1; }
	grew b in-payload "$before" 2 && in_ns b nft list table ip6 rp | grep -q 'packets [1-9]' ||
		{ in_ns b nft list table ip6 rp; fail "the filter has not seen it"; return 1; }
	in_ns b nft delete table ip6 rp && pings
}

# session NAME FUNCTION...: a case that begins on the ULIDs, with both links.
session()
{
	link_alive 1 2>/dev/null
	start_over
	run_test "$@"
}

modprobe shim6 || exit
set_up "two hosts with two links" pair_up
set_up "a context at both ends" context_up
set_up "packets on link 2 are counted" count_links
session "an ssh session survives the switch, and back [boeing-1.3-03]" ssh_survives
session "a TCP stream survives, and starts again at once [5533-15.1-01 5534-4.2-03]" tcp_survives fail_and_switch
# Data that was on its way arrives, but its acknowledgement goes by a dead link: the first
# packet that comes by the new pair answers data that was sent by the old one.
session "a TCP stream starts again at once, whatever the peer has got by the old pair" tcp_survives fail_and_switch 0.2 0.1
session "a TCP stream survives one switch after another" tcp_many_switches
session "UDP goes on" udp_survives
session "without offload, with merging" with_offload tx off sg off tso off gso off gro on
session "with checksum offload and merging" with_offload tx on sg on tso off gso off gro on
session "with all offload" with_offload tx on sg on tso on gso on gro off
session "without offload, without merging" with_offload tx off sg off tso off gso off gro off
session "a stateful firewall sees arriving packets with ULIDs, leaving ones with both" behind_firewall
if rpfilter b 2>/dev/null; then
	in_ns b nft delete table ip6 rp
	session "reverse-path filters pass what is re-homed" behind_rpfilter
	session "reverse-path filters drop what comes with a locator of somewhere else" spoofed_locator
else
	in_ns b nft delete table ip6 rp 2>/dev/null
	# Of the laboratory's kernels only Debian's own 6.12 has what these two cases need.
	case ${SHIM6_KERNEL:-6.12} in
	6.12) tap_skip "reverse-path filters pass what is re-homed" "the kernel has no CONFIG_NFT_FIB_IPV6" ;;
	esac
fi
session "ESP in transport mode between the ULIDs, behind our header [5533-16.1-01 5533-16.1-02]" through_ipsec
session "ESP in transport mode between the locators, around our header [5533-16.1-02 5533-16.1-04]" below_ipsec transport
session "ESP in tunnel mode between the locators, around the packet [5533-16.1-02 5533-16.1-04]" below_ipsec tunnel
tap_end
