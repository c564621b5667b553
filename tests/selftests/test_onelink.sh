#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two routers on one link, each with a prefix of its own provider, who drops what has another
# source (RFC 8028, RFC 2827): the usual home network with two providers. A third router there has
# no prefix, a low preference and leads nowhere. Routers advertise themselves once in minutes, and
# when they are asked. shim6d.conf is empty.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/routers.sh"
. "$here/systemd.sh"
NETWORKD=/usr/lib/systemd/systemd-networkd
need ip tc nft radvd tcpdump ping modprobe shim6tool shim6d python3 setpriv unshare nsenter useradd systemctl $NETWORKD

# Destinations for which the kernel chooses a source of provider 1, and of provider 2: these have
# the longest common prefix (RFC 6724, section 5, rule 8).
LIKE1=2001:db8:0:5::1
LIKE2=2001:db8:3:ff::1

router_of() { echo "fe80::200:5eff:fe00:${1}01"; }
P1=$(topo_prefix 1) P2=$(topo_prefix 2)

# seldom PROVIDER PREFIX PREFERRED VALID [LIFETIME]: as radvd_set, for a router that advertises
# itself seldom.
seldom()
{
	radvd_conf "$1" "$2" "$3" "$4" | sed "s/MinRtrAdvInterval 3; MaxRtrAdvInterval 4/MinRtrAdvInterval 300; MaxRtrAdvInterval 600/
		s/AdvDefaultLifetime 1800/AdvDefaultLifetime ${5:-1800}/" >"$TEST_TMP/radvd.$1.conf"
	if [ -s "$TEST_TMP/radvd.$1.pid" ]; then
		kill -HUP "$(cat "$TEST_TMP/radvd.$1.pid")"
	else
		in_ns "p$1" radvd -C "$TEST_TMP/radvd.$1.conf" -p "$TEST_TMP/radvd.$1.pid" -m logfile -l "$TEST_TMP/radvd.$1.log"
	fi
}

# one_link: the links of a and of its providers become ports of a bridge.
one_link()
{
	local p

	topo_links 5ms && ns_add sw p9 || return
	in_ns sw sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	in_ns p9 sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
	ip -n "${ns}a" link del up1 && ip -n "${ns}a" link del up2 && ip -n "${ns}sw" link add br0 type bridge forward_delay 0 &&
		ip -n "${ns}sw" link set br0 up &&
		ip link add up1 netns "${ns}a" address 00:00:5e:00:01:02 type veth peer name up1 netns "${ns}sw" || return
	for p in 1 2 9; do
		ip link add host netns "${ns}p$p" address 00:00:5e:00:0$p:01 type veth peer name p$p netns "${ns}sw" &&
			ip -n "${ns}p$p" link set host up || return
	done
	# The router of low preference has the lowest address.
	ip -n "${ns}p9" link set host address 00:00:5e:00:00:01 || return
	for p in up1 p1 p2 p9; do
		ip -n "${ns}sw" link set $p master br0 up || return
	done
	ip -n "${ns}a" link set up1 up
	for p in 1 2; do
		ip -n "${ns}p$p" addr add "$(topo_prefix $p)::1/64" dev host nodad || return
		in_ns p$p nft "add table ip6 spoofed; add chain ip6 spoofed forward { type filter hook forward priority 0; };
			add rule ip6 spoofed forward iifname host ip6 saddr != { 2001:db8:$p::/48, fe80::/10 } counter drop" || return
	done
	ip -n "${ns}core" addr add $LIKE1/128 dev lo && ip -n "${ns}core" addr add $LIKE2/128 dev lo || return
	echo "interface host { AdvSendAdvert on; MinRtrAdvInterval 300; MaxRtrAdvInterval 600; AdvDefaultPreference low; };" >"$TEST_TMP/radvd.9.conf"
	busywait 20 no_tentative p9 host && in_ns p9 radvd -C "$TEST_TMP/radvd.9.conf" -p "$TEST_TMP/radvd.9.pid" -m logfile -l "$TEST_TMP/radvd.9.log" || return
	for p in $TOPO_PROVIDERS; do
		busywait 20 no_tentative "p$p" host && seldom "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	busywait 30 slaac 1 && busywait 30 slaac 2
}

slaac() { ip -n "${ns}a" -6 addr show dev up1 to "$(topo_prefix "$1")::/64" -tentative | grep -q inet6; }

# begins: shim6d on a and b, with addresses of all providers.
begins()
{
	local up

	daemon_conf a </dev/null && daemon_conf b </dev/null && daemon_start a && daemon_start b || return
	both_there || return
	for up in up1 up2; do
		busywait 90 is_made_at b $up || { cat "$(daemon_dir b)/log"; fail "b: no address on $up"; return 1; }
	done
	U_a=$M1 U_b=$(made_addr b up1)
}

both_there()
{
	busywait 90 is_made up1 "$P1" && busywait 90 is_made up1 "$P2" ||
		{ ip -n "${ns}a" -6 addr; cat "$(daemon_dir a)/log"; fail "a lacks an address"; return 1; }
	M1=$(made up1 "$P1") M2=$(made up1 "$P2")
}

# by_their_routers: every address leaves by the router of its prefix, whether a program names it or
# not.
by_their_routers()
{
	from up1 "$M1" && from up2 "$M2" && from up1 "$(made_by_others 1)" && from up2 "$(made_by_others 2)" &&
		unnamed 1 $LIKE1 && unnamed 2 $LIKE2
}

made_by_others() { echo "$(topo_prefix "$1"):200:5eff:fe00:102"; }

# unnamed PROVIDER DESTINATION: the kernel chooses the source, which is of this provider, and every
# packet arrives, of ping and of a datagram's first moment.
unnamed()
{
	local chosen

	chosen=$(in_ns a /usr/bin/python3 "$here/source_of.py" "$2")
	case $chosen in "$(topo_prefix "$1")":*) ;; *) fail "the source for $2 is $chosen, not of provider $1"; return 1 ;; esac
	in_ns a ping -6 -q -c 3 -i 0.2 -W 1 "$2" >"$TEST_TMP/ping" || { cat "$TEST_TMP/ping"; look_around; fail "nothing comes back from $2, to which the source is $chosen"; return 1; }
	grep -q ' 3 received' "$TEST_TMP/ping" || { cat "$TEST_TMP/ping"; look_around; fail "packets are lost, to $2 from $chosen"; }
}

look_around()
{
	ours
	ip -n "${ns}a" -6 addr show dev up1
	ip -n "${ns}a" -6 route show default
	shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" locator
	tail -n 20 "$(daemon_dir a)/log"
}

# named PROVIDER: shim6tool names the router of each locator.
named()
{
	own_locator a "$M1" ".router == \"$(router_of 1)\"" && own_locator a "$M2" ".router == \"$(router_of 2)\"" || return
	shim6tool -socket "$(daemon_dir a)/socket" locator >"$TEST_TMP/locators"
	grep -q "^$M1 dev up1 via $(router_of 1) hba" "$TEST_TMP/locators" || { cat "$TEST_TMP/locators"; fail "it names no router"; }
}

all_named() { busywait 20 named || { look_around; fail "the routers are not known"; }; }

# The routers are known soon after the start, though they do not advertise themselves of their own.
knows() { begins && all_named && by_their_routers; }

# Again after a restart: shim6d knows of no advertisement that came before.
restarts() { daemon_restart a && both_there && busywait 5 named || { look_around; fail "the routers are not known"; return 1; }; by_their_routers; }

# fails HOW BACK WHY: sessions by provider 1 go on by provider 2 within a second when HOW happens,
# and BACK restores the network. If WHY is not empty, it is said of the locators of prefix 1 alone,
# and new connections begin at prefix 2.
fails()
{
	talk_begin a 1000 tcp udp listen && busywait 60 context_there && pause 5 && silent_below "at first" 1000 || { look; return 1; }
	"$1" && pause 30 && silent_below "after $1" 1000 || { look; look_around; return 1; }
	if [ -n "$3" ]; then
		busywait 60 judged "$3" && by_provider_2 || { look_around; fail "nothing is said of prefix 1 alone"; return 1; }
	else
		case $(of_context a locator-local) in "$P2"*) ;; *) fail "a sends from $(of_context a locator-local)"; return 1 ;; esac
	fi
	"$2" && busywait 60 all_is_well || { look_around; fail "prefix 1 does not come back"; return 1; }
	talk_end
	shim6tool -n "${ns}a" context flush
	shim6tool -n "${ns}b" context flush
	by_their_routers
}

judged() { own_locator a "$M1" "(.why // \"\") | startswith(\"$1\")" && own_locator a "$M2" '.operational and (.why | not)'; }
all_is_well() { own_locator a "$M1" '.operational and (.why | not)' && named; }

# A program that names no source gets one of provider 2.
by_provider_2() { busywait 10 unnamed 2 $LIKE1; }

dies() { ip -n "${ns}p1" link set host down; }
lives() { ip -n "${ns}p1" link set host up && ip -n "${ns}p1" addr replace "$P1::1/64" dev host nodad && busywait 20 no_tentative p1 host && seldom 1 "$P1" 1800 3600; }
resigns() { seldom 1 "$P1" 1800 3600 0; }
serves() { seldom 1 "$P1" 1800 3600; }
withdraws() { seldom 1 "$P1" 0 3600; }
provider_fails() { blackhole 1 both; }
provider_works() { in_ns core nft delete table ip6 blackhole; }

# far_gateway: a gateway may be outside of all prefixes of the link, as hosters have it.
far_gateway()
{
	local far=2001:db8:1:ff::1

	ip -n "${ns}a" -6 route add default via $far dev up1 onlink metric 4096 &&
		busywait 10 in_tables "default via $far dev up1 table [0-9]* .* onlink" || { look_around; fail "no route by it"; return 1; }
	ip -n "${ns}a" -6 route del default via $far dev up1 onlink metric 4096
	busywait 10 not_in_tables $far || { ours; fail "the route stays"; return 1; }
	by_their_routers
}
in_tables() { ours | grep -q "$1"; }
not_in_tables() { ! in_tables "$1"; }

# two_links: a second link is in the same network, as Wi-Fi in a dock. The first one's cable is
# pulled: its prefixes are used on the second one, and sessions go on there.
two_links()
{
	ip link add wl netns "${ns}a" address 00:00:5e:00:01:03 type veth peer name wl netns "${ns}sw" &&
		ip -n "${ns}sw" link set wl master br0 up && ip -n "${ns}a" link set wl up && busywait 30 is_on wl "$P1:200:5eff:fe00:103" || return
	expect_eq "at first, the address is on" "$(made up1 "$P1")" "$M1" || return
	talk_begin a 1000 tcp udp listen && busywait 60 context_there && pause 5 || { look; return 1; }
	ip -n "${ns}sw" link set up1 down
	busywait 30 is_on wl "$M1" && busywait 30 is_on wl "$M2" || { look_around; fail "the addresses do not move"; return 1; }
	pause 5
	talk_told && pause 10 && silent_below "on the other link" 1000 || { look; look_around; return 1; }
	talk_end
	in_ns a ping -6 -q -c 2 -i 0.2 -W 1 -I "$P1:200:5eff:fe00:103" 2001:db8:f:1::1 || { look_around; fail "the other link's own address does not work"; return 1; }
	ip -n "${ns}sw" link set up1 up && ip -n "${ns}a" link del wl && both_there && busywait 60 all_is_well || { look_around; return 1; }
	shim6tool -n "${ns}a" context flush
	shim6tool -n "${ns}b" context flush
	by_their_routers
}
is_on() { ip -n "${ns}a" -6 addr show dev "$1" to "$2" -tentative | grep -q inet6; }

# without_privilege: the kernel alone tells of options, as routers advertise themselves.
without_privilege()
{
	local d

	d=$(daemon_dir a)
	daemon_end a TERM && shim6tool -n "${ns}a" context flush && shim6d_flush
	chown -R 12345:12345 "$d" && chmod 755 "$TEST_TMP" || return
	DAEMON_AS="setpriv --reuid 12345 --regid 12345 --clear-groups --bounding-set -all,+net_admin \
		--inh-caps -all,+net_admin --ambient-caps -all,+net_admin --no-new-privs" daemon_start a || return
	holds "$d/log" CAP_NET_RAW || { cat "$d/log"; fail "it does not say what it lacks"; return 1; }
	both_there && seldom 1 "$P1" 1800 3600 && seldom 2 "$P2" 1800 3600 && all_named && by_their_routers || return
	daemon_end a TERM && chown -R 0:0 "$d" && shim6d_flush
}

# in_the_sandbox: the unit lets shim6d hear routers and ask them. The kernel tells nothing of them.
in_the_sandbox()
{
	local unit=/run/systemd/system/shim6d.service

	in_ns a sysctl -qw net.ipv6.conf.up1.accept_ra=0
	id shim6d >/dev/null 2>&1 || useradd -r shim6d || return
	# The sandbox has neither /tmp nor /root, where the program may have been built.
	install -D "$(command -v shim6d)" /usr/local/lib/shim6-test/shim6d &&
	sed "s|^ExecStart=.*|ExecStart=/usr/local/lib/shim6-test/shim6d|" "$here/../../daemon/shim6d/shim6d.service" >"$TEST_TMP/unit" &&
	systemd_prepare && systemd_boot a || return
	inside sh -c "mkdir -p /run/systemd/system && cp $TEST_TMP/unit $unit && systemctl daemon-reload && systemctl start shim6d" &&
		busywait 60 two_tables || { ours; inside journalctl -u shim6d; fail "the routers are not known"; return 1; }
	inside systemctl stop shim6d && systemd_end && rm -r /usr/local/lib/shim6-test && shim6d_flush
}

two_tables() { [ -n "$(table_of "$P1")" ] && [ -n "$(table_of "$P2")" ] && [ "$(table_of "$P1")" != "$(table_of "$P2")" ]; }
table_of() { ip -n "${ns}a" -6 rule | sed -n "s|^32765:.*from $1::/64 lookup \([0-9]*\) .*|\1|p"; }

# beside_networkd: systemd-networkd handles advertisements in place of the kernel.
beside_networkd()
{
	in_ns a sysctl -qw net.ipv6.conf.up1.accept_ra=0
	ip -n "${ns}a" -6 route flush proto ra
	mkdir -p "$TEST_TMP/network" /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases &&
	chown -R systemd-network: /run/systemd/netif || return
	printf '[Match]\nName=up*\n\n[Network]\nIPv6AcceptRA=yes\n' >"$TEST_TMP/network/up.network"
	in_ns a unshare --mount --propagation private sh -c '
		mount --bind "$1" /etc/systemd/network && mount -o remount,ro /sys && exec "$2"' sh "$TEST_TMP/network" $NETWORKD \
		>>"$TEST_TMP/networkd.log" 2>&1 9>&- &
	busywait 30 two_defaults || { cat "$TEST_TMP/networkd.log"; ip -n "${ns}a" -6 route; fail "networkd has not set up the link"; return 1; }
	daemon_start a && both_there && U_a=$M1 && all_named && by_their_routers
}

two_defaults() { [ "$(ip -n "${ns}a" -6 route show default | grep -c -o 'via fe80::200:5eff:fe00:[12]01')" = 2 ]; }

modprobe shim6 || exit
set_up "one link with two routers" one_link
run_test "each prefix leaves by the router that has announced it, which shim6d has asked for" knows
run_test "the same after a restart of shim6d" restarts
run_test "a router dies: sessions move, and only its prefix is broken" \
	fails dies lives "its router $(router_of 1) does not answer"
run_test "a router resigns: sessions go on, and only its prefix is broken" \
	fails resigns serves "its router $(router_of 1) is no default router any more"
run_test "a router deprecates its prefix: sessions go on, and new ones begin at the other" fails withdraws serves "deprecated"
run_test "a router's provider fails: sessions move" fails provider_fails provider_works ""
run_test "a gateway outside of all prefixes gets a route" far_gateway
run_test "of two links in the network, the one with a carrier is used" two_links
run_test "with CAP_NET_ADMIN alone the kernel tells which router has announced a prefix" without_privilege
run_test "the sandbox of shim6d's unit lets it hear routers" in_the_sandbox
run_test "systemd-networkd handles advertisements: each prefix leaves by its router" beside_networkd
run_test "systemd-networkd handles advertisements: a router dies" \
	fails dies lives "its router $(router_of 1) does not answer"
run_test "systemd-networkd handles advertisements: a router resigns" \
	fails resigns serves "its router $(router_of 1) is no default router any more"
pkill -P $! -x systemd-network
tap_end
