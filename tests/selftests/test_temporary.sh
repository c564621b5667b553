#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Temporary addresses that are protected too (source = "temporary"): three days of a host whose
# programs do not choose an address. Lifetimes are the defaults. Host b has an empty shim6d.conf.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/addresses.sh"
. "$here/routers.sh"
need ip radvd nft tc modprobe shim6tool shim6d python3 jq

FAR=2001:db8:f:1::1
HOUR=3600

# Days are long, and so routers announce themselves as seldom as usual.
radvd_conf()
{
	cat <<-EOF
		interface host {
			AdvSendAdvert on; MinRtrAdvInterval 600; MaxRtrAdvInterval 900; AdvDefaultLifetime 9000;
			prefix $2::/64 { AdvOnLink on; AdvAutonomous on; AdvPreferredLifetime 10800; AdvValidLifetime 14400; };
		};
	EOF
}

# source_by UPLINK: the address at which a connection by that link begins. Nothing is sent.
source_by() { in_ns a /usr/bin/python3 "$here/source_of.py" "$FAR" --device "$1"; }

tool() { shim6tool -n "${ns}a" -socket "$(daemon_dir a)/socket" "$@"; }

# made_here UPLINK: the temporary address that shim6d has made for new connections there.
made_here()
{
	local up=$1

	ask_for a /locators '.[] | select(.temporary and .hba and .interface == $up and .why == "temporary, for new sessions") | .address' --arg up "$up"
}

two_stable()
{
	M1=$(stable up1) M2=$(stable up2)
	[ "$(wc -w <<<"$M1 $M2")" = 2 ]
}
stable() { ask_for a /locators '.[] | select(.hba and .available and (.temporary | not) and .interface == $up) | .address' --arg up "$1"; }

# lifetime ADDRESS preferred|valid: seconds, 0 if it has ended.
lifetime() { ip -n "${ns}a" -j -6 addr show to "$1" | jq -re ".[].addr_info[]? | select(.local) | .$2_life_time"; }

look_here()
{
	look
	ip -n "${ns}a" -6 addr
	ip -n "${ns}a" addrlabel
	tool locator
}

# two_more OLD1 OLD2: there are two usable temporary addresses other than these, in T1 and T2.
two_more()
{
	T1=$(made_here up1) T2=$(made_here up2)
	[ "$(wc -w <<<"$T1 $T2")" = 2 ] && [ "$T1" != "$1" ] && [ "$T2" != "$2" ]
}

begins() { [ "$(source_by up1) $(source_by up2)" = "$1 $2" ]; }

at_temporary()
{
	daemon_conf a <<-EOF || return
		[addresses]
		source = "temporary"
	EOF
	daemon_conf b </dev/null && daemon_start a && daemon_start b || return
	for up in up1 up2; do
		busywait 90 is_made_at b $up || { look; fail "b: no address on $up"; return 1; }
	done
	busywait 60 two_more - - || { look_here; fail "no temporary addresses"; return 1; }
	FIRST1=$T1 FIRST2=$T2
	busywait 20 begins "$T1" "$T2" || { look_here; fail "connections begin at $(source_by up1) and $(source_by up2), wanted $T1 and $T2"; return 1; }
	busywait 20 two_stable || { look_here; fail "the stable addresses are $M1 and $M2"; return 1; }
	U_b=$(made_addr b up1) U_b2=$(made_addr b up2)
	for up in up1 up2; do
		echo "$up: $(in_ns a sysctl net.ipv6.conf.$up.temp_prefered_lft net.ipv6.conf.$up.temp_valid_lft | tr '\n' ' ')"
	done
	life=$(lifetime "$T1" preferred)
	# A day less up to 0.4 of it.
	echo "preferred for $life s, which the prefix limits" && [ "$life" -le 10800 ] && [ "$life" -gt 10000 ]
}

# told_of ULID PEER: the addresses besides the ULID that b knows of a context of a.
told_of() { shim6tool -n "${ns}b" -j context show "$2" "$1" | jq -r '.[]."locators-peer"[]'; }

# began FROM TO: a conversation that does not choose its address begins there, and has a context.
began()
{
	U_a=$1 U_b=$2 CALL_FROM=:: talk_begin a 100 "$3" && U_a=$1 U_b=$2 busywait 300 context_there || { look_here; fail "no context from $1 to $2"; return 1; }
}

not_linked()
{
	local other list

	FROM=$(in_ns a /usr/bin/python3 "$here/source_of.py" "$U_b") || return
	case $FROM in
	"$T1") other=$T2 ;;
	"$T2") other=$T1 ;;
	*) fail "it begins at $FROM"; return 1 ;;
	esac
	began "$FROM" "$U_b" slow || return
	FIRST_CLIENT=$talk_client FIRST_SERVER=$talk_server
	expect_eq "told in a session from $FROM" "$(told_of "$FROM" "$U_b")" "$other" || return
	# From a stable address, stable ones.
	U_a=$M1 U_b=$U_b2 CALL_FROM=$M1 talk_begin a 100 tcp && U_a=$M1 U_b=$U_b2 busywait 60 context_there || { look_here; fail "no context from $M1"; return 1; }
	talk_end
	list=$(told_of "$M1" "$U_b2")
	case $list in *"$T1"* | *"$T2"*) echo "$list"; fail "told in a session from $M1 is a temporary address"; return 1 ;; esac
	case $list in *"$M2"*) ;; *) echo "$list"; fail "not told in a session from $M1 is $M2"; return 1 ;; esac
	says "shim6tool" "protected by" tool context show "$FROM" "$U_b"
}

# first_lives WHEN LIMIT
first_lives() { talk_client=$FIRST_CLIENT silent_below "$1" "$2"; }

rotated()
{
	local had

	pause $((25 * HOUR))
	busywait 60 two_more "$FIRST1" "$FIRST2" || { look_here; fail "the addresses are those of yesterday"; return 1; }
	busywait 20 begins "$T1" "$T2" || { look_here; fail "connections begin at $(source_by up1) and $(source_by up2), wanted $T1 and $T2"; return 1; }
	SECOND1=$T1 SECOND2=$T2
	first_lives "the session of yesterday" 61000 || return
	for had in "$FIRST1" "$FIRST2"; do
		expect_eq "$had is preferred" "$(lifetime "$had" preferred)" 0 || { look_here; return 1; }
		[ "$(lifetime "$had" valid)" -gt 0 ] || { look_here; fail "$had is gone"; return 1; }
	done
	[ "$(stable up1)" = "$M1" ] || { look_here; fail "the stable address has changed"; return 1; }
	began "$(in_ns a /usr/bin/python3 "$here/source_of.py" "$U_b2")" "$U_b2" slow || return
	SECOND_CLIENT=$talk_client SECOND_SERVER=$talk_server
	says "the session of yesterday" "$FROM" tool context show "$FROM" "$U_b"
}

# says WHO WHAT COMMAND...
says()
{
	local who=$1 what=$2 out

	shift 2
	out=$("$@" 2>&1)
	case $out in *"$what"*) ;; *) echo "$out"; fail "$who does not say: $what"; return 1 ;; esac
}

# The provider of yesterday's session fails: the session goes on by the other one, at an address of
# its own day.
old_one_moves()
{
	local p other

	case $FROM in "$FIRST1") p=1 other=$FIRST2 ;; *) p=2 other=$FIRST1 ;; esac
	first_lives "until now" 62000 && blackhole $p both && pause 240 && first_lives "its provider fails" 100000 || { look_here; return 1; }
	expect_eq "our locator" "$(U_a=$FROM of_context a locator-local)" "$other"
	set -- $?
	blackhole_clear
	return "$1"
}

first_is_gone() { ! ip -n "${ns}a" -6 addr | grep -qwF -e "$FIRST1" -e "$FIRST2"; }

restarted()
{
	local before after

	before=$(ip -n "${ns}a" -j -6 addr | jq -r '.[].addr_info[].local' | sort)
	daemon_restart a && pause 30 || return
	after=$(ip -n "${ns}a" -j -6 addr | jq -r '.[].addr_info[].local' | sort)
	expect_eq "addresses" "$after" "$before" && expect_eq "new connections" "$(source_by up1) $(source_by up2)" "$SECOND1 $SECOND2" &&
		first_lives "after a restart" 62000 || { look_here; return 1; }
}

# After its valid lifetime, an address stays as long as a session needs it.
third_day()
{
	pause $((25 * HOUR))
	busywait 60 two_more "$SECOND1" "$SECOND2" || { look_here; fail "the addresses are those of yesterday"; return 1; }
	first_lives "the session of the first day" 62000 && talk_client=$SECOND_CLIENT silent_below "the session of the second day" 61000 || { look_here; return 1; }
	kill -KILL "$FIRST_CLIENT" "$FIRST_SERVER"
	busywait $((3 * HOUR)) first_is_gone || { look_here; fail "the addresses of the first day are still there"; return 1; }
	talk_client=$SECOND_CLIENT silent_below "the session of the second day" 61000
}

switched_off()
{
	sed -i 's/"temporary"/"protected"/' "$(daemon_dir a)/shim6d.conf"
	daemon_signal a HUP && busywait 20 begins "$M1" "$M2" || { look_here; fail "connections begin at $(source_by up1) and $(source_by up2), wanted $M1 and $M2"; return 1; }
	talk_client=$SECOND_CLIENT silent_below "the session of the second day" 61000 || return
	expect_eq "temporary addresses for new sessions" "$(made_here up1)$(made_here up2)" ""
	kill -KILL "$SECOND_CLIENT" "$SECOND_SERVER"
	return 0
}

modprobe shim6 || exit
set_up "the standard topology" routers_up 5ms
run_test "connections begin at temporary addresses that shim6d has made" at_temporary
run_test "peers are told addresses of one day only, or the stable ones" not_linked
run_test "a day later there are others, and the session of yesterday lives" rotated
run_test "a session of yesterday goes to the other provider" old_one_moves
run_test "a restart changes nothing" restarted
run_test "on the third day, what no session needs goes" third_day
run_test "switched off, sessions keep their addresses" switched_off
hosts_down
tap_end
