#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Contexts and policies as a user sees them: refusals and their reasons, limits, lists,
# notifications, rights to read, and the separate state of namespaces.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip modprobe shim6tool python3 setpriv

ctx() { shim6tool -n "${ns}a" context "$@"; }
pol() { shim6tool -n "${ns}a" policy "$@"; }

# refused SENTENCE WORDS...: shim6tool fails with status 2 and the kernel's sentence, and
# nothing changes.
refused()
{
	local want=$1 before out status

	shift
	before=$(ctx show; pol show)
	out=$(shim6tool -n "${ns}a" "$@" 2>&1)
	status=$?
	[ $status = 2 ] || { fail "$*: status $status: $out"; return 1; }
	case $out in *"$want"*) ;; *) fail "$*: it says: $out"; return 1 ;; esac
	[ "$(ctx show; pol show)" = "$before" ] || fail "$*: something has changed"
}

# field KEY: a value of the only context.
field() { kernel_contexts a ".[].\"$1\" // empty"; }

life()
{
	expect_eq "no context" "$(shim6tool -n "${ns}a" -j context)" "[]" || return
	ctx add $A1 $B1 tag-local 5 || return
	expect_eq state "$(field state)" i1-sent &&
	expect_eq header "$(field header)" 0 &&
	expect_eq encapsulation "$(field encapsulation)" native &&
	expect_eq locator-peer "$(field locator-peer)" $B1 &&
	expect_eq send-timeout "$(field send-timeout)" 15000 || return
	ctx set $A1 $B1 tag-peer 6 state established locators-local $A2 locators-peer $B2,$B1 send-timeout 20s || return
	expect_eq locators-peer "$(field locators-peer)" "[\"$B2\"]" &&
	expect_eq tag-peer "$(field tag-peer)" 6 || return
	ctx set $A1 $B1 locator-peer $B2 || return
	expect_eq locator-local "$(field locator-local)" $A1 &&
	expect_eq locator-peer "$(field locator-peer)" $B2 &&
	expect_eq switches "$(field switches)" 1 &&
	expect_eq header "$(field header)" 1 &&
	expect_eq mtu "$(field mtu)" 1492 || return
	# The header stays on the ULIDs until it is removed, which is not a switch.
	ctx set $A1 $B1 locator-peer $B1 || return
	expect_eq "switches, header and MTU back on the ULIDs" "$(field switches) $(field header) $(field mtu)" "2 1 1492" || return
	ctx set $A1 $B1 header 0 || return
	expect_eq "switches, header and MTU without header" "$(field switches) $(field header) $(field mtu)" "2 0 " || return
	ctx set $A1 $B1 header 1 && expect_eq "MTU with header" "$(field mtu)" 1492 || return
	ctx set $A1 $B1 locator-peer $B2 || return
	# Setting the same pair again is not a switch; a list is replaced as a whole.
	ctx set $A1 $B1 locator-peer $B2 locators-peer none encapsulation native || return
	# To name the encapsulation alone is no switch either.
	ctx set $A1 $B1 encapsulation native || return
	expect_eq switches "$(field switches)" 3 &&
	expect_eq encapsulation "$(field encapsulation)" native &&
	expect_eq locators-peer "$(field locators-peer)" "" || return
	# A forked context stands beside it.
	ctx add $A1 $B1 fii 7 tag-local 9 || return
	expect_eq "contexts" "$(ctx show | grep -c ^2001)" 2 &&
	expect_eq "the forked one" "$(ctx show $A1 $B1 fii 7 | head -1)" "$A1 $B1 fii 7" || return
	ctx del $A1 $B1 && ctx show $A1 $B1 fii 7 >/dev/null || return
	refused "there is no such context" context del $A1 $B1 &&
	ctx flush && expect_eq "no context" "$(shim6tool -n "${ns}a" -j context)" "[]"
}

says_why()
{
	ctx add $A1 $B1 tag-local 5 && ctx add $A1 $B2 tag-local 6 tag-peer 60 state established || return
	refused "there is a context with this ULID pair and FII" context add $A1 $B1 tag-local 7 &&
	refused "there is a context with this tag-local" context add $A2 $B1 tag-local 5 &&
	refused "two different unicast addresses" context add $A1 $A1 tag-local 7 &&
	refused "two different unicast addresses" context add $A1 ff02::1 tag-local 7 &&
	refused "two different unicast addresses" context add fe80::1 $B1 tag-local 7 &&
	refused "two different unicast addresses" context add ::1 $B1 tag-local 7 &&
	refused "two different unicast addresses" context add :: $B1 tag-local 7 &&
	refused "the peer's ULID is an address of this host" context add $A1 $A2 tag-local 7 &&
	refused "locator of the peer is an address of this host" context set $A1 $B1 locator-peer $A2 &&
	refused "locator of the peer is an address of this host" context set $A1 $B1 locators-peer $B2,$A2 &&
	refused "locator of the peer is an address of this host" context add $A1 2001:db8:9::1 tag-local 7 \
		tag-peer 70 state established locators-peer $B2,$A1 &&
	refused "a locator is a unicast address" context set $A1 $B1 locators-peer ff02::1 &&
	refused "a locator is a unicast address" context set $A1 $B1 locator-peer ::1 &&
	refused "in the list already" context set $A1 $B1 locators-peer $B2,$B2 &&
	refused "has a tag-peer" context set $A1 $B1 state established &&
	refused "can't be re-homed" context set $A1 $B1 locator-peer $B2 &&
	refused "send-timeout" context set $A1 $B1 send-timeout 9s &&
	refused "context confusion" context set $A1 $B1 tag-peer 60 state established locators-peer $B2 &&
	refused "there is no such context" context set $A1 $B1 fii 3 state i2-sent &&
	refused "more locators than 32" context set $A1 $B1 locators-peer \
		"$(seq -s, -f '2001:db8:9::%g' 33)" || return
	ctx set $A1 $B1 locators-peer "$(seq -s, -f '2001:db8:9::%g' 32)" &&
	# Without a common locator the same tag is another peer's.
	ctx set $A1 $B1 tag-peer 60 state established && ctx flush
}

# Peers choose these tags. Each look-up for an ICMPv6 error walks over all contexts with the
# same tag.
peer_tags()
{
	local i

	for i in $(seq 64); do
		ctx add $A1 2001:db8:9::$i tag-local $i tag-peer 60 state i2bis-sent || return
	done
	refused "too many contexts with this tag-peer" context add $A1 $B1 tag-local 77 tag-peer 60 state i2bis-sent &&
	ctx add $A1 $B1 tag-local 77 tag-peer 61 state i2bis-sent &&
	refused "too many contexts with this tag-peer" context set $A1 $B1 tag-peer 60 &&
	# Those that have the tag already can still change.
	ctx set $A1 2001:db8:9::5 tag-peer 60 state established &&
	ctx del $A1 2001:db8:9::6 && ctx set $A1 $B1 tag-peer 60 && ctx flush
}

limits()
{
	local i

	shim6tool -n "${ns}a" config set max-contexts 3 || return
	for i in 1 2 3; do
		ctx add $A1 "2001:db8:7::$i" tag-local $i || return
	done
	refused "max-contexts" context add $A1 $B1 tag-local 5 || return
	# Each namespace has its own.
	shim6tool -n "${ns}b" context add $B1 $A1 tag-local 5 &&
	shim6tool -n "${ns}b" context flush || return
	ctx del $A1 2001:db8:7::2 && ctx add $A1 $B1 tag-local 5 && ctx flush &&
	shim6tool -n "${ns}a" config set max-contexts 131072
}

as_nobody() { in_ns a setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all shim6tool "$@"; }

tags_are_secret()
{
	local out

	ctx add $A1 $B1 tag-local 5 tag-peer 6 || return
	out=$(as_nobody -j context) || return
	case $out in *"$A1"*) ;; *) fail "nobody sees $out"; return 1 ;; esac
	case $out in *tag-*) fail "nobody sees the tags: $out"; return 1 ;; esac
	out=$(as_nobody context flush 2>&1) && { fail "nobody may flush"; return 1; }
	case $out in *CAP_NET_ADMIN*) ;; *) fail "it says $out"; return 1 ;; esac
	ctx flush
}

policies()
{
	expect_eq "rules at first" "$(pol show | wc -l)" 7 || return
	pol add peer 2001:db8::/32 protocol tcp port-peer 22 action shim trigger-packets 3 trigger-time 1s &&
	pol add preference 5 mark 0x10/0xff mptcp action bypass || return
	expect_eq "rules" "$(pol show | head -2)" "preference 5 mark 0x10/0xff mptcp action bypass
preference 32699 peer 2001:db8::/32 protocol tcp port-peer 22 action shim trigger-packets 3 trigger-time 1s" || return
	refused "there is a rule with this preference" policy add preference 5 action shim &&
	refused "there is no rule with this preference" policy del preference 6 &&
	refused "bits beyond its length" policy add peer 2001:db8::1/64 action shim &&
	refused "bits beyond its mask" policy add mark 3/2 action shim &&
	refused "only the action shim has thresholds" policy add trigger-packets 3 action ignore || return
	pol del preference 5 && pol add preference 0 action shim &&
	refused "name one" policy add action shim || return
	# The output can be used to add the rules.
	pol show >"$TEST_TMP/rules" && pol flush && expect_eq rules "$(pol show)" "" || return
	while read -r line; do
		# shellcheck disable=SC2086
		pol add $line || return
	done <"$TEST_TMP/rules"
	expect_eq "rules again" "$(pol show)" "$(cat "$TEST_TMP/rules")" &&
	expect_eq "rules of another namespace" "$(shim6tool -n "${ns}b" policy show | wc -l)" 7
}

# pairs WORDS...: the peers of the contexts that are shown.
pairs() { ctx show "$@" | awk '/^2001/ { print $2 }' | xargs; }

# The kernel itself filters a dump.
filters()
{
	local i

	for i in 1 2 3; do
		ctx add $A1 2001:db8:7::$i tag-local $i tag-peer 6$i state established || return
	done
	ctx add $A2 2001:db8:7::2 tag-local 9 && ctx add $A2 2001:db8:7::3 tag-local 8 tag-peer 5 state i2-sent || return
	ctx set $A1 2001:db8:7::3 reap-state exploring || return
	expect_eq all "$(pairs | wc -w)" 5 &&
	expect_eq "of a peer" "$(pairs ulid-peer 2001:db8:7::2)" "2001:db8:7::2 2001:db8:7::2" &&
	expect_eq "of an address" "$(pairs ulid-local $A2)" "2001:db8:7::2 2001:db8:7::3" &&
	expect_eq "by state" "$(pairs state i2-sent)" 2001:db8:7::3 &&
	expect_eq "by REAP's state" "$(pairs reap-state exploring)" 2001:db8:7::3 &&
	expect_eq "by all" "$(pairs reap-state operational state established ulid-local $A1 ulid-peer 2001:db8:7::2)" 2001:db8:7::2 &&
	expect_eq "by what none has" "$(pairs ulid-peer $B1)" "" &&
	expect_eq "as JSON" "$(shim6tool -n "${ns}a" -j context show ulid-peer $B1)" "[]" || return
	ctx flush
}

# counted: all counters that are not 0.
counted() { shim6tool -n "${ns}$1" stats | awk '$2 { print $1 }' | xargs; }

# A new namespace that gets the memory of a deleted one starts with counters of 0.
counters()
{
	local i before

	before=$(stat_of b ctl-out-error)
	ctx add $A1 $B1 tag-local 5 tag-peer 6 state established && ctx set $A1 $B1 locator-peer $B2 || return
	in_ns a ping -6 -q -n -c 1 -W 1 -I $A1 $B1
	[ "$(stat_of a out-rehomed)" -gt 0 ] && [ "$(stat_of a switches)" -gt 0 ] || { counted a; return 1; }
	expect_eq "b's" "$(stat_of b out-rehomed) $(stat_of b switches) $(stat_of b ctl-out-error)" "0 0 $before" || return
	[ ! -e /proc/net/shim6_stat ] || { fail "there is a file"; return 1; }
	for i in 1 2 3; do
		ns_add c && shim6tool -n "${ns}c" context add $A1 $B1 tag-local 5 && ip netns del "${ns}c" || return
	done
	ns_add c && expect_eq "c's" "$(counted c)" "" && ip netns del "${ns}c" && ctx flush
}

# traced REGEX...: each of them matches a line of the trace.
traced()
{
	local re

	for re; do
		grep -qE -- "$re" "$TEST_TMP/trace" || { cat "$TEST_TMP/trace"; fail "the trace has no $re"; return 1; }
	done
}

# Changes of contexts and drops of packets are traced, without tags.
traces()
{
	local t=/sys/kernel/tracing

	[ -d $t/events/shim6 ] || mount -t tracefs tracefs $t || return
	echo >$t/trace && echo 1 >$t/events/shim6/enable || return
	ctx add $A1 $B1 tag-local 123454321 tag-peer 987656789 state established &&
	ctx set $A1 $B1 locator-peer 2001:db9::1 || return
	in_ns a ping -6 -q -n -c 1 -W 1 -I $A1 $B1
	ctx del $A1 $B1
	echo 0 >$t/events/shim6/enable
	cp $t/trace "$TEST_TMP/trace"
	traced "shim6_context: netns=[0-9]+ new $A1 $B1 fii=0 state=established reap-state=operational" \
		"shim6_context: netns=[0-9]+ set $A1 $B1" \
		"shim6_switch: netns=[0-9]+ $A1 $B1 fii=0 locator-local=$A1 locator-peer=2001:db9::1 switches=1" \
		"shim6_drop: netns=[0-9]+ reason=OutNoRoute $A1 > $B1 len=104" \
		"shim6_context: netns=[0-9]+ del $A1 $B1" || return
	! grep -E '123454321|987656789|75bcc31|3ade6a55' "$TEST_TMP/trace" || fail "a tag is in the trace"
}

modprobe shim6 || exit
ns_add a b
pair_link 1 && pair_link 2 || exit
run_test "a context is made, changed and deleted [5533-2.1-01]" life
run_test "refusals, with their reasons [5533-1.4-01]" says_why
run_test "only few contexts have the same tag of a peer" peer_tags
run_test "each namespace has its own limits" limits
run_test "tags are for privileged readers" tags_are_secret
run_test "policies" policies
run_test "a dump of the contexts with certain values" filters
run_test "each namespace has its own counters, by netlink" counters
run_test "changes and drops are traced" traces
tap_end
