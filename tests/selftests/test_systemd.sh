#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim6d as systemd runs it, with the real units and journald: what the journal can be asked for,
# and the commands that systemd calls for alarms.
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
	link_alive 1 && ip -n "${ns}a" addr del $A2/64 dev up2 && has true SHIM6_TRIGGER=local || return
	! entry '[.SHIM6_TRIGGER] | flatten | contains(["local", "black-hole"])' SHIM6_TRIGGER=local || fail "a local cause is a black hole"
}

explains()
{
	inside journalctl --no-pager -x -t shim6d SHIM6_TRIGGER=black-hole >"$TEST_TMP/explained" || return
	grep -q "Subject: Sessions go by other addresses" "$TEST_TMP/explained" || { cat "$TEST_TMP/explained"; fail "the catalogue does not explain it"; }
}

# hook ALARM SCRIPT: root's command for an alarm.
hook()
{
	printf '#!/bin/sh\n%s\n' "$2" >"/etc/shim6/hooks/on-$1" && chmod 755 "/etc/shim6/hooks/on-$1"
}

# hooked FILTER: jq's FILTER is true of one of the alarms that hooks have printed.
hooked() { inside journalctl --no-pager -t shim6-hook -o cat | grep '^{' | jq -es "any(.[]; $1)" >/dev/null; }
hears() { busywait 30 hooked "$1" || { inside journalctl --no-pager -t shim6-hook; a_log; fail "no hook has heard $1"; }; }

# second gone|back: both hosts lose their second address, or have it again. One of them is enough to
# protect the context.
second()
{
	local verb=del

	[ "$1" = gone ] || verb=add
	# shellcheck disable=SC2046
	ip -n "${ns}a" addr $verb $A2/64 dev up2 $([ $verb = del ] || echo nodad) &&
		ip -n "${ns}b" addr $verb $B2/64 dev up2 $([ $verb = del ] || echo nodad)
}

# hooks: without the second addresses the context is not protected, and with them it is. The hooks are
# not the daemon's: they have another user, and none of its rights.
hooks()
{
	local a

	for a in switch unprotected restored; do
		hook $a 'cat; echo "user $(id -un), $(grep CapBnd /proc/self/status)" >&2' || return
	done
	ip -n "${ns}b" addr del $B2/64 dev up2 &&
		has '.PRIORITY == "4" and (.SHIM6_PROTECTION | startswith("not protected: "))' MESSAGE_ID=ac3d2471cda2438d952e6444a5f61ae8 || return
	! hooked true || { fail "hooks are called that nobody has enabled"; return 1; }
	inside systemctl enable --now shim6-hook.socket || return
	second back && hears '.alarm == "restored" and .unprotected == 0 and .contexts[0]."ulid-peer" == "'$B1'"' &&
		has true MESSAGE_ID=b2efc978172a431e9f21ee8933de3c8c || return
	inside journalctl --no-pager -t shim6-hook -o cat | grep -x 'user shim6-hook, CapBnd:.0000000000000000' ||
		{ inside journalctl --no-pager -t shim6-hook; fail "the hook has another user, or rights"; return 1; }
	second gone && hears '.alarm == "unprotected" and .unprotected == 1' || return
	second back && busywait 30 is_protected || return
	inside shim6tool path use $A1 $B1 local $A2 peer $B2 &&
		hears '.alarm == "switch" and .switches[-1].trigger == "operator" and .switches[-1].to."locator-local" == "'$A2'"'
}

is_protected() { inside shim6tool context show $A1 $B1 | grep -q 'protected by'; }

# hooks_fail: the daemon waits for a hook that hangs until systemd ends it, here after some seconds, and
# tells then all that has happened meanwhile. One that fails says so, and leaves nothing.
hooks_fail()
{
	local units=/etc/systemd/system/shim6-hook@.service.d

	mkdir -p $units && printf '[Service]\nTimeoutStartSec=5s\n' >$units/short.conf && inside systemctl daemon-reload || return
	hook switch 'cat; [ -e /etc/shim6/go ] || exec sleep 1000' && inside shim6tool path use $A1 $B1 ulids &&
		hears '.alarm == "switch" and .switches[-1].to."locator-local" == "'$A1'"' || return
	inside shim6tool path use $A1 $B1 local $A2 peer $B2 && inside shim6tool path use $A1 $B1 ulids && : >/etc/shim6/go || return
	hears '.alarm == "switch" and (.switches | map(select(.direction == "outbound")) | length) >= 2' || return
	hook switch 'exit 3' && inside shim6tool path use $A1 $B1 local $A2 peer $B2 && busywait 30 says_why ||
		{ inside journalctl --no-pager -t shim6-hook; fail "the end of a hook is not told"; return 1; }
	expect_eq "units that have failed" "$(inside systemctl --failed --plain --no-legend 'shim6*')" ""
}

says_why() { inside journalctl --no-pager -t shim6-hook -o cat | grep -q '^shim6tool: /etc/shim6/hooks/on-switch: exit status 3$'; }

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
run_test "hooks: a command is called for each alarm, by systemd and without rights" hooks
run_test "hooks: one that hangs or fails holds up nobody" hooks_fail
run_test "journal: a warning is a warning" warns
run_test "systemd: the host is shut down" ends
tap_end
