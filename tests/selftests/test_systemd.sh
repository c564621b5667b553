#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim6d as systemd runs it, with the real units and journald: what the journal can be asked for.
# Host a has the installed programs. Host b, its peer, runs shim6d without systemd. deb.sh tests the
# packages.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/systemd.sh"
need ip tc ping modprobe make gzip jq pgrep nsenter unshare systemctl journalctl systemd-sysusers shim6tool shim6d
repo=$(cd "$here/../.." && pwd)

# installed: the programs and units, where packages have them, and the user.
installed()
{
	local h

	make -s -C "$repo" install prefix=/usr DESTDIR= && systemd-sysusers shim6d.conf && journalctl --update-catalog || return
	for h in a b; do
		daemon_conf $h <<-EOF2 || return
			[peers]
			trusted-prefixes = ["2001:db8::/32"]
			[protocol]
			send-timeout = "10s"
			[addresses]
			manage = false
		EOF2
	done
	sed '/^state-directory/d; /^socket/d' "$(daemon_dir a)/shim6d.conf" >/etc/shim6d.conf
	pair_up && modprobe shim6 && daemon_start b && systemd_prepare && systemd_boot a
}

starts()
{
	inside systemctl start shim6d.service || { a_log; return 1; }
}

a_log() { inside journalctl --no-pager -u shim6d.service; }

# entries MATCH...: the journal's entries of shim6d that fit, as JSON.
entries() { inside journalctl --no-pager -t shim6d -o json --all "$@"; }

# entry FILTER MATCH...: jq's FILTER is true of one that fits.
entry() { entries "${@:2}" | jq -es "any(.[]; $1)" >/dev/null; }

# has FILTER MATCH...: entry, within some time.
has() { busywait 60 entry "$@" || { a_log; entries "${@:2}"; fail "no entry fits $*"; }; }

runs() { inside shim6tool context show $A1 $B1 | grep -q established; }

fields()
{
	has '.PRIORITY == "6" and (.MESSAGE | startswith("level=INFO msg=\"shim6d runs\" version="))
		and .SHIM6_LOCATORS == "2" and ._SYSTEMD_UNIT == "shim6d.service"' \
		MESSAGE_ID=738196e1054947608862ac334bad672a || return
	inside shim6tool context add $A1 $B1 && busywait 30 runs || { a_log; fail "no context"; return 1; }
	has '.SHIM6_TO == "established" and (.SHIM6_PROTECTION | startswith("protected by"))' \
		MESSAGE_ID=ad38a85eb11843ab97ad63da5575a58d SHIM6_ULID_PEER=$B1
}

black_hole()
{
	local ping status

	in_ns a ping -q -i 0.5 -I $A1 $B1 >/dev/null &
	ping=$!
	link_dead 1 && has ".SHIM6_TO_LOCAL == \"$A2\" and .SHIM6_ULID_PEER == \"$B1\" and (.SHIM6_OUTAGE_USEC | tonumber) > 100000
		and (.SHIM6_TRIGGER | length) == 2" SHIM6_TRIGGER=black-hole SHIM6_DIRECTION=outbound
	status=$?
	kill $ping
	wait $ping 2>/dev/null
	[ $status = 0 ] && has true SHIM6_TRIGGER=black-hole MESSAGE_ID=ea0771b6caa5447c9bc5f178e464c7ab
}

# told: no trigger that somebody has told of is a black hole.
told()
{
	ip -n "${ns}a" addr del $A2/64 dev up2 && link_alive 1 && has true SHIM6_TRIGGER=local || return
	! entry '[.SHIM6_TRIGGER] | flatten | contains(["local", "black-hole"])' SHIM6_TRIGGER=local || fail "a local cause is a black hole"
}

explains()
{
	inside journalctl --no-pager -x -t shim6d SHIM6_TRIGGER=black-hole >"$TEST_TMP/explained" || return
	grep -q "Subject: Sessions go by other addresses" "$TEST_TMP/explained" || { cat "$TEST_TMP/explained"; fail "the catalogue does not explain it"; }
}

warns()
{
	! entry true -p warning MESSAGE_ID=b63c7512d5a043b29604a037e9d2dae1 || { fail "the module is gone already"; return 1; }
	daemon_end b TERM
	modprobe -r shim6 && has '.PRIORITY == "4"' -p warning MESSAGE_ID=b63c7512d5a043b29604a037e9d2dae1
}

ends() { systemd_end; }

set_up "two hosts, one with systemd and the installed programs" installed
run_test "systemd: shim6d starts as its user" starts
run_test "journal: messages have their values as fields" fields
run_test "journal: SHIM6_TRIGGER=black-hole finds the switches that nothing else explains" black_hole
run_test "journal: a switch whose cause is known is no black hole" told
run_test "journal: the message catalogue explains a switch" explains
run_test "journal: a warning is a warning" warns
run_test "systemd: the host is shut down" ends
tap_end
