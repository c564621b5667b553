#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How filters, policies and devices see a packet, on its ULIDs and re-homed: the cells of
# the table in shim6(7). a sends to b; link 1 is that of the ULIDs.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc nft modprobe shim6tool python3

# Each hook counts the packets with ULIDs and those with locators, by device.
see()
{
	local h

	for h in a b; do
		in_ns $h nft -f - <<-EOF || return
			table ip6 see {
				$(for hook in prerouting input output postrouting; do
					for what in ulid1 ulid2 loc1 loc2 back1 back2; do echo "counter ${hook}_$what { }"; done
				done)
				$(for hook in prerouting input output postrouting; do
					d=iif
					[ $hook = prerouting ] || [ $hook = input ] || d=oif
					for l in 1 2; do
						echo "chain ${hook}_$l { type filter hook $hook priority -450;"
						echo "$d \"up$l\" udp dport 9 ip6 saddr $A1 ip6 daddr $B1 counter name ${hook}_ulid$l"
						echo "$d \"up$l\" ip6 nexthdr 140 @th,16,8 & 0x80 != 0 ip6 saddr $A2 ip6 daddr $B2 counter name ${hook}_loc$l"
						echo "$d \"up$l\" ip6 nexthdr 140 @th,16,8 & 0x80 != 0 ip6 saddr $A1 ip6 daddr $B1 counter name ${hook}_back$l"
						echo "}"
					done
				done)
			}
		EOF
	done
}

clear_counts() { in_ns "$1" nft reset counters table ip6 see >/dev/null; }

# seen HOST: the names of all counters that are not 0.
seen()
{
	in_ns "$1" nft list counters table ip6 see |
		awk '$1 == "counter" { n = $2 } $1 == "packets" && $2 > 0 { print n ":" $2 }' | sort | tr '\n' ' '
}

# sender: one program for all datagrams, since programs start slowly on emulated processors.
sender()
{
	coproc SENDER { ip netns exec "${ns}a" /usr/bin/python3 "$here/filters.py" sender $A1 $B1 9 2>&1; }
	# Subshells do not inherit the coprocess's own descriptors, only copies.
	exec {from_sender}<&"${SENDER[0]}" {to_sender}>&"${SENDER[1]}"
}

# send [OPTION...]: a datagram from a to b.
send()
{
	local answer=

	echo "$*" >&"$to_sender"
	read -rt 20 -u "$from_sender" answer
	echo "$answer"
}

# arrives LINK|none [OPTION...]: a datagram arrives at b by this link, or does not arrive.
arrives()
{
	local want=$1 result

	shift
	clear_counts b || return
	result=$(send "$@")
	# Between virtual devices of one machine it arrives at once.
	pause 0.1
	case $want in
	none) expect_eq "what arrives ($*, $result)" "$(seen b)" "" ;;
	*) expect_eq "what arrives ($*, $result)" "$(seen b)" "input_ulid$want:1 prerouting_ulid$want:1 " ;;
	esac
}

hooks()
{
	start_over && clear_counts a && arrives 1 || return
	expect_eq "what a sees on the ULIDs" "$(seen a)" "output_ulid1:1 postrouting_ulid1:1 " || return
	switch_to 2 && clear_counts a && arrives 2 || return
	expect_eq "what a sees re-homed" "$(seen a)" "output_loc2:1 output_ulid1:1 postrouting_loc2:1 postrouting_ulid1:1 " || return
	switch_to 1 && clear_counts a && arrives 1 || return
	expect_eq "what a sees back on the ULIDs" "$(seen a)" "output_back1:1 output_ulid1:1 postrouting_back1:1 postrouting_ulid1:1 "
}

# refusal HOOK ON-ULIDS: the sender's error when a filter refuses a re-homed packet. Before 6.9
# the kernel can't report the error where the module itself calls the filters: at OUTPUT for
# packets with locators, at POSTROUTING for packets that still have ULIDs.
refusal()
{
	case $1,$2,$(uname -r) in
	output,passes,6.[1-8].* | postrouting,stops,6.[1-8].*) echo ok ;;
	*) echo EPERM ;;
	esac
}

# stops HOOK MATCH ON-ULIDS RE-HOMED: a rule at a drops packets that match. The results on ULIDs and
# re-homed are "passes" or "stops".
stops()
{
	local hook=$1 match=$2 on_ulids=$3 i=1 want

	shift 2
	in_ns a nft "add table ip6 stop; add chain ip6 stop c { type filter hook $hook priority 0; }; add rule ip6 stop c $match drop" ||
		return
	start_over || return
	for want; do
		[ $i = 1 ] || switch_to $i || return
		case $want in
		passes) arrives $i ;;
		*) arrives none && expect_eq "what the sender is told" "$(send)" "$([ $i = 1 ] && echo EPERM || refusal "$hook" "$on_ulids")" ;;
		esac || { echo "rule: $hook $match drop"; return 1; }
		i=2
	done
	in_ns a nft delete table ip6 stop
}

by_device() { stops output 'oif "up2"' passes stops && stops postrouting 'oif "up2"' passes stops && stops output 'oif "up1"' stops stops; }
by_ulid() { stops output "ip6 daddr $B1" stops stops && stops postrouting "ip6 saddr $A1" stops stops; }
by_locator() { stops output "ip6 daddr $B2" passes stops && stops postrouting "ip6 saddr $A2" passes stops; }
by_next_header() { stops output "ip6 nexthdr 140" passes stops && stops postrouting "ip6 nexthdr 140" passes stops; }
by_port() { stops output "udp dport 9" stops stops; }

# As the kill switch of a virtual private network: packets leave only by one device.
kill_switch()
{
	stops output 'meta l4proto icmpv6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		add rule ip6 stop c oifname != "up1"' passes stops
}

conntrack()
{
	local h out

	switch_to 2
	for h in a b; do
		in_ns $h nft -f - <<-EOF || return
			table ip6 track {
				counter ulids { }
				counter locators { }
				counter invalid { }
				chain out {
					type filter hook output priority 0;
					udp dport 9 ct original ip6 saddr $A1 ct original ip6 daddr $B1 counter name ulids
					ip6 nexthdr 140 ct original ip6 saddr $A2 ct original ip6 daddr $B2 counter name locators
					ct state invalid counter name invalid
				}
				chain in {
					type filter hook input priority 0;
					udp dport 9 ct original ip6 saddr $A1 ct original ip6 daddr $B1 counter name ulids
					ip6 nexthdr 140 @th,16,8 & 0x80 != 0 counter name locators
					ct state invalid counter name invalid
				}
			}
		EOF
	done
	send count=3 >/dev/null && pause 0.1
	for h in a b; do
		out=$(in_ns $h nft list counters table ip6 track | awk '$1 == "packets" { printf "%s ", $2 }')
		case $h in
		a) expect_eq "ULIDs, locators and invalid at a" "$out" "3 3 0 " || return ;;
		b) expect_eq "ULIDs, locators and invalid at b" "$out" "3 0 0 " || return ;;
		esac
		in_ns $h nft delete table ip6 track
	done
}

# default_deny: the firewalls of both hosts let only packets of known connections and protocol
# 140 in and out.
default_deny()
{
	local h rule

	for h in a b; do
		rule='icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; ct state established accept'
		in_ns $h nft -f - <<-EOF || return
			table ip6 deny {
				chain in { type filter hook input priority 0; policy drop; $rule; tcp dport 7 accept; }
				chain out { type filter hook output priority 0; policy drop; $rule; tcp dport 7 accept; meta l4proto 140 accept; }
			}
		EOF
	done
	switch_to 1 && session_survives || return
	in_ns a nft delete table ip6 deny && in_ns b nft delete table ip6 deny
}

# --- TCP sessions ------------------------------------------------------------

# server [OPTION...]: at b, on port 7; its process is $server.
server()
{
	ip netns exec "${ns}b" /usr/bin/python3 "$here/filters.py" serve $B1 7 "$@" >"$TEST_TMP/served" &
	server=$!
	busywait 20 grep -q ready "$TEST_TMP/served"
}

server_ends() { kill $server; wait $server 2>/dev/null; return 0; }

# session_begin [OPTION...]: begin a session of a client at a.
session_begin()
{
	rm -rf "$TEST_TMP/go" && mkdir "$TEST_TMP/go" && : >"$TEST_TMP/talk" &&
	rsts=$(resets) || return
	in_ns a timeout 120 /usr/bin/python3 "$here/filters.py" talk $A1 $B1 7 "$TEST_TMP/go" "$@" >"$TEST_TMP/talk" 2>&1 &
	talker=$!
	busywait 20 grep -q "ok 0" "$TEST_TMP/talk"
}

resets() { for h in a b; do in_ns $h awk '$1 == "Tcp:" && $2 ~ /^[0-9]/ { print $15 }' /proc/net/snmp; done | tr '\n' ' '; }

# session_says N SECONDS: the client sends, and an answer comes within so many seconds.
session_says() { : >"$TEST_TMP/go/$1"; busywait "$2" grep -q "ok $1" "$TEST_TMP/talk"; }

session_end()
{
	: >"$TEST_TMP/go/end"
	wait $talker || { cat "$TEST_TMP/talk"; fail "the session has ended"; return 1; }
	expect_eq "resets" "$(resets)" "$rsts"
}

# session_survives: a session goes on re-homed, and a new one begins re-homed, as it must with
# any firewall or NAT.
session_survives()
{
	server && session_begin || { cat "$TEST_TMP/talk"; fail "no session"; return 1; }
	link_dead 1 && switch_to 2 || return
	session_says 1 10 || { cat "$TEST_TMP/talk"; fail "re-homed nothing comes back"; return 1; }
	link_alive 1
	switch_to 1 && session_says 2 10 && session_end || return
	# And a session that begins re-homed.
	switch_to 2 && session_begin && session_says 1 10 && session_end || { cat "$TEST_TMP/talk"; fail "no session begins"; return 1; }
	server_ends
}

# nat RULE...: add a rule at a, at POSTROUTING.
nat()
{
	in_ns a nft "add table ip6 nat6; add chain ip6 nat6 post { type nat hook postrouting priority 100; }; add rule ip6 nat6 post $*"
}

nat_by_device()
{
	nat 'oif "up2" counter' snat to $A2 && switch_to 1 && session_survives || return
	in_ns a nft list table ip6 nat6 | grep -q 'packets [1-9]' || { fail "the rule was never met"; return 1; }
	in_ns a nft delete table ip6 nat6
}

masqueraded()
{
	nat 'masquerade' && switch_to 1 && session_survives && in_ns a nft delete table ip6 nat6
}

# NAT changes the locator; the tag names the context of the packet.
nat_other_locator()
{
	local capture=$TEST_TMP/capture i

	for i in aa ab; do
		ip -n "${ns}a" addr add 2001:db8:2::$i/64 dev up2 nodad || return
	done
	# For conntrack this pair is a new one.
	switch_to 2 && shim6tool -n "${ns}a" context set $A1 $B1 locator-local 2001:db8:2::ab &&
	nat 'oif "up2"' snat to 2001:db8:2::aa || return
	in_ns b /usr/bin/python3 "$here/filters.py" packet up2 in 2001:db8:2::aa $B2 140 >"$capture" 2>&1 &
	busywait 20 grep -q ready "$capture" && arrives 2 && wait $! ||
		{ cat "$capture"; fail "the locator is not what NAT makes it"; return 1; }
	in_ns a nft delete table ip6 nat6 && switch_to 1 || return
	for i in aa ab; do
		ip -n "${ns}a" addr del 2001:db8:2::$i/64 dev up2 || return
	done
}

# A packet whose ULIDs NAT changes does not belong to the context any more.
nat_ulids()
{
	local before

	ip -n "${ns}a" addr add 2001:db8:1::aa/64 dev up1 nodad && nat udp dport 9 snat to 2001:db8:1::aa && switch_to 2 || return
	before=$(stat_of a out-rehomed)
	clear_counts a && arrives none && expect_eq "packets re-homed" "$(stat_of a out-rehomed)" "$before" &&
	expect_eq "what a sees" "$(seen a)" "output_ulid1:1 postrouting_ulid1:1 " || return
	in_ns a nft delete table ip6 nat6 && ip -n "${ns}a" addr del 2001:db8:1::aa/64 dev up1
}

# A program holds the packet and decides. Then the packet goes on as if it had not been held.
queued()
{
	local hook match program

	ip netns exec "${ns}a" /usr/bin/python3 "$here/filters.py" queue 5 >"$TEST_TMP/queue" 2>&1 &
	program=$!
	busywait 20 grep -q ready "$TEST_TMP/queue" && switch_to 2 || { cat "$TEST_TMP/queue"; return 1; }
	for hook in "postrouting udp dport 9" "output ip6 nexthdr 140" "postrouting ip6 nexthdr 140"; do
		match=${hook#* } hook=${hook%% *}
		in_ns a nft "add table ip6 stop; add chain ip6 stop c { type filter hook $hook priority 0; }; add rule ip6 stop c $match queue num 5" &&
		clear_counts b && expect_eq "what the sender is told" "$(send)" ok && busywait 10 at_b 2 ||
			{ cat "$TEST_TMP/queue"; echo "rule: $hook $match"; return 1; }
		in_ns a nft delete table ip6 stop
	done
	expect_eq "packets queued" "$(grep -c queued "$TEST_TMP/queue")" 3 || return
	kill $program
	wait $program 2>/dev/null
	return 0
}

# Packets that a program holds on their way through the module are freed when the module is
# unloaded.
queued_and_gone()
{
	local keeper line

	mkfifo "$TEST_TMP/decide" || return
	ip netns exec "${ns}a" /usr/bin/python3 "$here/filters.py" queue 5 keep <"$TEST_TMP/decide" >"$TEST_TMP/queue" 2>&1 &
	keeper=$!
	exec {decide}>"$TEST_TMP/decide"
	busywait 20 grep -q ready "$TEST_TMP/queue" && switch_to 2 &&
		in_ns a nft "add table ip6 stop; add chain ip6 stop c { type filter hook postrouting priority 0; }; add rule ip6 stop c udp dport 9 queue num 5" &&
		send >/dev/null && busywait 20 grep -q queued "$TEST_TMP/queue" || { cat "$TEST_TMP/queue"; return 1; }
	modprobe -r shim6 && clear_counts b || return
	echo >&"$decide"
	exec {decide}>&-
	busywait 20 grep -q gone "$TEST_TMP/queue" || fail "the kernel has kept the packet for the program"
	pause 0.5
	kill $keeper
	wait $keeper 2>/dev/null
	expect_eq "what arrives" "$(seen b)" ""
}

at_b() { [ "$(seen b)" = "input_ulid$1:1 prerouting_ulid$1:1 " ]; }

# --- taps --------------------------------------------------------------------

# taps LINK SOURCE DESTINATION NEXT-HEADER: AF_PACKET shows these values at both ends.
taps()
{
	local link=$1 out in

	shift
	switch_to "$link" || return
	in_ns a /usr/bin/python3 "$here/filters.py" packet "up$link" out "$@" >"$TEST_TMP/tap.a" 2>&1 &
	out=$!
	in_ns b /usr/bin/python3 "$here/filters.py" packet "up$link" in "$@" >"$TEST_TMP/tap.b" 2>&1 &
	in=$!
	busywait 20 grep -q ready "$TEST_TMP/tap.a" && busywait 20 grep -q ready "$TEST_TMP/tap.b" && arrives "$link" || return
	wait $out && wait $in || { cat "$TEST_TMP"/tap.?; fail "'$*' is not seen"; return 1; }
}

packet_sockets() { taps 1 $A1 $B1 17 && taps 2 $A2 $B2 140; }

# tc_stops WAY HOST: a filter there matches packets as they are on the wire.
tc_stops()
{
	local match="u32 match ip6 protocol 140 0xff match ip6 dst $B2/128"

	in_ns a tc qdisc add dev up2 clsact && in_ns b tc qdisc add dev up2 clsact || return
	in_ns "$2" tc filter add dev up2 "$1" protocol ipv6 $match action drop || return
	switch_to 1 && arrives 1 && switch_to 2 && arrives none || { echo "at $2, $1"; return 1; }
	in_ns a tc qdisc del dev up2 clsact && in_ns b tc qdisc del dev up2 clsact
}

traffic_control() { tc_stops egress a && tc_stops ingress b; }

# xdp_stops: a program at b drops packets that have protocol 140 on the wire.
xdp_stops()
{
	local program status=0

	mkfifo "$TEST_TMP/xdp.end" || return
	ip netns exec "${ns}b" /usr/bin/python3 "$here/filters.py" xdp up2 <"$TEST_TMP/xdp.end" >"$TEST_TMP/xdp" 2>&1 &
	program=$!
	exec {end_xdp}>"$TEST_TMP/xdp.end"
	busywait 20 grep -q ready "$TEST_TMP/xdp" && switch_to 1 && arrives 1 && switch_to 2 && arrives none || status=1
	exec {end_xdp}>&-
	wait $program
	[ $status = 0 ] && arrives 2 || { cat "$TEST_TMP/xdp"; return 1; }
}

# --- policies and rules ------------------------------------------------------

# blocked SOURCE DESTINATION ON-ULIDS RE-HOMED
blocked()
{
	local i=1 want source=$1 destination=$2

	shift 2
	ip -n "${ns}a" xfrm policy add src "$source" dst "$destination" dir out action block || return
	for want; do
		switch_to $i || return
		[ "$want" = passes ] && want=$i || want=none
		arrives $want || { echo "policy: $source to $destination"; return 1; }
		i=2
	done
	ip -n "${ns}a" xfrm policy flush
}

xfrm_policies() { blocked $A1 $B1 stops stops && blocked $A2 $B2 passes stops; }

# rule_stops WORDS... -- OPTIONS: a rule for link 2 stops a packet with the options, and no other,
# whatever was sent before.
rule_stops()
{
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	ip -n "${ns}a" -6 rule add "${words[@]}" to 2001:db8:2::/64 priority 100 blackhole || return
	switch_to 1 && arrives 1 "$@" || return
	# The locator pair is new each time, and each of the two packets is once the first.
	switch_to 2 && arrives none "$@" && arrives 2 && arrives none "$@" && arrives 2 ||
		{ echo "rule: ${words[*]}"; return 1; }
	ip -n "${ns}a" -6 rule del "${words[@]}" to 2001:db8:2::/64 priority 100
}

rule_uid() { rule_stops uidrange 1000-1000 -- uid=1000; }
rule_mark() { rule_stops fwmark 7 -- mark=7; }
rule_tos() { rule_stops tos 0x10 -- tos=0x10; }

# The rule looks at the ports behind our header.
rule_port()
{
	ip -n "${ns}a" -6 rule add ipproto udp dport 9 to 2001:db8:2::/64 priority 100 blackhole &&
	switch_to 1 && arrives 1 && switch_to 2 && ping_b 1 && arrives none && ping_b 1 && arrives none || return
	ip -n "${ns}a" -6 rule del ipproto udp dport 9 to 2001:db8:2::/64 priority 100
}

ping_b() { in_ns a ping -6 -q -n -c "$1" -W 2 -I $A1 $B1 >/dev/null || fail "b does not answer"; }

# --- sockets with a device ---------------------------------------------------

# bound END...: TCP between sockets that are bound to link 1 at these ends. While link 1 is dead,
# nothing passes, as without Shim6. No host resets the connection, and it goes on afterwards. A
# switch without a failure does no harm.
bound()
{
	local c= s=

	[[ $* != *a* ]] || c=dev=up1
	[[ $* != *b* ]] || s=dev=up1
	switch_to 1
	# shellcheck disable=SC2086
	server $s && session_begin $c || { cat "$TEST_TMP/talk"; fail "no session"; return 1; }
	switch_to 2 && session_says 1 10 || { cat "$TEST_TMP/talk"; fail "a switch ends it"; return 1; }
	link_dead 1
	session_says 2 3 && { fail "it goes on by a device that was not wanted"; return 1; }
	link_alive 1
	busywait 20 grep -q "ok 2" "$TEST_TMP/talk" || { cat "$TEST_TMP/talk"; fail "it does not go on"; return 1; }
	switch_to 1 && session_says 3 10 && session_end || return
	# A session that begins re-homed.
	# shellcheck disable=SC2086
	switch_to 2 && session_begin $c && session_says 1 10 && session_end || { cat "$TEST_TMP/talk"; fail "no session begins"; return 1; }
	server_ends
}

bound_all() { bound a && bound b && bound a b; }

bound_udp()
{
	local before

	switch_to 2 || return
	before=$(stat_of a out-bypassed)
	arrives 1 dev=up1 && arrives 1 unicast=up1 && grew a out-bypassed "$before" 2 || return
	# The device on which a packet came in, or is to go out, does not bind it to that device.
	arrives 2 pktinfo=up1
}

# A locator pair on the socket's device is used.
bound_same_link()
{
	local before

	ip -n "${ns}a" addr add 2001:db8:1::aa/64 dev up1 nodad && ip -n "${ns}b" addr add 2001:db8:1::bb/64 dev up1 nodad || return
	shim6tool -n "${ns}a" context set $A1 $B1 locator-local 2001:db8:1::aa locator-peer 2001:db8:1::bb || return
	before=$(stat_of a out-rehomed)
	arrives 1 dev=up1 && grew a out-rehomed "$before" || return
	switch_to 1 && ip -n "${ns}a" addr del 2001:db8:1::aa/64 dev up1 && ip -n "${ns}b" addr del 2001:db8:1::bb/64 dev up1
}

# The ULID is kept on the loopback when its link has lost it. Sockets stay bound to the link.
bound_kept()
{
	switch_to 1 && server && session_begin dev=up1 || { cat "$TEST_TMP/talk"; fail "no session"; return 1; }
	ip -n "${ns}a" addr add $A1/128 dev lo nodad && ip -n "${ns}a" addr del $A1/64 dev up1 && switch_host b 2 || return
	: >"$TEST_TMP/go/1"
	pause 2
	ip -n "${ns}a" addr add $A1/64 dev up1 nodad && ip -n "${ns}a" addr del $A1/128 dev lo && switch_to 1 || return
	busywait 20 grep -q "ok 1" "$TEST_TMP/talk" || { cat "$TEST_TMP/talk"; fail "it does not go on"; return 1; }
	session_end && server_ends
}

# cell NAME FUNCTION: run a case, and remove what it may have left if it failed.
cell()
{
	local t before=$tap_count

	run_test "$@"
	[ "$tap_count" != "$before" ] || return
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null
	for t in stop nat6 track deny; do
		for h in a b; do
			in_ns $h nft delete table ip6 $t 2>/dev/null
		done
	done
	ip -n "${ns}a" xfrm policy flush
	ip -n "${ns}a" -6 rule del priority 100 2>/dev/null
	link_alive 1
	start_over
}

queues=
modprobe shim6 || exit
set_up "two hosts with two links, and a context" eval 'pair_up && context_up && see && sender'
cell "netfilter sees ULIDs, then locators at OUTPUT and POSTROUTING; ULIDs at PREROUTING and INPUT" hooks
cell "a rule by device stops packets that leave by it" by_device
cell "a rule by ULID holds on every pair" by_ulid
cell "a rule by locator stops packets that leave with it" by_locator
cell "a rule by Next Header 140 stops re-homed packets" by_next_header
cell "a rule by port holds on every pair" by_port
cell "a kill switch keeps all on its device" kill_switch
cell "conntrack knows the session by its ULIDs, and re-homed packets by their locators" conntrack
cell "behind firewalls that refuse by default a session survives" default_deny
cell "source NAT by device leaves sessions alive" nat_by_device
cell "source NAT to another address changes the locator" nat_other_locator
cell "source NAT of the ULIDs keeps a packet from being re-homed" nat_ulids
if nat masquerade 2>/dev/null; then
	in_ns a nft delete table ip6 nat6
	cell "masquerade leaves sessions alive" masqueraded
else
	in_ns a nft delete table ip6 nat6 2>/dev/null
	tap_skip "masquerade leaves sessions alive" "the kernel has no CONFIG_NFT_MASQ"
fi
if in_ns a nft 'add table ip6 stop; add chain ip6 stop c { type filter hook output priority 0; }; add rule ip6 stop c udp dport 1 queue num 5' 2>/dev/null; then
	in_ns a nft delete table ip6 stop
	cell "what a program has looked at goes on" queued
	queues=1
else
	in_ns a nft delete table ip6 stop 2>/dev/null
	tap_skip "what a program has looked at goes on" "the kernel has no CONFIG_NFT_QUEUE"
fi
cell "AF_PACKET sees what is on the wire, both ways" packet_sockets
if in_ns a tc qdisc add dev lo clsact && in_ns a tc filter add dev lo egress protocol ipv6 u32 match ip6 protocol 140 0xff action drop 2>/dev/null; then
	cell "so does tc" traffic_control
else
	tap_skip "so does tc" "the kernel has no CONFIG_NET_CLS_U32 or no CONFIG_NET_ACT_GACT"
fi
if in_ns a /usr/bin/python3 "$here/filters.py" xdp lo </dev/null >/dev/null 2>&1; then
	cell "a program of XDP sees what is on the wire" xdp_stops
else
	tap_skip "a program of XDP sees what is on the wire" "the kernel has no CONFIG_BPF_SYSCALL"
fi
cell "outbound IPsec policies apply to ULIDs and to locators" xfrm_policies
cell "ip rules by user hold, whatever was sent before" rule_uid
cell "ip rules by mark hold, whatever was sent before" rule_mark
cell "ip rules by traffic class hold, whatever was sent before" rule_tos
cell "ip rules by port look behind our header" rule_port
cell "TCP of sockets that are bound to a device is never reset" bound_all
cell "datagrams of sockets that have chosen a device leave by it" bound_udp
cell "a locator pair of the socket's device is used" bound_same_link
cell "TCP of bound sockets is not reset when the ULID is kept on the loopback" bound_kept
[ -z "$queues" ] || run_test "packets that a program holds are freed when the module is unloaded" queued_and_gone
tap_end
