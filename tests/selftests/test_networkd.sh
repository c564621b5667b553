#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Addresses beside those of systemd-networkd, which deals with router advertisements
# itself, in place of the kernel, and takes away what it does not know when it starts.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
NETWORKD=/usr/lib/systemd/systemd-networkd
need ip radvd tcpdump ping modprobe shim6tool shim6d python3 curl unshare $NETWORKD

# networkd_begin: in a's namespace, and with a folder of its own in place of /etc's. It
# does not wait for udev, which isn't there, if /sys can't be written to.
networkd_begin()
{
	in_ns a unshare --mount --propagation private sh -c '
		mount --bind "$1" /etc/systemd/network && mount -o remount,ro /sys && exec "$2"' sh "$TEST_TMP/network" $NETWORKD \
		>>"$TEST_TMP/networkd.log" 2>&1 9>&- &
	networkd=$!
}

networkd_runs() { ip netns pids "$(ns a)" | xargs -r ps -o comm= -p | grep -qx systemd-network; }

networkd_end()
{
	pkill -P $networkd -x systemd-network 2>/dev/null || kill $networkd
	wait $networkd
	return 0
}

# Two providers, one machine between them and the rest, and networkd at work.
two_providers()
{
	local p

	topo_links || return
	mkdir -p "$TEST_TMP/network" /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases &&
	chown -R systemd-network: /run/systemd/netif || return
	cat >"$TEST_TMP/network/up.network" <<-EOF
		[Match]
		Name=up*

		[Network]
		IPv6AcceptRA=yes
	EOF
	in_ns a sysctl -qw net.ipv6.conf.up1.accept_ra=0 net.ipv6.conf.up2.accept_ra=0 || return
	for p in $TOPO_PROVIDERS; do
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	networkd_begin
	busywait 20 has_addr a up1 && busywait 20 has_addr a up2 && busywait 20 foreign_default ||
		{ cat "$TEST_TMP/networkd.log"; ip -n "$(ns a)" -6 addr; fail "networkd has set up no address"; }
}

foreign_default() { ip -n "$(ns a)" -6 route show default | grep -q 'proto ra'; }

# networkds: what is networkd's, without lifetimes.
networkds()
{
	ip -n "$(ns a)" -6 -o addr show scope global | awk '{ print $2, $4 }' | grep -v -F -e "${M1:-x}/" -e "${M2:-x}/" | sort
	ip -n "$(ns a)" -6 route show proto ra | sed 's/ expires [0-9]*sec//' | sort
}

makes()
{
	local before

	before=$(networkds)
	echo | daemon_conf a && daemon_start a && both_made || return
	expect_eq "what is networkd's" "$(networkds)" "$before"
}

# Packets leave by the router of their source, by rules and routes that stay.
routed() { source_routing && OURS=$(ours); }

# Many announcements later all is as it was.
goes_on()
{
	local before

	before=$(networkds)
	sleep 40
	[ "$(valid "$(topo_addr a up1)")" -ge 3580 ] && [ "$(valid "$M1")" -ge 3580 ] ||
		{ ip -n "$(ns a)" -6 addr; fail "lifetimes are not renewed"; return 1; }
	expect_eq "what is networkd's" "$(networkds)" "$before" &&
	expect_eq "what shim6d has made" "$(made up1) $(made up2)" "$M1 $M2" && expect_eq "rules and routes" "$(ours)" "$OURS"
}

# When it starts, networkd takes addresses, routes and rules for its own to remove.
networkd_restarts()
{
	networkd_end
	networkd_begin
	sleep 5
	networkd_runs || { cat "$TEST_TMP/networkd.log"; fail "networkd does not run"; return 1; }
	busywait 30 as_before || { ip -n "$(ns a)" -6 addr; ours; cat "$(daemon_dir a)/log"; fail "it is not as before"; return 1; }
	source_routing
}

as_before() { [ "$(made up1) $(made up2)" = "$M1 $M2" ] && [ "$(ours)" = "$OURS" ]; }

shim6d_ends()
{
	daemon_end a TERM
	shim6d_flush && ! is_made up1 && ! is_made up2 && expect_eq "what is left" "$(ours)" ""
}

modprobe shim6 || exit
run_test "two providers, and systemd-networkd" two_providers
[ "$tap_failed" = 0 ] || tap_end
run_test "shim6d makes addresses beside networkd's" makes
run_test "packets leave by the router of their source" routed
run_test "announcements go on, and nobody takes anything away" goes_on
run_test "networkd starts anew" networkd_restarts
run_test "shim6d ends, and what it has made" shim6d_ends
networkd_end
tap_end
