#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that fit between the ULIDs are not lost because of the 8 octets of a header on
# another pair: senders that can adapt are told, and packets of others are fragmented.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc nft modprobe shim6tool python3

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit

# --- one host, octet by octet --------------------------------------------------

tun_device || tap_skip "octet by octet" "there is no TUN device"
ns_add host
while read -r how what; do
	case $how in
	PASS) tap_ok "$what" ;;
	FAIL) tap_not_ok "$what" ;;
	*) echo "$how $what" ;;
	esac
done < <(in_ns host /usr/bin/python3 "$here/mtu.py" "$@" 2>&1
	[ $? = 0 ] && echo "PASS mtu.py comes to its end" || echo "FAIL mtu.py comes to its end")
[ $# = 0 ] || tap_end

# --- two hosts -------------------------------------------------------------------

# arrives ADDRESS SECONDS: a TCP stream from a to b's address arrives.
arrives()
{
	local sink source d=$TEST_TMP/arrives

	rm -f "$d.sink"
	ip netns exec "${ns}b" timeout 30 /usr/bin/python3 "$here/stream.py" sink "$1" >"$d.sink" 2>"$d.longest" &
	sink=$!
	busywait 10 grep -q ready "$d.sink" || { fail "the sink is not ready"; return 1; }
	ip netns exec "${ns}a" timeout 20 /usr/bin/python3 "$here/stream.py" source "$1" "$2" >"$d.source" &
	source=$!
	wait $source || { kill $sink; fail "the source fails"; return 1; }
	wait $sink || { fail "the sink fails"; return 1; }
	expect_eq "what arrived" "$(sed 1d "$d.sink")" "$(cat "$d.source")"
}

# full ADDRESS SIZE: datagrams of full size arrive, without fragmentation.
full()
{
	in_ns a ping -6 -q -n -c 3 -i 0.2 -W 5 -M do -s "$2" "$1" >"$TEST_TMP/ping" ||
		{ cat "$TEST_TMP/ping"; fail "no datagram of $2 octets comes back from $1"; return 1; }
}

# both_links_home: no tunnel is left, the pair is the ULIDs, and both links work.
both_links_home() { link_alive 1 && start_over; }

# survives ADDRESS SIZE: a tunnel that works on the ULIDs works by another pair, at its full
# size. Its own MTU does not change.
survives()
{
	busywait 10 in_ns a ping -6 -q -n -c 1 -W 1 "$1" || { fail "$1 does not answer on the ULIDs"; return 1; }
	full "$1" "$2" && arrives "$1" 0.3 || { fail "on the ULIDs"; return 1; }
	link_dead 1 && switch_to 2 || return
	full "$1" "$2" && arrives "$1" 0.7
}

wireguard()
{
	local h

	modprobe wireguard || return
	for h in a b; do wg genkey 2>/dev/null >"$TEST_TMP/$h.key"; done
	wireguard_end a b $B1 1 && wireguard_end b a $A1 2 || return
	survives fd00:1::2 1372 || return
	for h in a b; do ip -n "${ns}$h" link del wg0 || return; done
}
wireguard_end()
{
	ip -n "${ns}$1" link add wg0 type wireguard &&
	in_ns "$1" wg set wg0 listen-port 51820 private-key "$TEST_TMP/$1.key" \
		peer "$(wg pubkey <"$TEST_TMP/$2.key")" allowed-ips ::/0 endpoint "[$3]:51820" &&
	ip -n "${ns}$1" addr add "fd00:1::$4/64" dev wg0 nodad && ip -n "${ns}$1" link set wg0 up
}

# link_tunnel TYPE SIZE [WORD...]: one of ip's tunnels between the ULIDs; %l and %p
# stand for its ends.
link_tunnel()
{
	local type=$1 size=$2 h l p n

	shift 2
	for h in a b; do
		l=$A1 p=$B1 n=1
		[ $h = a ] || { l=$B1 p=$A1 n=2; }
			ip -n "${ns}$h" link del tun1 2>/dev/null
		ip -n "${ns}$h" link add tun1 type "$type" $(echo "$*" | sed "s/%l/$l/; s/%p/$p/") &&
		ip -n "${ns}$h" addr add "fd00:2::$n/64" dev tun1 nodad && ip -n "${ns}$h" link set tun1 up || return
	done
	survives fd00:2::2 "$size" || return
	for h in a b; do ip -n "${ns}$h" link del tun1 || return; done
}

# esp MODE: IPsec between the ULIDs, or in its tunnel between addresses behind them.
esp()
{
	local mode=$1 h key=0x000102030405060708090a0b0c0d0e0f10111213 a=$A1 b=$B1 size=1400 rc

	[ "$mode" = transport ] || {
		a=fd00:3::1 b=fd00:3::2 size=1360
		ip -n "${ns}a" addr add $a/128 dev lo && ip -n "${ns}b" addr add $b/128 dev lo &&
		ip -n "${ns}a" -6 route add $b/128 via $B1 src $a && ip -n "${ns}b" -6 route add $a/128 via $A1 src $b || return
	}
	for h in a b; do
		ip -n "${ns}$h" xfrm state add src $A1 dst $B1 proto esp spi 0x100 mode "$mode" aead 'rfc4106(gcm(aes))' $key 128 &&
		ip -n "${ns}$h" xfrm state add src $B1 dst $A1 proto esp spi 0x200 mode "$mode" aead 'rfc4106(gcm(aes))' $key 128 || return
	done
	esp_policy a $a $b out $A1 $B1 "$mode" && esp_policy a $b $a in $B1 $A1 "$mode" &&
	esp_policy b $b $a out $B1 $A1 "$mode" && esp_policy b $a $b in $A1 $B1 "$mode" || return
	survives $b $size
	rc=$?
	for h in a b; do ip -n "${ns}$h" xfrm policy flush && ip -n "${ns}$h" xfrm state flush; done
	return $rc
}
esp_policy()
{
	ip -n "${ns}$1" xfrm policy add src "$2" dst "$3" dir "$4" tmpl src "$5" dst "$6" proto esp mode "$7"
}

# datagrams HOW: a sender like those of QUIC: it has found the size that fits, acknowledges,
# and forbids fragments.
datagrams()
{
	local sink rc d=$TEST_TMP/datagrams

	rm -f "$d.sink"
	ip netns exec "${ns}b" timeout 60 /usr/bin/python3 "$here/datagrams.py" sink $B1 >"$d.sink" &
	sink=$!
	busywait 10 grep -q ready "$d.sink" || { fail "the sink is not ready"; return 1; }
	ip netns exec "${ns}a" timeout 40 /usr/bin/python3 "$here/datagrams.py" source $A1 $B1 "$1" >"$d.source" &
	rc=$!
	sleep 0.5
	link_dead 1 && switch_to 2 || return
	wait $rc
	rc=$?
	kill $sink
	wait $sink 2>/dev/null
	[ $rc = 0 ] || { cat "$d.source"; fail "not all arrive"; }
}

# The links' MTU is below Ethernet's, so that there is no other reserve.
mtu_of_links()
{
	local h l

	for h in a b; do
		for l in up1 up2; do ip -n "${ns}$h" link set $l mtu "$1" || return; done
	done
}

# --- BIG TCP -----------------------------------------------------------------------

# Large packets of more than 64 KiB. Before Linux 7.0 they have a jumbo option. When they leave
# re-homed, they are cut into segments, without that option.
big_tcp()
{
	local h l large before

	for h in a b; do
		for l in up1 up2; do
			in_ns $h tc qdisc del dev $l root 2>/dev/null
			ip -n "${ns}$h" link set $l gso_max_size 200000 gro_max_size 200000 || return
		done
	done
	in_ns a nft -f - <<-EOF || return
		table ip6 big {
			counter plain { }
			counter rehomed { }
			chain post {
				type filter hook postrouting priority 300
				meta length > 70000 ip6 nexthdr 140 counter name rehomed accept
				meta length > 70000 counter name plain
			}
		}
	EOF
	big_stream || { fail "on the ULIDs"; return 1; }
	[ "$(large plain)" -gt 0 ] || { fail "this kernel has made no large packet on the ULIDs"; return 1; }
	before=$(stat_of a out-no-memory)
	switch_to 2 && big_stream || return
	expect_eq "packets that could not be cut" "$(stat_of a out-no-memory)" "$before" || return
	large=$(large rehomed)
	if [ "$(uname -r | cut -d. -f1)" -ge 7 ]; then
		[ "$large" -gt 0 ] || { fail "none leaves whole"; return 1; }
	else
		note "Linux $(uname -r) has BIG TCP with a jumbo option: $large left whole"
	fi
	in_ns a nft delete table ip6 big
}
large() { in_ns a nft list counter ip6 big "$1" | awk '$1 == "packets" { print $2 }'; }
big_stream()
{
	local sink n=20000000 d=$TEST_TMP/big

	rm -f "$d"
	ip netns exec "${ns}b" timeout 60 /usr/bin/python3 "$here/datagrams.py" tcp-sink $B1 $n >"$d" &
	sink=$!
	busywait 20 grep -q ready "$d" || { fail "the sink is not ready"; return 1; }
	in_ns a timeout 60 /usr/bin/python3 "$here/datagrams.py" tcp-source $B1 $n || { fail "the source fails"; return 1; }
	wait $sink || { cat "$d"; fail "not all arrives"; }
}

# A device can be removed, whether or not sockets were told of its route's MTU.
device_goes()
{
	local s

	switch_to 2 || return
	ip netns exec "${ns}a" /usr/bin/python3 "$here/datagrams.py" hold $A1 $B1 >"$TEST_TMP/hold" &
	s=$!
	busywait 10 grep -q 1492 "$TEST_TMP/hold" || { cat "$TEST_TMP/hold"; fail "the socket is not told"; return 1; }
	timeout 8 ip -n "${ns}a" link del up1 || { kill $s; fail "the device is held"; return 1; }
	kill $s
	wait $s 2>/dev/null
	return 0
}

# session NAME FUNCTION...: a case that begins on the ULIDs, with both links.
session()
{
	both_links_home
	run_test "$@"
}

set_up "two hosts with two links" pair_up
set_up "a context at both ends" context_up
for mtu in 1500 1492; do
	mtu_of_links $mtu
	for how in probe do do-connected; do
		session "links of $mtu: datagrams of full size, $how, go on after a switch" datagrams "$how $mtu"
	done
done
mtu_of_links 1500
if command -v wg >/dev/null; then
	session "WireGuard between the ULIDs, TCP inside" wireguard
else
	tap_skip "WireGuard between the ULIDs, TCP inside" "wg is not installed"
fi
session "ip6tnl between the ULIDs, TCP inside" link_tunnel ip6tnl 1404 mode any local %l remote %p
session "ESP in transport mode between the ULIDs" esp transport
session "ESP in tunnel mode between the ULIDs, TCP inside" esp tunnel
session "BIG TCP" big_tcp
session "a device is removed after its route has told a socket" device_goes
tap_end
