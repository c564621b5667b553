# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# shim6d's addresses beside those of a program that handles router advertisements itself, in
# place of the kernel: the cases that the tests with such programs share. A test sources this
# after addresses.sh.
#
# The test names the program by MANAGER, and has functions for the program on host a:
# manager_begin, doctor_advises, manager_restart (which returns once the program is ready), manager_log and
# manager_end.

# two_providers: two providers, and the program has set up both links.
two_providers()
{
	local p

	topo_links && in_ns a sysctl -qw net.ipv6.conf.up1.accept_ra=0 net.ipv6.conf.up2.accept_ra=0 || return
	for p in $TOPO_PROVIDERS; do
		radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	manager_begin || return
	busywait 30 has_addr a up1 && busywait 30 has_addr a up2 && busywait 30 their_defaults ||
		{ manager_log; theirs; fail "$MANAGER has not set up both links"; }
}

# The default routes of both routers, which may be one route with two gateways.
their_defaults()
{
	[ "$(ip -n "${ns}a" -6 route show default | grep -o 'dev up[12]' | sort -u | wc -l)" = 2 ]
}

# theirs: the addresses and routes of the program, without lifetimes.
theirs()
{
	ip -n "${ns}a" -6 -o addr show scope global | awk '{ print $2, $4 }' | grep -v -F -e "${M1:-x}/" -e "${M2:-x}/" -e "$STRANGER/" | sort
	ip -n "${ns}a" -6 route show proto ra | sed 's/ expires [0-9]*sec//' | sort
}

is_theirs() { expect_eq "what is $MANAGER's" "$(theirs)" "$THEIRS"; }

# wrong_way: the advice of doctor on the first address whose packets leave by the other provider, and
# WRONG, the uplink that they should take. Arguments are the words that run shim6tool.
wrong_way()
{
	local all

	all=$("$@" -j doctor) || [ $? = 2 ] || return
	WRONG=$(jq -r 'first(.[] | select(.check == "routes" and .result == "warn") | .text) | capture("its own (?<up>[a-z0-9]*)").up' <<<"$all")
	ADVICE=$(jq -r 'first(.[] | select(.check == "routes" and .result == "warn")).advice' <<<"$all")
	[ -n "$WRONG" ] || { echo "$all"; fail "doctor finds no address that leaves by the other provider"; }
}

# right_way: nothing leaves by the other provider where WRONG is its own.
right_way() { ! "$@" doctor | tee "$TEST_TMP/doctor" | grep "its own $WRONG"; }

makes()
{
	THEIRS=$(theirs)
	echo | daemon_conf a && daemon_start a && both_made && is_theirs
}

# routed: packets leave by the router of their source, and rules and routes stay.
routed() { source_routing && OURS=$(ours | sort); }

# goes_on: after many announcements nothing has changed.
goes_on()
{
	sleep 40
	[ "$(valid "$(topo_addr a up1)")" -ge 3580 ] && [ "$(valid "$M1")" -ge 3580 ] ||
		{ ip -n "${ns}a" -6 addr; fail "lifetimes are not renewed"; return 1; }
	is_theirs && expect_eq "what shim6d has made" "$(made up1) $(made up2)" "$M1 $M2" &&
	expect_eq "rules and routes" "$(ours | sort)" "$OURS"
}

# after COMMAND...: soon all is as before the command, whatever the command has removed.
after()
{
	"$@" || { manager_log; return 1; }
	busywait 30 as_before ||
		{ ip -n "${ns}a" -6 addr; ours; theirs; cat "$(daemon_dir a)/log"; manager_log; fail "it is not as before"; return 1; }
	source_routing
}

# Of several rules with the same priority, the one that was added last comes last.
as_before() { [ "$(made up1) $(made up2)" = "$M1 $M2" ] && [ "$(ours | sort)" = "$OURS" ] && [ "$(theirs)" = "$THEIRS" ]; }

# learnt_meanwhile: a link is away, and the rules and routes that shim6d made for it are gone.
# Meanwhile the kernel learns of paths of the other link.
learnt_meanwhile()
{
	local to

	to=$(topo_addr b up1)
	link_cut a up2 && busywait 60 no_rule up2 || { ours; fail "nothing is gone with the link"; return 1; }
	learn_mtu "$to" || return
	router_up 2 && busywait 60 as_before ||
		{ ip -n "${ns}a" -6 addr; ours; theirs; manager_log; fail "it is not as before"; return 1; }
	kept_below "$to" "mtu 1400" && unmoved "$to" && stranger_end
}

no_rule() { ! ip -n "${ns}a" -6 rule | grep -q "from $(topo_prefix "$(topo_provider a "$1")")::/64 .*proto 140"; }

shim6d_ends()
{
	daemon_end a TERM
	shim6d_flush && ! is_made up1 && ! is_made up2 && expect_eq "what is left" "$(ours)" "" && is_theirs
}

# beside_begin: the cases up to the restart of the program.
beside_begin()
{
	modprobe shim6 || exit
	run_test "two providers, and $MANAGER" two_providers
	[ "$tap_failed" = 0 ] || tap_end
	run_test "doctor's advice on a route by source is $MANAGER's, and right" doctor_advises
	run_test "shim6d makes addresses beside $MANAGER's" makes
	run_test "packets leave by the router of their source" routed
	run_test "announcements go on, and nobody takes anything away" goes_on
	run_test "$MANAGER is restarted" after manager_restart
	run_test "a link that was away: what was learnt meanwhile steers no packet" learnt_meanwhile
}

beside_end()
{
	run_test "shim6d ends, and what it has made" shim6d_ends
	manager_end
	tap_end
}
