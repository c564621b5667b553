#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The configuration: its defaults, its values in each namespace, who may change it, and
# which values are refused.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip modprobe shim6tool python3 jq setpriv unshare

defaults='[{"max-contexts":131072,"max-flows":4096,"trigger-packets":45,"trigger-time":10000,"send-timeout":15000,"idle-timeout":600000,"icmp-to-ulp":0,"udp-port":0,"watch-streams":1}]'

# get KEY [shim6tool option...]: one value.
get()
{
	local key=$1

	shift
	shim6tool -j "$@" config show | jq ".[].\"$key\""
}

has_defaults() { expect_eq "the configuration" "$(shim6tool -j "$@" config show)" "$defaults"; }

json_is_json()
{
	shim6tool -j -p config show | jq -e 'length == 1 and (.[0] | length == 9 and all(.[]; . == floor))'
}

text_reads_back()
{
	local text

	text=$(shim6tool -n "${ns}one" config show) || return
	expect_eq "lines" "$(echo "$text" | wc -l)" 9 || return
	# The output can be used to set the values.
	# shellcheck disable=SC2086
	shim6tool -n "${ns}one" config set $text || return
	has_defaults -n "${ns}one"
}

set_one_namespace()
{
	shim6tool -n "${ns}one" config set max-contexts 7 send-timeout 20s || return
	expect_eq max-contexts "$(get max-contexts -n "${ns}one")" 7 || return
	expect_eq send-timeout "$(get send-timeout -n "${ns}one")" 20000 || return
	expect_eq max-flows "$(get max-flows -n "${ns}one")" 4096 || return
	has_defaults -n "${ns}two" && has_defaults || return
	ns_add three && has_defaults -n "${ns}three"
}

# refused KEY VALUE: VALUE is out of range and refused, with the kernel's sentence. Nothing
# changes, not even by a good value in the same request.
refused()
{
	local before out status n

	n=${ns}two
	before=$(shim6tool -n "$n" config show)
	out=$(shim6tool -n "$n" config set "$1" "$2" trigger-packets 44 2>&1)
	status=$?
	expect_eq "$1 $2: the status" $status 2 || return
	echo "$out" | grep -q "^shim6tool: $1: .*range" || { fail "$1 $2: it says: $out"; return 1; }
	expect_eq "the configuration" "$(shim6tool -n "$n" config show)" "$before"
}

ranges()
{
	local n

	n=${ns}two
	refused max-contexts 0 && refused max-contexts 4194305 &&
	refused max-flows 0 && refused max-flows 1048577 &&
	refused trigger-time 3600001ms &&
	refused send-timeout 9999ms && refused send-timeout 100001ms &&
	refused idle-timeout 299999ms && refused idle-timeout 86400001ms &&
	refused icmp-to-ulp 2 && refused udp-port 65536 && refused watch-streams 2 || return
	# The bounds themselves are good.
	shim6tool -n "$n" config set max-contexts 4194304 max-flows 1 trigger-packets 0 \
		trigger-time 0s send-timeout 10s idle-timeout 24h &&
	shim6tool -n "$n" config set max-contexts 1 max-flows 1048576 trigger-packets 1000000 \
		trigger-time 1h send-timeout 100s idle-timeout 5m
}

unprivileged() { setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$@"; }

who_may_write()
{
	local out status

	modprobe shim6 || return
	unprivileged shim6tool config show || { fail "nobody may not read"; return 1; }
	out=$(unprivileged shim6tool config set max-flows 5 2>&1)
	status=$?
	expect_eq "the status of nobody's set" $status 2 || return
	echo "$out" | grep -q 'CAP_NET_ADMIN' || { fail "it says: $out"; return 1; }
	# Root of a container is nobody in the namespace of the host ...
	unshare -Ur shim6tool config set max-flows 5 && { fail "a container's root wrote to the host"; return 1; }
	has_defaults || return
	# ... and root in its own.
	unshare -Urn sh -c 'shim6tool config set max-flows 5 && shim6tool config show' | grep -qx 'max-flows  *5' ||
		fail "a container's root may not write to its own namespace"
}

# Listeners are told of each change, and of no refused one, with the kernel's own
# attributes.
notifies()
{
	local n log=$TEST_TMP/ntf pid

	n=${ns}one
	ip netns exec "$n" /usr/bin/python3 "$here/genl_listen.py" shim6 config >"$log" &
	pid=$!
	busywait 10 grep -q listening "$log" || { fail "the listener does not listen"; return 1; }
	shim6tool -n "${ns}two" config set max-flows 77
	shim6tool -n "$n" config set max-flows 0
	shim6tool -n "$n" config set max-flows 78 || return
	shim6tool -n "$n" config set max-flows 79 || return
	busywait 10 grep -q 'cmd 3 .*2=79' "$log"
	kill $pid
	cat "$log"
	expect_eq "what was told of max-flows" "$(sed -n 's/^cmd 3 .*2=\([0-9]*\).*/\1/p' "$log" | xargs)" "78 79"
}

usage_errors()
{
	local words status

	for words in "config set" "config set max-flows" "config set max-flows x" "config set send-timeout 15" "nothing"; do
		# shellcheck disable=SC2086
		shim6tool $words
		status=$?
		expect_eq "the status of '$words'" $status 1 || return
	done
	shim6tool -n no-such-namespace config show
	expect_eq "the status in no namespace" $? 2
}

# Writers in parallel do not mix their values: values that are always written together
# are always read together.
parallel_writers()
{
	local i n v

	n=${ns}one
	shim6tool -n "$n" config set max-contexts 9 max-flows 9 || return
	for i in 1 2 3; do
		for _ in 1 2 3 4 5; do
			shim6tool -n "$n" config set max-contexts "$i" max-flows "$i"
		done &
	done
	for i in 1 2 3 4 5; do
		v=$(shim6tool -n "$n" -j config show) || return
		jq -e '.[] | ."max-contexts" == ."max-flows"' <<<"$v" >/dev/null || { fail "torn: $v"; return 1; }
	done
	wait
}

modprobe shim6 && ns_add one two || exit $ksft_fail
run_test "defaults" has_defaults
run_test "JSON is JSON" json_is_json
run_test "what is shown can be set" text_reads_back
run_test "each namespace has its own" set_one_namespace
run_test "a request with a value out of range is refused as a whole" ranges
run_test "malformed requests are refused" /usr/bin/python3 "$here/genl_bad.py"
run_test "everybody may read, CAP_NET_ADMIN may write" who_may_write
run_test "changes are told to the group" notifies
run_test "wrong command lines" usage_errors
run_test "writers in parallel" parallel_writers
ns_del_all
run_test "the module goes" modprobe -r shim6
tap_end
