#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host with 100,000 contexts: the page and the checks that it makes stay small, and a session among
# all of them has a timeline.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc modprobe shim6tool shim6web python3 jq curl

TAP_STORY=1
many=100000
PEERS=2001:db8:77::
WEB=$TEST_TMP/web

# kib PID: the most memory that a process has taken.
kib() { awk '/^VmHWM:/ { print $2 }' "/proc/$1/status"; }

hosts()
{
	modprobe shim6 && pair_up && shim6tool -n "${ns}a" config set max-contexts $((many + 10)) &&
	in_ns a /usr/bin/python3 "$here/../bench/datapath/contexts.py" $A1 $PEERS 0 $many && context_up
}

# doctor, with its memory in a file when it has ended.
cat >"$TEST_TMP/tool" <<-EOF
	#!/usr/bin/python3
	import resource, subprocess, sys
	status = subprocess.call(["shim6tool", *sys.argv[1:]])
	open("$TEST_TMP/doctor", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
	sys.exit(status)
EOF
chmod +x "$TEST_TMP/tool"

page()
{
	ip netns exec "${ns}a" shim6web -listen "unix:$WEB" -socket "$TEST_TMP/nobody" -tool "$TEST_TMP/tool" 2>"$TEST_TMP/log" 9>&- &
	web=$!
	busywait 120 examined || { cat "$TEST_TMP/log"; get screen; fail "there are no checks"; return 1; }
	[ "$(get screen | jq --arg n "$((many + 1)) contexts" 'any(.doctor.findings[]; .check == "module" and (.text | contains($n)))')" = true ] ||
		{ get screen; fail "doctor has not seen all contexts"; return 1; }
	echo "doctor: $(<"$TEST_TMP/doctor") KiB, shim6web: $(kib $web) KiB"
	[ "$(<"$TEST_TMP/doctor")" -lt $((40 << 10)) ] || fail "doctor takes $(<"$TEST_TMP/doctor") KiB"
}
get() { curl -s --unix-socket "$WEB" "http://localhost/api/$1"; }
# jq is content with nothing at all.
examined() { [ "$(get screen | jq '.doctor.time != null and (.doctor.running | not)')" = true ]; }

# timeline: the octets of one of the sessions are in its timeline.
timeline()
{
	expect_eq "the timeline" "$(status_of "$A1,$B1,0")" 200 && pause 12 || return
	in_ns b /usr/bin/python3 "$here/octets.py" sink $B1 50 1000 >"$TEST_TMP/sink" 2>&1 &
	busywait 10 holds "$TEST_TMP/sink" ready &&
	in_ns a /usr/bin/python3 "$here/octets.py" source $A1 $B1 50 1000 1 || return
	busywait 30 drawn || { get "timeline?context=$A1,$B1,0" | jq -c .out; fail "the timeline has nothing"; return 1; }
	echo "shim6web: $(kib $web) KiB"
	[ "$(kib $web)" -lt $((30 << 10)) ] || fail "shim6web takes $(kib $web) KiB"
}
# A sample may be the mean of some seconds, of which each has it.
drawn() { [ "$(get "timeline?context=$A1,$B1,0" | jq '([.out[] | select(.)] | add) as $n | $n > 8 * 50 * 1048 * 0.95 and $n < 8 * 50 * 1048 * 1.1')" = true ]; }

# others: a context that nobody has used has one as well; one that is not there has none.
others()
{
	expect_eq "an idle one" "$(status_of "$A1,${PEERS}ffff,0")" 200 && expect_eq "none" "$(status_of "$A1,2001:db8:78::1,0")" 404
}
status_of() { curl -s -o /dev/null -w '%{http_code}' --unix-socket "$WEB" "http://localhost/api/timeline?context=$1"; }

set_up "two hosts, and 100,000 contexts" hosts
run_test "the checks of the page take 40 MiB at most" page
run_test "a session has a timeline, and the page takes 30 MiB at most" timeline
run_test "so has one that is asked for, if it is there" others
tap_end
