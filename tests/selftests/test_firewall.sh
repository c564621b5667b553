#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The host firewalls of distributions, as they are by default: firewalld, with its
# reverse-path filter, and ufw. `shim6tool doctor` sees that they keep Shim6 out, and the
# command that it prints lets Shim6 in, for good. They need what only Debian's own kernels
# have.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
need ip tc nft modprobe shim6tool shim6d python3 jq dbus-daemon firewalld firewall-cmd ufw ping

daemons()
{
	local h

	touch /etc/shim6d.conf
	for h in a b; do
		daemon_conf $h <<-EOF || return
			[peers]
			trusted-prefixes = ["2001:db8::/32"]
		EOF
		daemon_found $h && daemon_start $h || return
	done
}

# doctor STATUS PATTERN: doctor at b ends so, and says so of the firewall.
doctor()
{
	local got

	in_ns b shim6tool doctor >"$TEST_TMP/doctor" 2>&1
	got=$?
	cat "$TEST_TMP/doctor"
	expect_eq "the status of doctor" $got "$1" && grep -q "$2" "$TEST_TMP/doctor" || fail "doctor does not say '$2'"
}

# mends PATTERN STATUS SAYS: doctor has a command that matches. It is run as it is printed, and then
# doctor ends so, and says that.
mends()
{
	local command

	command=$(in_ns b shim6tool -j doctor | jq -r '[.[] | select(.check == "firewall" and .result != "ok")][0].advice')
	command=${command#[\"\']} command=${command%[\"\']}
	echo "doctor says: $command"
	[[ $command == $1 ]] || { fail "that is not the command"; return 1; }
	in_ns b sh -c "$command" && doctor "$2" "$3"
}

# session: a session from a to the ssh port of b goes on when its path fails.
session()
{
	local before

	{ listens b 22 || ssh_up; } && session_begin || return
	# A context of the session before may have another pair.
	shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush && busywait 10 forgotten &&
		in_ns a shim6tool context trigger $A1 $B1 force && busywait 60 established ||
		{ cat "$(daemon_dir a)/log"; fail "no context"; return 1; }
	session_talk 5 || return
	before=$(stat_of b in-payload)
	link_dead 1 && session_lives 60 && grew b in-payload "$before" || return
	link_alive 1 && session_end
}

# --- firewalld ----------------------------------------------------------------

runs() { [ "$(in_ns b firewall-cmd --state 2>/dev/null)" = running ]; }

firewalld_begins()
{
	grep -q '^IPv6_rpfilter=yes' /etc/firewalld/firewalld.conf && install -D -m 644 "$here/../../examples/firewall/shim6.xml" \
		/usr/lib/firewalld/services/shim6.xml && mkdir -p /run/dbus || return
	ip netns exec "${ns}b" dbus-daemon --system --nofork --nopidfile >"$TEST_TMP/dbus.log" 2>&1 9>&- &
	bus=$!
	busywait 60 test -S /run/dbus/system_bus_socket || { cat "$TEST_TMP/dbus.log"; return 1; }
	ip netns exec "${ns}b" firewalld --nofork --nopid >"$TEST_TMP/firewalld.log" 2>&1 9>&- &
	firewalld=$!
	busywait 200 runs || { cat "$TEST_TMP/firewalld.log" /var/log/firewalld; fail "firewalld does not run"; return 1; }
	in_ns b nft list chain inet firewalld filter_PREROUTING | grep 'fib saddr' || fail "there is no reverse-path filter"
}

firewalld_mended()
{
	doctor 2 "^fail firewall .*chain inet firewalld filter_INPUT drops IP protocol 140 on up1 and up2" &&
		mends 'firewall-cmd --zone=public --add-protocol=140 && *' 0 "^warn firewall .*filter_INPUT drops UDP to port 61140 on up1 and up2" &&
		mends 'firewall-cmd --zone=public --add-port=61140/udp && *' 0 "^ok   firewall" || return
	expect_eq "the protocols that are kept" "$(in_ns b firewall-cmd --permanent --list-protocols)" 140 &&
		expect_eq "the ports that are kept" "$(in_ns b firewall-cmd --permanent --list-ports)" 61140/udp
}

# The service of the example takes the place of the protocol.
firewalld_service()
{
	in_ns b firewall-cmd -q --permanent --remove-protocol=140 && in_ns b firewall-cmd -q --permanent --remove-port=61140/udp && in_ns b firewall-cmd -q --permanent --add-service=shim6 &&
		in_ns b firewall-cmd -q --reload && doctor 0 "^ok   firewall"
}

firewalld_ends()
{
	kill $firewalld
	wait $firewalld
	kill $bus
	wait $bus
	in_ns b nft flush ruleset
}

# --- ufw ----------------------------------------------------------------------

ufw_begins()
{
	sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw && in_ns b ufw allow 22/tcp && in_ns b ufw --force enable && in_ns b ufw status verbose
}

ufw_mended()
{
	doctor 2 "^fail firewall .*chain ip6 filter INPUT drops IP protocol 140 on up1 and up2" &&
		mends 'sed -i * /etc/ufw/before6.rules && ufw reload' 0 "^warn firewall .*chain ip6 filter INPUT drops UDP to port 61140 on up1 and up2" &&
		mends 'ufw allow in proto udp to any port 61140' 0 "^ok   firewall" || return
	# The rule is that of the example, and ufw finds it when it starts again.
	grep -qxF -e "$(grep -e '-A ufw6-before-input' "$here/../../examples/firewall/before6.rules")" /etc/ufw/before6.rules &&
		in_ns b ufw disable && in_ns b ufw --force enable && doctor 0 "^ok   firewall"
}

ufw_ends() { in_ns b ufw disable; }

set_up "two hosts" pair_up
set_up "the module" modprobe shim6
run_test "two daemons" daemons
run_test "firewalld, with its defaults" firewalld_begins
run_test "firewalld: doctor sees it, and its command lets Shim6 in" firewalld_mended
run_test "firewalld: the service of examples does so as well" firewalld_service
run_test "firewalld: a session survives, with the reverse-path filter" session
run_test "firewalld ends" firewalld_ends
run_test "ufw, with its defaults" ufw_begins
run_test "ufw: doctor sees it, and its command lets Shim6 in" ufw_mended
run_test "ufw: a session survives" session
run_test "ufw ends" ufw_ends
tap_end
