#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module loads and unloads at any time, and loads itself when asked for.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip modprobe shim6tool

# How often to repeat what may fail by chance. Emulated processors are slow.
rounds=20
[ "${SHIM6_TIME:-real}" = virtual ] || rounds=6

loaded() { grep -q '^shim6 ' /proc/modules; }

again_and_again()
{
	local i

	for i in $(seq $rounds); do
		modprobe shim6 || { fail "load $i"; return 1; }
		loaded || { fail "load $i did nothing"; return 1; }
		modprobe -r shim6 || { fail "unload $i"; return 1; }
		! loaded || { fail "unload $i did nothing"; return 1; }
	done
}

# By the alias of its family: nobody has to load it by hand.
loads_itself()
{
	! loaded || modprobe -r shim6 || return
	shim6tool config show || return
	loaded || fail "the family answered, but there is no module"
}

# With the module held back the tool must say what to do.
says_what_to_do()
{
	local out status

	modprobe -r shim6 || return
	echo "install shim6 /bin/false" >/etc/modprobe.d/s6-test.conf
	out=$(shim6tool config show 2>&1)
	status=$?
	rm /etc/modprobe.d/s6-test.conf
	expect_eq "the status" $status 2 || return
	echo "$out" | grep -q "modprobe shim6" || fail "it says: $out"
}

# Namespaces are made and destroyed while the module comes and goes.
under_namespaces()
{
	local i churn

	for i in $(seq $((2 * rounds))); do
		ip netns add "$(ns "churn$i")"
		ip netns delete "$(ns "churn$i")"
	done &
	churn=$!
	for i in $(seq $((rounds / 2))); do
		modprobe shim6 && modprobe -r shim6 || { fail "round $i"; return 1; }
	done
	wait $churn
}

# While others ask, unloading is either refused or safe, and they get an answer
# or a plain error, never a hang.
under_requests()
{
	local i asking asked

	modprobe shim6
	ns_add asker
	(
		for i in $(seq $rounds); do
			shim6tool -n "$(ns asker)" config show
			shim6tool config set max-flows $((i + 1))
		done
	) >"$TEST_TMP/asked" 2>&1 &
	asking=$!
	for i in $(seq $rounds); do
		modprobe -r shim6
		modprobe shim6
		# Long enough to be asked, at times that fall in with nobody's.
		sleep "0.0$((RANDOM % 5))"
	done 2>/dev/null
	wait $asking
	asked=$(grep -c '^max-flows' "$TEST_TMP/asked")
	[ "$asked" -gt 0 ] || { fail "nobody was answered"; cat "$TEST_TMP/asked"; return 1; }
	! grep -qiE 'panic|goroutine' "$TEST_TMP/asked" || { cat "$TEST_TMP/asked"; return 1; }
	modprobe shim6
}

# A namespace that dies while it is asked takes the state with it, once.
namespace_dies()
{
	local i asking

	modprobe shim6
	for i in $(seq $rounds); do
		ns_add "dying$i" || return
		for _ in 1 2 3; do
			shim6tool -n "$(ns "dying$i")" config show
		done >/dev/null 2>&1 &
		asking=$!
		ip netns delete "$(ns "dying$i")"
		wait $asking
	done
	return 0
}

run_test "loads and unloads again and again" again_and_again
run_test "loads itself when its family is asked for" loads_itself
run_test "without it the tool says what to do" says_what_to_do
run_test "comes and goes while namespaces do" under_namespaces
run_test "comes and goes while it is asked" under_requests
run_test "namespaces die while they are asked" namespace_dies
run_test "unloads at last" modprobe -r shim6
tap_end
