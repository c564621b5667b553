#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Addresses beside those of NetworkManager. It handles router advertisements itself, in place
# of the kernel. It leaves alone addresses that others have added to a link, but not when it
# sets up the link again.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/beside.sh"
. "$here/systemd.sh"
need ip radvd tcpdump ping modprobe shim6tool shim6d python3 jq pgrep nsenter unshare \
	systemctl journalctl dbus-daemon NetworkManager nmcli
MANAGER=NetworkManager

# manager_begin: start it as Debian's systemd does. Its configuration is in its own /run, and it
# calls none of this machine's scripts. There is no udev; it does not wait for it, since /sys
# is read-only. It logs by syslog: with each line for the journal it would complain of virtual
# time.
manager_begin()
{
	systemd_prepare && systemd_boot a && inside sh -ec '
		mount -t tmpfs tmpfs /etc/NetworkManager/dispatcher.d
		umask 077
		cd /run && mkdir -p NetworkManager/conf.d NetworkManager/system-connections
		printf "[main]\ndns=none\nhostname-mode=none\n[logging]\nbackend=syslog\n" >NetworkManager/conf.d/test.conf
		for up in up1 up2; do
			cat >NetworkManager/system-connections/$up.nmconnection <<-END
				[connection]
				id=$up
				type=ethernet
				interface-name=$up

				[ipv4]
				method=disabled

				[ipv6]
				method=auto
				addr-gen-mode=eui64
			END
		done' || return
	inside systemctl start NetworkManager || { manager_log; fail "NetworkManager does not start"; }
}

manager_log() { inside journalctl --no-pager -o short-precise -u NetworkManager; }
manager_end() { systemd_end; }

connected()
{
	busywait 60 is_connected up1 && busywait 60 is_connected up2 ||
		{ inside nmcli device; fail "NetworkManager does not connect"; }
}

is_connected() { [ "$(inside nmcli -g GENERAL.STATE device show "$1")" = "100 (connected)" ]; }

# watched COMMAND...: note what is removed meanwhile; taken tells which of it was shim6d's.
watched()
{
	local pid status

	ip -n "${ns}a" -6 monitor address rule route >"$TEST_TMP/monitor" 2>&1 &
	pid=$!
	pause 0.5
	"$@"
	status=$?
	kill $pid
	wait $pid 2>/dev/null
	return $status
}

taken() { grep '^Deleted' "$TEST_TMP/monitor" | grep -e "inet6 $M1/" -e "inet6 $M2/" -e 'proto 140'; }

manager_restart()
{
	watched restarts || return
	! taken || fail "that was taken away"
}

# With some announcements, which NetworkManager needs to set up the links.
restarts() { inside systemctl restart NetworkManager && connected && sleep 10; }

activates() { inside nmcli connection up up1 && busywait 10 taken; }
reapplies() { inside nmcli device reapply up1 && busywait 10 taken; }

# doctor_advises: follow the advice, which is two commands.
doctor_advises()
{
	local tool

	tool=$(command -v shim6tool)
	wrong_way inside "$tool" || return
	echo "$ADVICE"
	[[ $ADVICE =~ "so '"("nmcli connection modify "[^\']*)"', then '"("nmcli device reapply $WRONG")"'" ]] || { inside cat /proc/self/mountinfo; fail "the advice is another one"; return 1; }
	eval "inside ${BASH_REMATCH[1]}" && eval "inside ${BASH_REMATCH[2]}" || return
	busywait 20 right_way inside "$tool" ||
		{ cat "$TEST_TMP/doctor"; ip -n "${ns}a" -6 rule; ip -n "${ns}a" -6 route show table all; fail "the advice does not help"; return 1; }
	inside nmcli connection modify "$WRONG" ipv6.routes "" ipv6.routing-rules "" && inside nmcli device reapply "$WRONG" &&
	busywait 30 their_defaults
}

beside_begin
run_test "a connection is activated again, its link down and up" after watched activates
run_test "a connection is reapplied, and no address of others kept" after watched reapplies
beside_end
