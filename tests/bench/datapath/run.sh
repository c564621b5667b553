#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The cost of the module, compared with plain IPv6 and with other ways to move packets
# to another pair of addresses. Runs in a guest, by `make bench-datapath`. The output
# explains its columns.
#
# Single measurements differ by a tenth and more. So all are taken by turns, for
# some rounds, and the best of each is compared with the best of plain IPv6.
#
# Where the clock counts instructions (tests/vm/run -t counted) only small packets are
# measured, in instructions. They differ by a hundredth from run to run, on any machine,
# so each way has a limit there, and the output is TAP.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../selftests/lib.sh" >/dev/null
. "$here/../../selftests/pair.sh"
out=${SHIM6_ARTIFACTS:-/tmp}/datapath.txt
counted=
[ "${SHIM6_TIME:-}" = counted ] && counted=yes
rounds=${SHIM6_BENCH_ROUNDS:-${counted:+5}}
rounds=${rounds:-9}
packets=${SHIM6_BENCH_PACKETS:-${counted:+1000}}
packets=${packets:-40000}
tcp_rounds=${SHIM6_BENCH_TCP_ROUNDS:-5}
: >"$out"

die() { echo "bench: $*" >&2; exit 1; }
say() { echo "$*" | tee -a "$out"; }
progress() { echo "bench: [$SECONDS s] $*" >&2; }

# --- hosts: one pair of namespaces for each way --------------------------------

# hosts NAME: a and b of that name, with two links. Their names are aNAME and bNAME.
hosts()
{
	local n=$1 l h

	ns_add "a$n" "b$n" || return
	for l in 1 2; do
		ip link add "up$l" netns "${ns}a$n" type veth peer name "up$l" netns "${ns}b$n" || return
		for h in a b; do
			ip -n "${ns}$h$n" link set "up$l" up &&
			ip -n "${ns}$h$n" addr add "2001:db8:$l::$h/64" dev "up$l" nodad || return
		done
	done
	in_ns "a$n" ping -6 -q -n -c 1 -W 5 $B1 >/dev/null && in_ns "a$n" ping -6 -q -n -c 1 -W 5 $B2 >/dev/null
}

# Tunnels carry two more addresses, ::1:a and ::1:b of a net of their own.
TA=2001:db8:7::a TB=2001:db8:7::b
inner()
{
	local n=$1 dev=$2

	ip -n "${ns}a$n" addr add $TA/128 dev lo && ip -n "${ns}b$n" addr add $TB/128 dev lo &&
	ip -n "${ns}a$n" route add $TB/128 dev "$dev" src $TA &&
	ip -n "${ns}b$n" route add $TA/128 dev "$dev" src $TB
}

way_ip6tnl()
{
	hosts tnl &&
	ip -n "${ns}atnl" link add t0 type ip6tnl mode ip6ip6 local $A2 remote $B2 encaplimit none &&
	ip -n "${ns}btnl" link add t0 type ip6tnl mode ip6ip6 local $B2 remote $A2 encaplimit none &&
	ip -n "${ns}atnl" link set t0 up && ip -n "${ns}btnl" link set t0 up && inner tnl t0
}

way_srv6()
{
	local h

	hosts srv || return
	for h in a b; do
		in_ns ${h}srv sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.up2.seg6_enabled=1 &&
		ip -n "${ns}${h}srv" route add "2001:db8:2::f$h/128" encap seg6local action End.DT6 table 255 dev up2 || return
	done
	ip -n "${ns}asrv" addr add $TA/128 dev lo && ip -n "${ns}bsrv" addr add $TB/128 dev lo &&
	ip -n "${ns}asrv" route add $TB/128 encap seg6 mode encap segs 2001:db8:2::fb dev up2 src $TA &&
	ip -n "${ns}bsrv" route add $TA/128 encap seg6 mode encap segs 2001:db8:2::fa dev up2 src $TB &&
	# The segments are the other host's.
	ip -n "${ns}asrv" route add 2001:db8:2::fb/128 via $B2 dev up2 &&
	ip -n "${ns}bsrv" route add 2001:db8:2::fa/128 via $A2 dev up2
}

way_esp()
{
	local n spi=(0x100 0x200) h

	hosts esp || return
	for h in a b; do
		n=${ns}${h}esp
		ip -n "$n" xfrm state add src $A2 dst $B2 proto esp spi ${spi[0]} mode tunnel enc 'ecb(cipher_null)' '' auth digest_null '' &&
		ip -n "$n" xfrm state add src $B2 dst $A2 proto esp spi ${spi[1]} mode tunnel enc 'ecb(cipher_null)' '' auth digest_null '' || return
	done
	ip -n "${ns}aesp" xfrm policy add src $A1 dst $B1 dir out tmpl src $A2 dst $B2 proto esp mode tunnel &&
	ip -n "${ns}aesp" xfrm policy add src $B1 dst $A1 dir in tmpl src $B2 dst $A2 proto esp mode tunnel &&
	ip -n "${ns}besp" xfrm policy add src $B1 dst $A1 dir out tmpl src $B2 dst $A2 proto esp mode tunnel &&
	ip -n "${ns}besp" xfrm policy add src $A1 dst $B1 dir in tmpl src $A2 dst $B2 proto esp mode tunnel
}

way_nat66()
{
	hosts nat || return
	in_ns anat nft -f - <<-EOT &&
		table ip6 nat {
			chain out { type nat hook output priority -100; ip6 daddr $B1 dnat to $B2; }
			chain post { type nat hook postrouting priority 100; ip6 daddr $B2 snat to $A2; }
		}
	EOT
	in_ns bnat nft -f - <<-EOT
		table ip6 nat {
			chain pre { type nat hook prerouting priority -100; ip6 daddr $B2 dnat to $B1; }
			chain in { type nat hook input priority 100; ip6 saddr $A2 snat to $A1; }
		}
	EOT
}

way_wireguard()
{
	local h other d=$TEST_TMP/wg

	hosts wg && mkdir -p "$d" || return
	umask 077
	for h in a b; do
		wg genkey >"$d/$h.key" && wg pubkey <"$d/$h.key" >"$d/$h.pub" || return
	done
	for h in a b; do
		[ $h = a ] && other=b || other=a
		ip -n "${ns}${h}wg" link add t0 type wireguard &&
		in_ns ${h}wg wg set t0 listen-port 51820 private-key "$d/$h.key" peer "$(cat "$d/$other.pub")" \
			allowed-ips ::/0 endpoint "[2001:db8:2::$other]:51820" &&
		ip -n "${ns}${h}wg" link set t0 up || return
	done
	inner wg t0
}

# --- ways ---------------------------------------------------------------------

ways="plain none other ulid rehomed ruled udp ip6tnl srv6 esp nat66 wireguard"
declare -A text=(
	[plain]="plain IPv6, no module" [none]="module, no context" [other]="module, contexts of others"
	[ulid]="context on its ULIDs" [rehomed]="context re-homed" [ruled]="re-homed, rules by source, 3 flows"
	[udp]="re-homed, in UDP" [ip6tnl]="ip6tnl (IPv6 in IPv6)"
	[srv6]="SRv6 encapsulation" [esp]="ESP tunnel, null cipher" [nat66]="nftables NAT66" [wireguard]="WireGuard")
declare -A host=([ip6tnl]=tnl [srv6]=srv [esp]=esp [nat66]=nat [wireguard]=wg)
declare -A best gbit
# How many times the instructions of plain IPv6 a packet may take. These are the figures of
# the day, and a hundredth: a change that makes packets dearer is to be seen.
declare -A most=([none]=1.01 [other]=1.12 [ulid]=1.14 [rehomed]=1.32 [ruled]=1.32 [udp]=1.42)

# to WAY: "HOST SOURCE DESTINATION" of its traffic.
to()
{
	case $1 in
	ip6tnl | srv6 | wireguard) echo "a${host[$1]} $TA $TB" ;;
	*) echo "a${host[$1]-} $A1 $B1" ;;
	esac
}

# enter WAY: make it so. In the order of $ways each is one step from the last.
enter()
{
	case $1 in
	plain) ! grep -q '^shim6 ' /proc/modules || modprobe -r shim6 ;;
	none) modprobe shim6 ;;
	other) shim6tool -n "${ns}a" context add $A1 2001:db8:99::1 tag-local 1 tag-peer 2 state established &&
		shim6tool -n "${ns}b" context add $B1 2001:db8:99::1 tag-local 1 tag-peer 2 state established ;;
	ulid) context_up ;;
	rehomed) switch_to 2 ;;
	# As shim6d makes them: the kernel cannot keep one route for all packets then.
	ruled) ip -n "${ns}a" -6 rule add from $A2 lookup 102 priority 100 && ip -n "${ns}a" -6 route add 2001:db8:2::/64 dev up2 table 102 ;;
	# The others run without it.
	udp) ip -n "${ns}a" -6 rule del priority 100 && ip -n "${ns}a" -6 route flush table 102 && udp_open && switch_to_udp 2 ;;
	ip6tnl) modprobe -r shim6 ;;
	esac
}

# packet WAY: nanoseconds of one small packet, from host to host.
packet()
{
	local h src dst flows=1

	[ "$1" != ruled ] || flows=3
	read -r h src dst < <(to "$1")
	in_ns "$h" sh -c "echo 'send $src $dst 9 64 $packets $flows' >/proc/s6_bench && cat /proc/s6_bench"
}

bulk()
{
	local h src dst b

	read -r h src dst < <(to "$1")
	b=b${h#a}
	in_ns "$b" iperf3 -s -1 -B "$dst" >/dev/null 2>&1 &
	busywait 10 listening "$b" || return
	in_ns "$h" iperf3 -6 -c "$dst" -B "$src" -t "${SHIM6_BENCH_TCP_SECONDS:-2}" -J |
		jq '.end.sum_received.bits_per_second / 1e9'
	wait $!
}
listening() { in_ns "$1" ss -Hltn "sport = :5201" | grep -q .; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }

packets_by_turns()
{
	local r w got before after

	for r in $(seq "$rounds"); do
		progress "small packets, round $r of $rounds"
		for w in $ways; do
			enter "$w" || die "$w can't be entered"
			echo received >/proc/s6_bench && before=$(cat /proc/s6_bench)
			got=$(packet "$w") || die "$w does not send"
			echo received >/proc/s6_bench && after=$(cat /proc/s6_bench)
			awk -v n="$packets" -v a="$before" -v b="$after" 'BEGIN { exit !(b - a >= n * 0.99) }' ||
				die "$w: of $packets packets $before to $after arrived"
			if [ "$w" = udp ]; then
				[ "$(stat_of b in-udp)" -ge "$packets" ] || die "nothing came in UDP"
			fi
			if [ "$w" = rehomed ]; then
				[ "$(stat_of a out-rehomed)" -ge "$packets" ] || die "nothing was re-homed"
			fi
			best[$w]=$(awk -v a="${best[$w]-1e9}" -v b="$got" 'BEGIN { print (b < a ? b : a) }')
		done
	done
}

bulk_by_turns()
{
	local r w got

	for r in $(seq "$tcp_rounds"); do
		progress "TCP in bulk, round $r of $tcp_rounds"
		for w in $ways; do
			enter "$w" || die "$w can't be entered"
			got=$(bulk "$w") || die "$w: iperf3 fails"
			gbit[$w]=$(awk -v a="${gbit[$w]-0}" -v b="$got" 'BEGIN { print (b > a ? b : a) }')
		done
	done
}

# limits: what was counted, against what it may be. The status says whether all keep to it.
limits()
{
	local w n=0 bad=0 how

	say "# Data path, Linux $(uname -r), in instructions; least of $rounds rounds of $packets packets"
	for w in $ways; do
		[ "$w" != plain ] || continue
		n=$((n + 1))
		how="${text[$w]}: $(ratio "${best[$w]}" "${best[plain]}") of plain IPv6, ${best[$w]} instructions of ${best[plain]}"
		if awk -v a="${best[$w]}" -v b="${best[plain]}" -v m="${most[$w]-1e9}" 'BEGIN { exit !(a <= b * m) }'; then
			say "ok $n ${text[$w]} takes few instructions # $how"
		else
			bad=$((bad + 1))
			say "not ok $n ${text[$w]} takes few instructions"
			say "# why: $how, wanted ${most[$w]} at most"
		fi
	done
	say "1..$n"
	[ $bad = 0 ]
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

need ip tc nft modprobe iperf3 wg ss ping python3
modprobe s6_bench || die "there is no s6_bench: take make bench-datapath"
progress "hosts"
hosts "" && way_ip6tnl && way_srv6 && way_esp && way_nat66 && way_wireguard || die "the hosts can't be made"
for n in "" $(for w in ${ways#*udp }; do echo "${host[$w]}"; done); do
	in_ns "b$n" sh -c 'echo "listen :: 9" >/proc/s6_bench' || die "b$n can't listen"
done
for w in ${ways#*udp }; do
	read -r h src dst < <(to $w)
	busywait 10 in_ns "$h" ping -6 -q -n -c 1 -W 2 -I "$src" "$dst" >/dev/null || die "$w does not carry a ping"
done
packets_by_turns
if [ "$counted" ]; then
	limits
	exit
fi
bulk_by_turns
say "# Data path, Linux $(uname -r), $(nproc) CPU; best of $rounds rounds of $packets packets, and of $tcp_rounds streams"
say
say "| way | small packet | more than plain | of plain's speed | TCP in bulk | of plain |"
say "|---|---|---|---|---|---|"
for w in $ways; do
	say "| ${text[$w]} | ${best[$w]} ns | $(awk -v a="${best[$w]}" -v b="${best[plain]}" 'BEGIN { printf "%.0f", a - b }') ns | $(ratio "${best[plain]}" "${best[$w]}") | $(printf %.2f "${gbit[$w]}") Gbit/s | $(ratio "${gbit[$w]}" "${gbit[plain]}") |"
done
say
say "A small packet is a datagram of 64 octets, from where an upper layer hands it to IPv6 to where it is handed"
say "up at the other host, over a veth, without a system call: the shortest way there is, so that every"
say "nanosecond shows. What the ways add, step by step: contexts of others, two hooks and two look-ups that"
say "find nothing; on its ULIDs, counters and time stamps; re-homed, the header in and out, another route,"
say "and a look-up by tag."
scale || die "the table does not scale"
modprobe -r s6_bench
