#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The cost of the module, compared with plain IPv6 and with other ways to move packets
# to another pair of addresses. Runs in a guest, by `make bench-datapath`. The output
# explains its columns, and ends with limits, as TAP.
#
# Each way has hosts of its own, so that all are there at once. Small packets are sent in short
# batches, by turns, and the best batch of each way counts: what else this machine does disturbs
# some batches, and never all. Plain IPv6 is without the module, so the module comes and goes
# several times.
#
# Where an emulator counts (tests/vm/run -t counted), small packets alone are measured, in
# instructions and references to memory. These are the same on any machine, so each way of ours has
# limits.
#
# SHIM6_BENCH_WHERE=yes: what where.py makes a table of kernel functions of, with the instructions that
# each takes for a small packet, and for 64 KiB of TCP (make bench-where).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../selftests/lib.sh" >/dev/null
. "$here/../../selftests/pair.sh"
. "$here/ways.sh"
out=${SHIM6_ARTIFACTS:-/tmp}/datapath.txt
counted=
[ "${SHIM6_TIME:-}" = counted ] && counted=yes
where=${SHIM6_BENCH_WHERE:-}
passes=${SHIM6_BENCH_PASSES:-${counted:+1}}
passes=${passes:-10}
rounds=${SHIM6_BENCH_ROUNDS:-${counted:+8}}
rounds=${rounds:-200}
# Emulated processors have no caches to fill.
warm=${counted:+0}
warm=${warm:-64}
packets=256
tcp_passes=${SHIM6_BENCH_TCP_PASSES:-6}
: >"$out"
: >"${SHIM6_ARTIFACTS:-/tmp}/turns"

die() { echo "bench: $*" >&2; exit 1; }
say() { echo "$*" | tee -a "$out"; }
progress() { echo "bench: [$SECONDS s] $*" >&2; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
# least ARRAY KEY VALUE: keep the smaller one.
least() { local -n at=$1; [ -n "${at[$2]-}" ] && awk -v a="${at[$2]}" -v b="$3" 'BEGIN { exit !(a <= b) }' || at[$2]=$3; }

# One process that sends and receives waits most of the time for ESP and WireGuard, so that a stream
# says nothing about what they cost.
streaming="none ulid rehomed ruled udp ip6tnl srv6 vxlan fou nat66"

# --- small packets ------------------------------------------------------------

declare -A best references

# turns WAY...: the ways send by turns, and what is better than before is kept.
turns()
{
	local w got from=0

	echo forget >/proc/s6_bench
	for w; do
		of "$w" note "$w" || return
	done
	[ -z "$counted" ] || from=$(wc -l <"$SHIM6_ARTIFACTS/counts")
	echo "turns $rounds $warm $packets" >/proc/s6_bench || return
	if [ "$counted" ]; then
		# A line for each batch.
		got=$(tail -n "+$((from + 1))" "$SHIM6_ARTIFACTS/counts" | awk -v ways=$# -v n=$packets '
			{ w = (NR - 1) % ways }
			NR <= ways || $1 < i[w] { i[w] = $1 }
			NR <= ways || $2 < r[w] { r[w] = $2 }
			END { for (w = 0; w < ways; w++) printf "%.2f %.2f\n", i[w] / n, r[w] / n }') || return
	else
		got=$(cat /proc/s6_bench) || return
	fi
	keep best "" "$got" "$@"
}

# keep ARRAY KIND FIGURES WAY...: a line of figures for each way.
keep()
{
	local array=$1 kind=$2 lines i=0 w

	mapfile -t lines <<<"$3"
	shift 3
	[ ${#lines[@]} = $# ] || { echo "bench: ${#lines[@]} figures for $# ways" >&2; return 1; }
	for w; do
		least "$array" "$w$kind" "${lines[i]% *}"
		[ -z "$counted" ] || least references "$w" "${lines[i]#* }"
		echo "$w $kind ${lines[i]}" >>"${SHIM6_ARTIFACTS:-/tmp}/turns"
		i=$((i + 1))
	done
}

load()
{
	local w

	modprobe shim6 || return
	for w in $ours; do
		of "$w" made "$w" || { echo "bench: $w can't be made" >&2; return 1; }
	done
}

small_packets()
{
	local p sent=$(((warm + packets) * rounds))

	for p in $(seq "$passes"); do
		progress "small packets, $p of $passes"
		! grep -q '^shim6 ' /proc/modules || modprobe -r shim6 || return
		# shellcheck disable=SC2086
		turns plain $alternatives && load && turns none $ours $alternatives || return
		[ "$(of udp stat_of b in-udp)" -ge $sent ] || die "nothing came in UDP"
		[ "$(of rehomed stat_of a out-rehomed)" -ge $sent ] || die "nothing was re-homed"
		[ "$(of ulid stat_of b in-ulid)" -ge $sent ] || die "nothing was seen on the ULIDs"
	done
}

# --- TCP in bulk --------------------------------------------------------------

declare -A piece

# streams whole|cut: nanoseconds for 64 KiB of TCP, as large packets that the devices take, or cut to
# the MTU and merged again.
streams()
{
	local p w got

	for w in $streaming; do
		of "$w" cutting "$([ "$1" = cut ] && echo on || echo off)" || return
	done
	for p in $(seq "$tcp_passes"); do
		progress "TCP in bulk, $1, $p of $tcp_passes"
		echo forget >/proc/s6_bench
		for w in $streaming; do
			of "$w" stream "$w" || { echo "bench: $w can't connect" >&2; return 1; }
		done
		echo "turns $((rounds / 10)) 16 64" >/proc/s6_bench && got=$(cat /proc/s6_bench) || return
		keep piece "$1" "$got" $streaming || return
	done
}

# --- how it scales ------------------------------------------------------------

# All memory that is neither free nor a file's: it includes all memory of a context.
used() { awk '/^MemTotal:/ { n += $2 } /^(MemFree|Buffers|Cached|SReclaimable|AnonPages|PageTables|KernelStack):/ { n -= $2 } END { print n * 1024 }' /proc/meminfo; }
# Memory that is freed after a grace period must not be counted as used.
settle() { local i; for i in 1 2 3; do sync; echo 3 >/proc/sys/vm/drop_caches; sleep 0.5; done; }

hook()
{
	in_ns a sh -c "echo 'hook $A1 2001:db8:77:: $1 1000000' >/proc/s6_bench && cat /proc/s6_bench"
}

best_hook()
{
	local i got b=1e9

	for i in 1 2 3 4 5; do
		got=$(hook "$1") || return
		b=$(awk -v a="$b" -v b="$got" 'BEGIN { print (b < a ? b : a) }')
	done
	echo "$b"
}

scale()
{
	local n last=0 before bytes one= same all

	modprobe -r shim6
	modprobe shim6 && shim6tool -n "${ns}a" config set max-contexts 2000000 || return
	ip -n "${ns}a" route add 2001:db8:77::/64 dev up1
	say
	say "| contexts | hook, one pair | ratio | hook, all pairs by turns | bytes a context |"
	say "|---|---|---|---|---|"
	settle
	before=$(used)
	for n in 1 1000 100000 1000000; do
		progress "$n contexts"
		in_ns a /usr/bin/python3 "$here/contexts.py" $A1 2001:db8:77:: $last $n || return
		last=$n
		settle
		bytes=$((($(used) - before) / n))
		same=$(best_hook 1) && all=$(best_hook $n) || return
		[ -n "$one" ] || one=$same
		[ $n -ge 1000 ] || bytes=-
		say "| $n | $same ns | $(ratio "$same" "$one") | $all ns | $bytes |"
	done
	shim6tool -n "${ns}a" context flush
	progress "memory of re-homed contexts"
	settle
	before=$(used)
	say
	last=0
	for n in 40000 100000 400000; do
		in_ns a /usr/bin/python3 "$here/contexts.py" $A1 2001:db8:77:: $last $n $A2 $B2 || return
		last=$n
		settle
		say "Re-homed contexts, two locators more at each side, on $(nproc) CPU: $((($(used) - before) / n)) bytes each, of $n."
	done
	shim6tool -n "${ns}a" context flush
}

# --- limits -------------------------------------------------------------------

limits=0 missed=0

# limit NAME VALUE BOUND [EXPLANATION]: VALUE may not be more than BOUND.
limit()
{
	limits=$((limits + 1))
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b) }'; then
		say "ok $limits $1 # $2, at most $3"
	else
		missed=$((missed + 1))
		say "not ok $limits $1"
		say "# why: $2, wanted $3 at most"
	fi
}

# How many times the instructions, and the references to memory, of plain IPv6 a packet may take.
# These are the figures of the day, and a hundredth: a change that makes packets dearer is to be seen.
declare -A most_instructions=([none]=1.01 [other]=1.12 [ulid]=1.07 [rehomed]=1.24 [ruled]=1.24 [udp]=1.34)
declare -A most_references=([none]=1.01 [other]=1.13 [ulid]=1.08 [rehomed]=1.24 [ruled]=1.24 [udp]=1.33)

# small_limits: re-homing in UDP costs hardly more than without, and less than each alternative.
small_limits()
{
	local w

	limit "re-homed in UDP: a small packet, of a re-homed one without UDP" "$(ratio "${best[udp]}" "${best[rehomed]}")" 1.15
	for w in $alternatives; do
		limit "re-homed in UDP: a small packet, of one by ${text[$w]}" "$(ratio "${best[udp]}" "${best[$w]}")" 1
	done
}

counted_limits()
{
	local w

	for w in none $ours; do
		limit "${text[$w]}: instructions, of plain IPv6" "$(ratio "${best[$w]}" "${best[plain]}")" "${most_instructions[$w]}"
		limit "${text[$w]}: references to memory, of plain IPv6" "$(ratio "${references[$w]}" "${references[plain]}")" \
			"${most_references[$w]}"
	done
}

# Re-homed TCP has 0.95 of plain IPv6's speed, and is faster than in VXLAN and FOU.
stream_limits()
{
	local how w other

	for how in whole cut; do
		for w in rehomed udp; do
			limit "${text[$w]}: the time of 64 KiB of TCP, $how, of plain IPv6" \
				"$(ratio "${piece[$w$how]}" "${piece[none$how]}")" 1.053
			for other in vxlan fou; do
				limit "${text[$w]}: the time of 64 KiB of TCP, $how, of that by ${text[$other]}" \
					"$(ratio "${piece[$w$how]}" "${piece[$other$how]}")" 1
			done
		done
	done
}

# --- where the instructions go ------------------------------------------------

# marked TITLE UNITS WAY...: the ways send by turns, and the second turn of each is noted for where.py.
marked()
{
	local title=$1 units=$2 from w

	shift 2
	from=$(wc -l <"$SHIM6_ARTIFACTS/counts")
	echo "turns 2 0 $units" >/proc/s6_bench || return
	from=$((from + $#))
	for w; do
		from=$((from + 1))
		echo "$from $units $title $w" >>"$SHIM6_ARTIFACTS/marked"
	done
}

small_where()
{
	local w

	for w; do
		of "$w" note "$w" || return
	done
	marked packet $packets "$@" && echo forget >/proc/s6_bench
}

streams_where()
{
	local w

	for w in $streaming; do
		of "$w" cutting "$([ "$1" = cut ] && echo on || echo off)" && of "$w" stream "$w" || return
	done
	# shellcheck disable=SC2086
	echo "turns 2 0 64" >/proc/s6_bench && marked "$1" 64 $streaming && echo forget >/proc/s6_bench
}

where_table()
{
	: >"$SHIM6_ARTIFACTS/marked"
	echo forget >/proc/s6_bench
	# shellcheck disable=SC2086
	small_where plain && load && small_where none $ours $alternatives && streams_where whole && streams_where cut &&
	grep ' [tTwW] ' /proc/kallsyms >"$SHIM6_ARTIFACTS/symbols"
}

# --- all ----------------------------------------------------------------------

counted_table()
{
	local w

	say "# Data path, Linux $(uname -r), counted by an emulator; least of $rounds rounds of $packets packets"
	say
	say "| way | instructions | of plain | references to memory | of plain |"
	say "|---|---|---|---|---|"
	for w in plain none $ours $alternatives; do
		say "| ${text[$w]} | ${best[$w]} | $(ratio "${best[$w]}" "${best[plain]}") | ${references[$w]} | $(ratio "${references[$w]}" "${references[plain]}") |"
	done
	say
}

timed_table()
{
	local w whole cut

	say "# Data path, Linux $(uname -r), $(nproc) CPU; best of $((passes * rounds)) batches of $packets packets, and of $((tcp_passes * rounds / 10)) of 4 MiB"
	say
	say "| way | small packet | of plain's time | 64 KiB of TCP | of plain's speed | cut and merged | of plain's speed |"
	say "|---|---|---|---|---|---|---|"
	for w in plain none $ours $alternatives; do
		whole=${piece[${w}whole]-} cut=${piece[${w}cut]-}
		say "| ${text[$w]} | ${best[$w]} ns | $(ratio "${best[$w]}" "${best[plain]}")" \
			"| ${whole:+$whole ns} | ${whole:+$(ratio "${piece[nonewhole]}" "$whole")}" \
			"| ${cut:+$cut ns} | ${cut:+$(ratio "${piece[nonecut]}" "$cut")} |"
	done
	say
	say "A small packet is a datagram of 64 octets, from where an upper layer hands it to IPv6 to where it is handed"
	say "up at the other host, over a veth, without a system call: the shortest way there is, so that every"
	say "nanosecond shows. What the ways add, step by step: contexts of others, two hooks and two look-ups that"
	say "find nothing; on its ULIDs, counters and time stamps; re-homed, the header in and out, another route,"
	say "and a look-up by tag; in UDP, its header and checksum, and the proof of that. TCP is from socket to socket,"
	say "with two copies and no system call, over devices that take large packets as they are; and over devices that"
	say "take packets of 1500 octets alone, so that GSO cuts them and GRO merges them. Plain IPv6 has the module loaded"
	say "there."
	say
}

need ip nft modprobe wg ping python3 ethtool
modprobe s6_bench || die "there is no s6_bench: take make bench-datapath"
modprobe -a vxlan fou6 || die "there is no VXLAN or FOU: take make bench-datapath"
progress "hosts"
for w in plain $ours $alternatives; do
	of "$w" hosts || die "the hosts of $w can't be made"
	! declare -F "way_$w" >/dev/null || of "$w" "way_$w" || die "$w can't be made"
done
for w in $alternatives; do
	# shellcheck disable=SC2046
	busywait 10 of "$w" carries $(ends "$w") || die "$w does not carry a ping"
done
if [ "$where" ]; then
	where_table || die "the functions can't be told"
	exit
fi
small_packets || die "small packets can't be measured"
if [ "$counted" ]; then
	counted_table
	counted_limits
	small_limits
else
	streams whole && streams cut || die "TCP in bulk can't be measured"
	timed_table
	[ "${SHIM6_BENCH_SCALE:-yes}" = no ] || scale || die "the table does not scale"
	small_limits
	stream_limits
fi
say "1..$limits"
echo forget >/proc/s6_bench
modprobe -r s6_bench
[ $missed = 0 ]
