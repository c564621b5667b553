#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Addresses beside those of systemd-networkd. It handles router advertisements itself, in
# place of the kernel, and when it starts it removes addresses and routes that it does not
# know.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/beside.sh"
NETWORKD=/usr/lib/systemd/systemd-networkd
need ip radvd tcpdump ping modprobe shim6tool shim6d python3 curl jq unshare $NETWORKD
MANAGER=networkd

manager_begin()
{
	mkdir -p "$TEST_TMP/network" /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases &&
	chown -R systemd-network: /run/systemd/netif || return
	cat >"$TEST_TMP/network/up.network" <<-EOF
		[Match]
		Name=up*

		[Network]
		IPv6AcceptRA=yes
	EOF
	networkd_begin
}

# networkd_begin: start it in a's namespace, with a folder of its own in place of /etc's.
# There is no udev. networkd does not wait for it if /sys is read-only.
networkd_begin()
{
	in_ns a unshare --mount --propagation private sh -c '
		mount --bind "$1" /etc/systemd/network && mount -o remount,ro /sys && exec "$2"' sh "$TEST_TMP/network" $NETWORKD \
		>>"$TEST_TMP/networkd.log" 2>&1 9>&- &
	networkd=$!
}

networkd_runs() { ip netns pids "$(ns a)" | xargs -r ps -o comm= -p | grep -qx systemd-network; }

manager_end()
{
	pkill -P $networkd -x systemd-network 2>/dev/null || kill $networkd
	wait $networkd
	return 0
}

manager_log() { cat "$TEST_TMP/networkd.log"; }

# When networkd starts, it removes addresses, routes and rules of others as if they were its own.
manager_restart()
{
	manager_end
	networkd_begin
	sleep 5
	networkd_runs || fail "networkd does not run"
}

beside_begin
beside_end
