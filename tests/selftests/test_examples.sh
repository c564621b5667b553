#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The examples, as a user takes them: two hosts have the firewall of examples/firewall, and
# a session between them gets its context and survives the failure of a link.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
need ip tc nft modprobe shim6tool shim6d ssh sshd python3 ping
examples=$here/../../examples

# reaches PORT: a connects to b, if nobody drops it. The firewall lets a begin with 80.
reaches() { in_ns a timeout 3 bash -c "exec 3<>/dev/tcp/$B1/$1" 2>/dev/null; }

firewalls()
{
	local h

	ip netns exec "${ns}b" /usr/bin/python3 -m http.server -b :: 80 >/dev/null 2>&1 &
	busywait 20 listens b 80 && reaches 80 || { fail "no service on port 80"; return 1; }
	for h in a b; do
		in_ns $h nft -f "$examples/firewall/nftables.conf" || return
	done
	# Again, as a reload does.
	in_ns a nft -f "$examples/firewall/nftables.conf" || return
	in_ns a ping -6 -q -c 1 -W 5 $B1 || { fail "no ping passes"; return 1; }
	! reaches 80 || { fail "a port that is not named is open"; return 1; }
}

daemons()
{
	local h

	for h in a b; do
		daemon_conf $h <<-EOF2 || return
			[peers]
			trusted-prefixes = ["2001:db8::/32"]
			[kernel]
			trigger-packets = 5
		EOF2
		daemon_start $h || return
	done
}

session_has_context()
{
	ssh_up && session_begin && session_talk 5 || return
	busywait 20 established || { fail "no context"; return 1; }
	in_ns a shim6tool -socket "$(daemon_dir a)/socket" doctor | grep '^ok *firewall' || fail "doctor finds fault with the firewall"
}

survives()
{
	link_dead 1 && session_lives 60 || return
	[ "$(stat_of a out-rehomed)" -gt 0 ] || { fail "nothing was re-homed"; return 1; }
	# The rules hold for packets that are re-homed, too.
	! reaches 80 || { fail "a port that is not named is open by the other link"; return 1; }
	session_end
}

set_up "two hosts" pair_up
set_up "the module" modprobe shim6
run_test "nftables.conf loads, twice, and is closed" firewalls
run_test "shim6d starts behind it" daemons
run_test "a session behind it gets a context" session_has_context
run_test "the session survives the failure of a link" survives
tap_end
