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
need ip radvd tcpdump ping modprobe shim6tool shim6d python3 jq unshare $NETWORKD
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

networkd_runs() { ip netns pids "${ns}a" | xargs -r ps -o comm= -p | grep -qx systemd-network; }

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

# doctor_advises: follow the advice; there is no bus, so networkd is restarted to read the file.
doctor_advises()
{
	local file=$TEST_TMP/network/05-

	wrong_way shim6tool -n "${ns}a" || return
	echo "$ADVICE"
	file+=$WRONG.network
	[[ $ADVICE == *"copy /etc/systemd/network/up.network, "*" to /etc/systemd/network/05-$WRONG.network, with 'Name=$WRONG' below "* ]] &&
	[[ $ADVICE =~ "lines '[Route]', '"(Gateway=[0-9a-f:]*)"' and '"(Source=[0-9a-f:/]*)"' into" ]] || { fail "the advice is another one"; return 1; }
	{ sed "s/^Name=.*/Name=$WRONG/" "$TEST_TMP/network/up.network" &&
		printf '\n[Route]\n%s\n%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"; } >"$file"
	cat "$file"
	manager_restart && busywait 30 their_defaults && busywait 20 right_way shim6tool -n "${ns}a" ||
		{ cat "$TEST_TMP/doctor"; ip -n "${ns}a" -6 route; manager_log; fail "the advice does not help"; return 1; }
	rm "$file"
	manager_restart && busywait 30 has_addr a up1 && busywait 30 has_addr a up2 && busywait 30 their_defaults
}

# Lifetimes may have no end. networkd's addresses then look like an administrator's, except for a
# flag.
endless()
{
	local p up

	daemon_end a TERM
	shim6d_flush || return
	for p in 1 2; do
		radvd_set $p "$(topo_prefix $p)" infinity infinity || return
	done
	for up in up1 up2; do
		busywait 30 has_no_end "$(topo_addr a $up)" || { ip -n "${ns}a" -6 addr; fail "the lifetime on $up has an end"; return 1; }
	done
	daemon_start a && both_made && has_no_end "$M1" && has_no_end "$M2" || { ip -n "${ns}a" -6 addr; fail "nothing is made"; return 1; }
	source_routing
}

has_no_end() { ip -n "${ns}a" -6 addr show to "$1" | grep -q 'valid_lft forever'; }

beside_begin
run_test "lifetimes without an end" endless
beside_end
