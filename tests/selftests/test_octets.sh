#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The octets that contexts count are those of the packets between the ULIDs, at both hosts, whether
# they go by the ULIDs, by locators or in UDP, and whether they are cut (GSO) and merged (GRO).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc modprobe shim6tool python3 jq ethtool

TAP_STORY=1
OUT=$TEST_TMP/out

# octets HOST: "SENT HEARD" of its only context.
octets() { shim6tool -n "${ns}$1" -j context | jq -r '.[0] | "\(."sent-octets") \(."heard-octets")"'; }

# since BEFORE AFTER: what was added.
since() { echo "$(($(cut -d' ' -f1 <<<"$2") - $(cut -d' ' -f1 <<<"$1"))) $(($(cut -d' ' -f2 <<<"$2") - $(cut -d' ' -f2 <<<"$1")))"; }

hosts() { modprobe shim6 && pair_up && udp_open && context_up; }

# cutting on|off: devices cut what leaves, and merge what comes; or they take large packets.
cutting()
{
	local h l gso=on

	[ "$1" = off ] || gso=off
	for h in a b; do
		for l in 1 2; do
			in_ns $h ethtool -K up$l tso $gso gso $gso tx-udp-segmentation $gso gro on >/dev/null || return
		done
	done
}

way() { case $1 in ulids) start_over ;; header) switch_to 2 && switch_to 1 ;; native) start_over && switch_to 2 ;; udp) start_over && switch_to_udp 2 ;; esac; }

# sink ARG...: octets.py listens at b.
sink()
{
	in_ns b /usr/bin/python3 "$here/octets.py" "$@" >"$OUT" 2>&1 &
	sink=$!
	busywait 10 holds "$OUT" ready || { cat "$OUT"; fail "no sink"; return 1; }
}

sink_ends() { wait $sink || { tail -3 "$OUT"; fail "not all has come"; return 1; }; }

# datagrams WAY COUNT LENGTH SEGMENTS: both hosts count exactly these.
datagrams()
{
	local a b want=$(($2 * ($3 + 48)))

	way "$1" && sink sink $B1 "$2" "$3" && a=$(octets a) b=$(octets b) || return
	in_ns a /usr/bin/python3 "$here/octets.py" source $A1 $B1 "$2" "$3" "$4" && sink_ends &&
	expect_eq "$1, $4 at a time: a" "$(since "$a" "$(octets a)")" "$want 0" &&
	expect_eq "$1, $4 at a time: b" "$(since "$b" "$(octets b)")" "0 $want"
}

all_datagrams()
{
	local w

	cutting "$1" || return
	for w in ulids header native udp; do
		datagrams $w 10 100 1 && datagrams $w 40 1200 20 && datagrams $w 7 333 5 || return
	done
}

# stream WAY: both hosts count the same, and the payload is in it.
stream()
{
	local a b there back least=3000000

	way "$1" && sink tcp-sink $B1 && a=$(octets a) b=$(octets b) || return
	in_ns a /usr/bin/python3 "$here/octets.py" tcp-source $A1 $B1 $least && sink_ends || return
	# The last acknowledgements may be under way.
	pause 1
	read -r there back <<<"$(since "$a" "$(octets a)")"
	expect_eq "$1: b" "$(since "$b" "$(octets b)")" "$back $there" || return
	[ "$there" -gt $((least + 60 * 2000)) ] && [ "$there" -lt $((least + least / 15)) ] && [ "$back" -gt 0 ] ||
		fail "$1: there $there, back $back"
}

all_streams()
{
	local w

	cutting "$1" || return
	for w in ulids header native udp; do
		stream $w || return
	done
}

# active: contexts can be told by when something was last sent or heard in them.
active()
{
	in_ns a ping -6 -q -n -c 1 -W 5 -I $A1 $B1 >/dev/null &&
	expect_eq "active" "$(active_within 10s)" 1 && pause 3 &&
	expect_eq "active lately" "$(active_within 1s)" 0 &&
	expect_eq "active some time ago" "$(active_within 60s)" 1
}
active_within() { shim6tool -n "${ns}a" -j context show active-within "$1" | jq length; }

set_up "two hosts, two links and a context" hosts
run_test "datagrams of a known number, in large packets" all_datagrams off
run_test "datagrams of a known number, cut and merged" all_datagrams on
run_test "TCP, in large packets" all_streams off
run_test "TCP, cut and merged" all_streams on
run_test "contexts that are active" active
tap_end
