#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Contexts and policies as a user has them: what is refused and why, limits,
# lists, notifications, who may read what, and what namespaces have of their
# own. The messages themselves are test_netlink.sh's.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip modprobe shim6tool python3 setpriv

ctx() { shim6tool -n "$(ns a)" context "$@"; }
pol() { shim6tool -n "$(ns a)" policy "$@"; }

# refused SENTENCE WORDS...: with status 2 and the kernel's sentence, and
# nothing has changed.
refused()
{
	local want=$1 before out status

	shift
	before=$(ctx show; pol show)
	out=$(shim6tool -n "$(ns a)" "$@" 2>&1)
	status=$?
	[ $status = 2 ] || { fail "$*: status $status: $out"; return 1; }
	case $out in *"$want"*) ;; *) fail "$*: it says: $out"; return 1 ;; esac
	[ "$(ctx show; pol show)" = "$before" ] || fail "$*: something has changed"
}

# field KEY: a value of the only context, from the JSON.
field() { shim6tool -n "$(ns a)" -j context show | sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p"; }

life()
{
	expect_eq "no context" "$(shim6tool -n "$(ns a)" -j context)" "[]" || return
	ctx add $A1 $B1 tag-local 5 || return
	expect_eq state "$(field state)" '"i1-sent"' &&
	expect_eq locator-peer "$(field locator-peer)" "\"$B1\"" &&
	expect_eq send-timeout "$(field send-timeout)" 15000 || return
	ctx set $A1 $B1 tag-peer 6 state established locators-local $A2 locators-peer $B2,$B1 send-timeout 20s || return
	expect_eq locators-peer "$(field locators-peer)" "[\"$B2\"]" &&
	expect_eq tag-peer "$(field tag-peer)" 6 || return
	ctx set $A1 $B1 locator-peer $B2 || return
	expect_eq locator-local "$(field locator-local)" "\"$A1\"" &&
	expect_eq locator-peer "$(field locator-peer)" "\"$B2\"" &&
	expect_eq switches "$(field switches)" 1 &&
	expect_eq mtu "$(field mtu)" 1492 || return
	# The same again is no switch; a list is replaced as a whole.
	ctx set $A1 $B1 locator-peer $B2 locators-peer none || return
	expect_eq switches "$(field switches)" 1 &&
	expect_eq locators-peer "$(field locators-peer)" "" || return
	# A forked context stands beside it.
	ctx add $A1 $B1 fii 7 tag-local 9 || return
	expect_eq "contexts" "$(ctx show | grep -c ^2001)" 2 &&
	expect_eq "the forked one" "$(ctx show $A1 $B1 fii 7 | head -1)" "$A1 $B1 fii 7" || return
	ctx del $A1 $B1 && ctx show $A1 $B1 fii 7 >/dev/null || return
	refused "there is no such context" context del $A1 $B1 &&
	ctx flush && expect_eq "no context" "$(shim6tool -n "$(ns a)" -j context)" "[]"
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

# Peers choose these tags; each of an error's look-ups walks over those that are the same.
peer_tags()
{
	local i

	for i in $(seq 64); do
		ctx add $A1 2001:db8:9::$i tag-local $i tag-peer 60 state i2bis-sent || return
	done
	refused "too many contexts with this tag-peer" context add $A1 $B1 tag-local 77 tag-peer 60 state i2bis-sent &&
	ctx add $A1 $B1 tag-local 77 tag-peer 61 state i2bis-sent &&
	refused "too many contexts with this tag-peer" context set $A1 $B1 tag-peer 60 &&
	# One of them may change as before.
	ctx set $A1 2001:db8:9::5 tag-peer 60 state established &&
	ctx del $A1 2001:db8:9::6 && ctx set $A1 $B1 tag-peer 60 && ctx flush
}

limits()
{
	local i

	shim6tool -n "$(ns a)" config set max-contexts 3 || return
	for i in 1 2 3; do
		ctx add $A1 "2001:db8:7::$i" tag-local $i || return
	done
	refused "max-contexts" context add $A1 $B1 tag-local 5 || return
	# Each namespace has its own.
	shim6tool -n "$(ns b)" context add $A1 $B1 tag-local 5 &&
	shim6tool -n "$(ns b)" context flush || return
	ctx del $A1 2001:db8:7::2 && ctx add $A1 $B1 tag-local 5 && ctx flush &&
	shim6tool -n "$(ns a)" config set max-contexts 131072
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
	# What is shown can be added.
	pol show >"$TEST_TMP/rules" && pol flush && expect_eq rules "$(pol show)" "" || return
	while read -r line; do
		# shellcheck disable=SC2086
		pol add $line || return
	done <"$TEST_TMP/rules"
	expect_eq "rules again" "$(pol show)" "$(cat "$TEST_TMP/rules")" &&
	expect_eq "rules of another namespace" "$(shim6tool -n "$(ns b)" policy show | wc -l)" 7
}

proc_file()
{
	local p s

	p=$(in_ns a awk '{ print NF, $2 }' /proc/net/shim6_stat | xargs)
	s=$(shim6tool -n "$(ns a)" stats | awk '{ print NF, $2 }' | xargs)
	expect_eq "/proc/net/shim6_stat" "$p" "$s"
}

# traced REGEX...: each of them is met by a line of the trace.
traced()
{
	local re

	for re; do
		grep -qE -- "$re" "$TEST_TMP/trace" || { cat "$TEST_TMP/trace"; fail "the trace has no $re"; return 1; }
	done
}

# What happens to contexts and packets is traced; tags are not.
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
run_test "made, changed, deleted [5533-2.1-01]" life
run_test "what is refused, and why [5533-1.4-01]" says_why
run_test "a tag of the peer is that of few contexts" peer_tags
run_test "limits are each namespace's own" limits
run_test "tags are for privileged readers" tags_are_secret
run_test "policies" policies
run_test "/proc/net/shim6_stat has the same counters" proc_file
run_test "changes and drops are traced" traces
tap_end
