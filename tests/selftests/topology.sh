# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The standard topology, a library for tests (source lib.sh first). Hosts a and
# b have two uplinks each, to providers p1 and p2, p3 and p4, which reach each
# other through a core. Each provider has a /32 of its own and announces one
# prefix of it to its host by router advertisements. From these the host takes its
# address and gateway. Packets leave by the uplink to which their source address
# belongs.
#
#                 up1 - p1           p3 - up1
#               a         \         /         b
#                 up2 - p2 - core - p4 - up2
#
# Provider N: its host's prefix 2001:db8:N:1::/64 of 2001:db8:N::/48; the link
# to the core is 2001:db8:f:N::/64 with the core at ::1 and the provider at ::2.
# MAC addresses are fixed, and so are, by EUI-64, the addresses.

TOPO_NS="a b p1 p2 p3 p4 core"
TOPO_PROVIDERS="1 2 3 4"

# The number of the provider behind an uplink of a host.
declare -A TOPO_PROVIDER=([aup1]=1 [aup2]=2 [bup1]=3 [bup2]=4)

# Of each provider, by its number: the prefix without "::/64", and what its host makes of a MAC address.
TOPO_PREFIX=("" 2001:db8:{1..4}:1)
TOPO_EUI64=("" 200:5eff:fe00:{1..4}02)

# topo_provider HOST UPLINK
topo_provider()
{
	echo "${TOPO_PROVIDER[$1$2]:?topology: host $1 has no uplink $2}"
}

topo_host() { [ "$1" -le 2 ] && echo a || echo b; }
topo_uplink() { [ $(($1 % 2)) = 1 ] && echo up1 || echo up2; }
topo_prefix() { echo "${TOPO_PREFIX[$1]}"; }

# topo_addr HOST UPLINK [PREFIX]: the host's address there (PREFIX without
# "::/64", by default the provider's own).
topo_addr()
{
	local p

	p=$(topo_provider "$1" "$2") || return
	echo "${3:-${TOPO_PREFIX[$p]}}:${TOPO_EUI64[$p]}"
}

# radvd_conf PROVIDER PREFIX PREFERRED VALID [more prefixes...]
radvd_conf()
{
	local p=$1

	shift
	echo "interface host {"
	echo "  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;"
	echo "  MinDelayBetweenRAs 3; AdvDefaultLifetime 1800;"
	while [ $# -ge 3 ]; do
		echo "  prefix $1::/64 { AdvOnLink on; AdvAutonomous on;"
		echo "    AdvPreferredLifetime $2; AdvValidLifetime $3; };"
		shift 3
	done
	echo "};"
}

# radvd_set PROVIDER PREFIX PREFERRED VALID [...]: set what a provider announces.
radvd_set()
{
	local p=$1 conf=$TEST_TMP/radvd.$1.conf

	radvd_conf "$@" >"$conf"
	if [ -s "$TEST_TMP/radvd.$p.pid" ]; then
		kill -HUP "$(cat "$TEST_TMP/radvd.$p.pid")"
		return
	fi
	in_ns "p$p" radvd -C "$conf" -p "$TEST_TMP/radvd.$p.pid" -m logfile -l "$TEST_TMP/radvd.$p.log" ||
		{ cat "$TEST_TMP/radvd.$p.log"; return 1; }
}

# topo_links [DELAY]: namespaces, links and static configuration. DELAY is that between
# core and provider. This starts few programs, each with much to do: on emulated
# processors it takes long to start one.
topo_links()
{
	local d=$TEST_TMP/topology n=${ns} p h u

	mkdir -p "$d" || return
	{
		for h in $TOPO_NS; do
			echo "netns add $n$h"
			echo "link set lo up" >"$d/$h"
		done
		# Hosts take their addresses from RAs. The addresses of routers need no
		# Duplicate Address Detection.
		for h in a b; do
			echo "netns exec $n$h sysctl -qw net.ipv6.conf.default.accept_ra=1"
		done
		for h in core p1 p2 p3 p4; do
			echo "netns exec $n$h sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0"
		done
		for p in $TOPO_PROVIDERS; do
			h=$(topo_host "$p") u=$(topo_uplink "$p")
			echo "link add $u netns $n$h address 00:00:5e:00:0$p:02 type veth peer name host netns ${n}p$p address 00:00:5e:00:0$p:01"
			echo "link add core netns ${n}p$p address 00:00:5e:00:f$p:02 type veth peer name p$p netns ${n}core address 00:00:5e:00:f$p:01"
			echo "link set $u up" >>"$d/$h"
			cat >>"$d/p$p" <<-EOF
				link set host up
				link set core up
				addr add 2001:db8:$p:1::1/64 dev host nodad
				addr add 2001:db8:f:$p::2/64 dev core nodad
				route add 2001:db8::/32 via 2001:db8:f:$p::1
			EOF
			cat >>"$d/core" <<-EOF
				link set p$p up
				addr add 2001:db8:f:$p::1/64 dev p$p nodad
				route add 2001:db8:$p::/48 via 2001:db8:f:$p::2
			EOF
		done
		for h in $TOPO_NS; do
			echo "netns exec $n$h ip -batch $d/$h"
		done
		if [ $# -gt 0 ]; then
			echo "qdisc replace dev core root netem delay $1" >"$d/tc"
			for p in $TOPO_PROVIDERS; do
				echo "netns exec ${n}p$p tc -batch $d/tc"
			done
			for p in $TOPO_PROVIDERS; do
				echo "qdisc replace dev p$p root netem delay $1"
			done >"$d/tc.core"
			echo "netns exec ${n}core tc -batch $d/tc.core"
		fi
	} >"$d/all"
	ip -batch "$d/all"
}

# topo_up [DELAY]: set up the whole topology. Returns once every address is usable and
# all pairs answer.
topo_up()
{
	local p

	topo_links "$@" || return
	for p in $TOPO_PROVIDERS; do
		busywait 20 no_tentative "p$p" host ||
			{ fail "p$p: no link-local address"; return 1; }
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	topo_routes a && topo_routes b || return
	topo_ping_all 20 || {
		topo_dump
		return 1
	}
}

no_tentative()
{
	local l

	l=$(ip -n "${ns}$1" -6 addr show dev "$2") || return
	case $l in *tentative* | *dadfailed*) return 1 ;; *inet6*) return 0 ;; esac
	return 1
}

# has_addr HOST UPLINK [PREFIX]: the address is there and not tentative.
has_addr()
{
	ip -n "${ns}$1" -6 addr show dev "$2" to "$(topo_addr "$1" "$2" "${3:-}")" -tentative |
		grep -q inet6
}

# made_addr HOST UPLINK [PREFIX]: the address that shim6d has made there, if it is not
# tentative. It is the one that is not made of the link's MAC address. Tests poll this, so it
# starts one program.
made_addr()
{
	local p=${TOPO_PROVIDER[$1$2]} file=$TEST_TMP/addr.$BASHPID prefix kind address rest status=1

	prefix=${3:-${TOPO_PREFIX[$p]}}:
	ip -n "${ns}$1" -6 addr show dev "$2" -tentative >"$file" || return
	while read -r kind address rest; do
		[[ $kind = inet6 && $address = "$prefix"* && $address != "$prefix${TOPO_EUI64[$p]}/64" && " $rest" != *" temporary"* ]] || continue
		echo "${address%/*}"
		status=0
	done <"$file"
	return $status
}
is_made_at() { made_addr "$@" >/dev/null; }

# topo_slaac: the links. Each provider announces its prefix. Returns once its host has an address
# of it.
topo_slaac()
{
	local p

	topo_links || return
	for p in $TOPO_PROVIDERS; do
		radvd_set $p "$(topo_prefix $p)" 1800 3600 || return
	done
	for p in $TOPO_PROVIDERS; do
		busywait 20 has_addr "$(topo_host $p)" "$(topo_uplink $p)" || { fail "no SLAAC address from provider $p"; return 1; }
	done
}

# ra_gateway HOST UPLINK: the gateway that the RA named, or nothing.
ra_gateway()
{
	ip -n "${ns}$1" -6 route show default dev "$2" proto ra | awk '{ print $3; exit }'
}

has_gateway() { [ -n "$(ra_gateway "$1" "$2")" ]; }

# topo_routes HOST: wait for the addresses and gateways of the RAs. Then route packets
# from an uplink's prefix by that uplink. When an uplink was away, this is called again
# and restores the routes that the kernel dropped.
topo_routes()
{
	local h=$1 up

	for up in up1 up2; do
		topo_uplink_routes "$h" "$up" || return
	done
}

topo_uplink_routes()
{
	local h=$1 up=$2 p n table

	n=${ns}$h
	p=$(topo_provider "$h" "$up") || return
	table=$((100 + p))
	busywait 20 has_addr "$h" "$up" || { fail "$h: no address on $up"; return 1; }
	busywait 20 has_gateway "$h" "$up" || { fail "$h: no router on $up"; return 1; }
	ip -n "$n" -6 route replace default via "$(ra_gateway "$h" "$up")" dev "$up" table $table || return
	ip -n "$n" -6 rule show | grep -q "from 2001:db8:$p::/48 lookup $table" ||
		ip -n "$n" -6 rule add from "2001:db8:$p::/48" lookup $table pref $((1000 + p))
}

# topo_ping LOCAL-UPLINK PEER-UPLINK [COUNT]: does a reach b on this pair?
topo_ping()
{
	in_ns a ping -6 -q -n -c "${3:-1}" -i 0.2 -W 1 -I "$(topo_addr a "$1")" "$(topo_addr b "$2")" >/dev/null
}

topo_ping_all()
{
	local l r

	for l in up1 up2; do
		for r in up1 up2; do
			busywait "$1" topo_ping $l $r || { fail "a $l does not reach b $r"; return 1; }
		done
	done
}

topo_dump()
{
	local h

	for h in a b core; do
		echo "--- $h"
		ip -n "${ns}$h" -6 addr
		ip -n "${ns}$h" -6 rule
		ip -n "${ns}$h" -6 route show table all
	done
	cat "$TEST_TMP"/radvd.*.log
}

# --- failures ----------------------------------------------------------------

# link_cut HOST UPLINK: pull out the cable; the host loses the carrier.
link_cut() { ip -n "${ns}p$(topo_provider "$1" "$2")" link set host down; }

# router_up PROVIDER: plug in the cable to its host again. A router whose link went down
# has lost its global address, which this restores.
router_up()
{
	ip -n "${ns}p$1" link set host up &&
	ip -n "${ns}p$1" addr replace "$(topo_prefix "$1")::1/64" dev host nodad
}

# link_restore HOST UPLINK: plug in the cable again. Returns when the uplink works.
link_restore()
{
	local p

	p=$(topo_provider "$1" "$2") || return
	router_up "$p" || return
	busywait 20 no_tentative "p$p" host || return
	radvd_set "$p" "$(topo_prefix "$p")" 1800 3600
	topo_uplink_routes "$1" "$2"
}

has_carrier() { ip -n "${ns}$1" link show dev "$2" | grep -q 'LOWER_UP'; }
no_carrier() { ! has_carrier "$@"; }

# blackhole PROVIDER in|out|both: the core silently drops packets to (in) or from
# (out) the customers of a provider.
blackhole()
{
	local p=$1 rules=

	[ "$2" = out ] || rules="add rule ip6 blackhole forward oifname p$p counter drop comment \"$p-in\""
	[ "$2" = in ] || rules+=$'\n'"add rule ip6 blackhole forward iifname p$p counter drop comment \"$p-out\""
	blackhole_rules "$rules"
}

# blackhole_rules RULES: the core drops what these rules of nft say.
blackhole_rules()
{
	in_ns core nft -f - <<-EOF
		add table ip6 blackhole
		add chain ip6 blackhole forward { type filter hook forward priority 0; }
		$1
	EOF
}

# blackhole_count PROVIDER in|out: how many packets were dropped.
blackhole_count()
{
	in_ns core nft list table ip6 blackhole |
		sed -n "s/.*counter packets \([0-9]*\) .*comment \"$1-$2\".*/\1/p"
}

blackhole_clear() { in_ns core nft delete table ip6 blackhole; }

# netem_set PROVIDER DELAY [LOSS]: on the link between a provider and the core,
# DELAY (as in 10ms) and LOSS (as in 1%) in each direction.
netem_set()
{
	in_ns core tc qdisc replace dev "p$1" root netem delay "$2" ${3:+loss "$3"} &&
	in_ns "p$1" tc qdisc replace dev core root netem delay "$2" ${3:+loss "$3"}
}

netem_clear()
{
	in_ns core tc qdisc del dev "p$1" root
	in_ns "p$1" tc qdisc del dev core root
}

# prefix_remove PROVIDER: the provider withdraws its prefix. Hosts deprecate
# the address at once. An unauthenticated RA can't make it invalid before two hours
# have passed (RFC 4862, section 5.5.3).
prefix_remove() { radvd_set "$1" "$(topo_prefix "$1")" 0 0; }

# prefix_add PROVIDER PREFIX: the provider announces one more ("2001:db8:1:2",
# out of its 2001:db8:PROVIDER::/48).
prefix_add()
{
	ip -n "${ns}p$1" addr replace "$2::1/64" dev host nodad &&
	radvd_set "$1" "$(topo_prefix "$1")" 1800 3600 "$2" 1800 3600
}

# prefix_restore PROVIDER: its own prefix and no other.
prefix_restore() { radvd_set "$1" "$(topo_prefix "$1")" 1800 3600; }

# addr_deprecated HOST UPLINK
addr_deprecated()
{
	ip -n "${ns}$1" -6 addr show dev "$2" to "$(topo_addr "$1" "$2")" | grep -q deprecated
}
addr_preferred() { has_addr "$@" && ! addr_deprecated "$@"; }

# capture_start NAMESPACE INTERFACE FILE [FILTER]: returns once tcpdump listens.
# The pid is kept beside FILE.
capture_start()
{
	local n=$1 dev=$2 file=$3

	shift 3
	# Not by in_ns: the signal must meet tcpdump, not a shell around it.
	ip netns exec "${ns}$n" tcpdump -n -U --immediate-mode -Z root -i "$dev" -w "$file" "$@" 2>"$file.err" &
	echo $! >"$file.pid"
	busywait 10 grep -qs 'listening on' "$file.err" || { cat "$file.err"; return 1; }
	# tcpdump says so a moment before its filter works; packets until then are lost.
	pause 0.1
}

# capture_stop FILE: end the capture. FILE has all packets that were on the link until now:
# tcpdump does not read further when it is told to end, so it first gets time to read.
capture_stop()
{
	local pid

	pause 0.3
	pid=$(cat "$1.pid") || return
	kill -TERM "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	rm -f "$1.pid"
}

# captured FILE N [FILTER]: the file already has N packets that match.
captured()
{
	local file=$1 n=$2

	shift 2
	[ "$(capture_count "$file" "$@")" -ge "$n" ]
}

# capture_count FILE [FILTER]: how many packets of a capture match.
capture_count()
{
	local file=$1

	shift
	tcpdump -n -r "$file" "$@" 2>/dev/null | wc -l
}
