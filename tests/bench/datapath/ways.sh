# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The ways by which run.sh moves packets, each between hosts of its own: the namespaces a and b
# of the namespace prefix that way_ns gives. All of them are there at the same time.

# The order of the tables: ways of this module first, then alternatives, each with a set-up way_NAME.
ours="other ulid rehomed ruled udp"
alternatives="ip6tnl srv6 vxlan fou esp nat66 wireguard"
declare -A text=(
	[plain]="plain IPv6, no module" [none]="module, no context" [other]="module, contexts of others"
	[ulid]="context on its ULIDs" [rehomed]="context re-homed" [ruled]="re-homed, rules by source, 3 flows"
	[udp]="re-homed, in UDP" [ip6tnl]="ip6tnl (IPv6 in IPv6)" [srv6]="SRv6 encapsulation"
	[vxlan]="VXLAN" [fou]="ip6tnl in UDP (FOU)" [esp]="ESP tunnel, null cipher"
	[nat66]="nftables NAT66" [wireguard]="WireGuard")

# of WAY COMMAND...: run a function of pair.sh or of here for the hosts of a way. Plain IPv6 has the
# same hosts without the module and with it.
of()
{
	local ns=$ns way=$1

	shift
	case $way in plain | none) ;; *) ns=$ns$way- ;; esac
	"$@"
}

# By the length of its segments, TCP sends a small packet beside each large one, or does not. With
# this limit it does so on each way, so that all have as many packets for the same octets.
LARGE="gso_max_size 64700"

# hosts: a and b, with two links. Their neighbours are fixed: as long as IPv6 waits for a sign of life
# of a neighbour, each packet to it takes another way through the kernel, which has 93 instructions more.
hosts()
{
	local l h other

	ns_add a b || return
	for l in 1 2; do
		ip link add "up$l" netns "${ns}a" type veth peer name "up$l" netns "${ns}b" || return
	done
	for h in a b; do
		[ $h = a ] && other=b || other=a
		ip -n "${ns}$h" -batch - <<-EOT || return
			link set up1 address 02:00:00:00:01:0$h up $LARGE
			link set up2 address 02:00:00:00:02:0$h up $LARGE
			addr add 2001:db8:1::$h/64 dev up1 nodad
			addr add 2001:db8:2::$h/64 dev up2 nodad
			neigh add 2001:db8:1::$other lladdr 02:00:00:00:01:0$other dev up1 nud permanent
			neigh add 2001:db8:2::$other lladdr 02:00:00:00:02:0$other dev up2 nud permanent
		EOT
	done
	in_ns a ping -6 -q -n -c 1 -W 5 $B1 >/dev/null && in_ns a ping -6 -q -n -c 1 -W 5 $B2 >/dev/null
}

# --- alternatives -------------------------------------------------------------

# Tunnels carry two more addresses, ::a and ::b of a net of their own.
TA=2001:db8:7::a TB=2001:db8:7::b
inner()
{
	local dev=$1

	ip -n "${ns}a" addr add $TA/128 dev lo && ip -n "${ns}b" addr add $TB/128 dev lo &&
	ip -n "${ns}a" route add $TB/128 dev "$dev" src $TA &&
	ip -n "${ns}b" route add $TA/128 dev "$dev" src $TB
}

# tunnel TYPE [WORD...]: t0 on both hosts; @L and @P become the addresses of its ends.
tunnel()
{
	local h words

	for h in a b; do
		words="$* "
		[ $h = a ] && words=${words//@L/$A2} words=${words//@P/$B2}
		words=${words//@L/$B2} words=${words//@P/$A2}
		# shellcheck disable=SC2086
		ip -n "${ns}$h" link add t0 type $words && ip -n "${ns}$h" link set t0 up $LARGE || return
	done
	inner t0
}

way_ip6tnl() { tunnel ip6tnl mode ip6ip6 local @L remote @P encaplimit none; }

# With the checksum of UDP, as Shim6 in UDP has it.
way_fou()
{
	local h

	for h in a b; do
		in_ns $h ip fou add port 5555 ipproto 41 -6 || return
	done
	tunnel ip6tnl mode ip6ip6 local @L remote @P encaplimit none encap fou encap-sport auto encap-dport 5555 encap-udp6-csum
}

# The neighbours are fixed, so that nothing but the packets is sent.
way_vxlan()
{
	local h other
	local -A mac=([a]=02:00:00:00:00:0a [b]=02:00:00:00:00:0b) inside=([a]=$TA [b]=$TB)

	tunnel vxlan id 7 local @L remote @P dstport 4789 dev up2 || return
	for h in a b; do
		[ $h = a ] && other=b || other=a
		ip -n "${ns}$h" link set t0 address ${mac[$h]} &&
		ip -n "${ns}$h" neigh replace ${inside[$other]} lladdr ${mac[$other]} dev t0 nud permanent || return
	done
}

way_srv6()
{
	local h

	for h in a b; do
		in_ns $h sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.up2.seg6_enabled=1 &&
		ip -n "${ns}$h" route add "2001:db8:2::f$h/128" encap seg6local action End.DT6 table 255 dev up2 || return
	done
	ip -n "${ns}a" addr add $TA/128 dev lo && ip -n "${ns}b" addr add $TB/128 dev lo &&
	ip -n "${ns}a" route add $TB/128 encap seg6 mode encap segs 2001:db8:2::fb dev up2 src $TA &&
	ip -n "${ns}b" route add $TA/128 encap seg6 mode encap segs 2001:db8:2::fa dev up2 src $TB &&
	# The segments are the other host's.
	ip -n "${ns}a" route add 2001:db8:2::fb/128 via $B2 dev up2 &&
	ip -n "${ns}b" route add 2001:db8:2::fa/128 via $A2 dev up2
}

way_esp()
{
	local n spi=(0x100 0x200) h

	for h in a b; do
		n=${ns}$h
		ip -n "$n" xfrm state add src $A2 dst $B2 proto esp spi ${spi[0]} mode tunnel enc 'ecb(cipher_null)' '' auth digest_null '' &&
		ip -n "$n" xfrm state add src $B2 dst $A2 proto esp spi ${spi[1]} mode tunnel enc 'ecb(cipher_null)' '' auth digest_null '' || return
	done
	ip -n "${ns}a" xfrm policy add src $A1 dst $B1 dir out tmpl src $A2 dst $B2 proto esp mode tunnel &&
	ip -n "${ns}a" xfrm policy add src $B1 dst $A1 dir in tmpl src $B2 dst $A2 proto esp mode tunnel &&
	ip -n "${ns}b" xfrm policy add src $B1 dst $A1 dir out tmpl src $B2 dst $A2 proto esp mode tunnel &&
	ip -n "${ns}b" xfrm policy add src $A1 dst $B1 dir in tmpl src $A2 dst $B2 proto esp mode tunnel
}

way_nat66()
{
	in_ns a nft -f - <<-EOT &&
		table ip6 nat {
			chain out { type nat hook output priority -100; ip6 daddr $B1 dnat to $B2; }
			chain post { type nat hook postrouting priority 100; ip6 daddr $B2 snat to $A2; }
		}
	EOT
	in_ns b nft -f - <<-EOT
		table ip6 nat {
			chain pre { type nat hook prerouting priority -100; ip6 daddr $B2 dnat to $B1; }
			chain in { type nat hook input priority 100; ip6 saddr $A2 snat to $A1; }
		}
	EOT
}

way_wireguard()
{
	local h other d=$TEST_TMP/wg

	mkdir -p "$d" || return
	umask 077
	for h in a b; do
		wg genkey >"$d/$h.key" && wg pubkey <"$d/$h.key" >"$d/$h.pub" || return
	done
	for h in a b; do
		[ $h = a ] && other=b || other=a
		ip -n "${ns}$h" link add t0 type wireguard &&
		in_ns $h wg set t0 listen-port 51820 private-key "$d/$h.key" peer "$(cat "$d/$other.pub")" \
			allowed-ips ::/0 endpoint "[2001:db8:2::$other]:51820" &&
		# shellcheck disable=SC2086
		ip -n "${ns}$h" link set t0 up $LARGE || return
	done
	inner t0
}

# --- ways of the module -------------------------------------------------------

# made WAY: what a way needs that the module forgets when it is unloaded.
made()
{
	case $1 in
	other)
		shim6tool -n "${ns}a" context add $A1 2001:db8:99::1 tag-local 1 tag-peer 2 state established &&
		shim6tool -n "${ns}b" context add $B1 2001:db8:99::1 tag-local 1 tag-peer 2 state established ;;
	ulid) context_up ;;
	rehomed | ruled) context_up && switch_to 2 ;;
	udp) context_up && udp_open && switch_to_udp 2 ;;
	esac
}

# As shim6d makes them: the kernel cannot keep one route for all packets then.
way_ruled()
{
	ip -n "${ns}a" -6 rule add from $A2 lookup 102 priority 100 &&
	ip -n "${ns}a" -6 route add 2001:db8:2::/64 dev up2 table 102
}

# --- packets ------------------------------------------------------------------

# ends WAY: source and destination of its traffic.
ends()
{
	case $1 in
	ip6tnl | srv6 | vxlan | fou | wireguard) echo $TA $TB ;;
	*) echo $A1 $B1 ;;
	esac
}

# note WAY: tell s6_bench how the packets of a way are sent, and have them taken.
note()
{
	local flows=1

	[ "$1" != ruled ] || flows=3
	in_ns b sh -c 'echo "listen :: 9" >/proc/s6_bench' &&
	in_ns a sh -c "echo 'way $(ends "$1") 9 64 $flows' >/proc/s6_bench"
}

# stream WAY: connect. A stream may be idle until the next turn, and shall then be as fast as before.
stream()
{
	local src dst

	read -r src dst < <(ends "$1")
	in_ns a sysctl -qw net.ipv4.tcp_slow_start_after_idle=0 &&
	in_ns b sh -c "echo 'serve $dst 7' >/proc/s6_bench" && in_ns a sh -c "echo 'stream $src $dst 7' >/proc/s6_bench"
}

carries() { in_ns a ping -6 -q -n -c 1 -W 2 -I "$1" "$2" >/dev/null; }

# cutting on|off: do the devices of a way leave it to the kernel to cut large packets (GSO), and does
# the receiver merge them (GRO)? By default a veth takes large packets as they are.
cutting()
{
	local h l gso=on gro=off

	[ "$1" = off ] || gso=off gro=on
	for h in a b; do
		for l in 1 2; do
			in_ns $h ethtool -K up$l tso $gso tx-udp_tnl-segmentation $gso tx-udp_tnl-csum-segmentation $gso gro $gro || return
		done
	done
}
