#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module loads and unloads at any time, and is loaded automatically when it is needed.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/daemon.sh"
need ip modprobe shim6tool shim6d python3
export PYTHONDONTWRITEBYTECODE=1

# How often to repeat cases that may fail by chance. Emulated processors are slow.
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

# The alias of its netlink family loads it: nobody has to do so by hand.
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

# The daemon starts without a module. It loads the module once that is possible, and notices
# when somebody else has loaded it.
daemon_waits()
{
	local d

	! loaded || modprobe -r shim6 || return
	ns_add a && echo | daemon_conf a || return
	d=$(daemon_dir a)
	echo "install shim6 /bin/false" >/etc/modprobe.d/s6-test.conf
	daemon_start a || { rm /etc/modprobe.d/s6-test.conf; return 1; }
	sleep 10
	ask_if a /status '.kernel | not' && grep -q 'shim6d waits for it' "$d/log" || { cat "$d/log"; fail "it does not wait"; }
	rm /etc/modprobe.d/s6-test.conf
	busywait 60 has_module || { cat "$d/log"; fail "it does not load the module"; return 1; }
	# The daemon does not load a module that somebody has unloaded.
	busywait 20 modprobe -r shim6 || return
	sleep 20
	! loaded || { fail "it is loaded again"; return 1; }
	modprobe shim6 && busywait 20 has_module || { cat "$d/log"; fail "it does not see the module"; return 1; }
	daemon_end a TERM
	ns_del_all
}

has_module() { ask_if a /status .kernel; }

# Namespaces are made and destroyed while the module comes and goes.
under_namespaces()
{
	local i churn

	for i in $(seq $((2 * rounds))); do
		ip netns add "${ns}churn$i"
		ip netns delete "${ns}churn$i"
	done &
	churn=$!
	for i in $(seq $((rounds / 2))); do
		modprobe shim6 && modprobe -r shim6 || { fail "round $i"; return 1; }
	done
	wait $churn
}

# While other programs send requests, unloading is either refused or safe. They get an
# answer or a plain error, and never hang.
under_requests()
{
	local i asking asked

	modprobe shim6
	ns_add asker
	(
		for i in $(seq $rounds); do
			shim6tool -n "${ns}asker" config show
			shim6tool config set max-flows $((i + 1))
		done
	) >"$TEST_TMP/asked" 2>&1 &
	asking=$!
	for i in $(seq $rounds); do
		modprobe -r shim6
		modprobe shim6
		# Long enough for some requests, with times that match no other rhythm.
		sleep "0.0$((RANDOM % 5))"
	done 2>/dev/null
	wait $asking
	asked=$(grep -c '^max-flows' "$TEST_TMP/asked")
	[ "$asked" -gt 0 ] || { fail "nobody was answered"; cat "$TEST_TMP/asked"; return 1; }
	! grep -qiE 'panic|goroutine' "$TEST_TMP/asked" || { cat "$TEST_TMP/asked"; return 1; }
	modprobe shim6
}

# A namespace that dies during a request frees its state, once.
namespace_dies()
{
	local i asking

	modprobe shim6
	for i in $(seq $rounds); do
		ns_add "dying$i" || return
		for _ in 1 2 3; do
			shim6tool -n "${ns}dying$i" config show
			shim6tool -n "${ns}dying$i" config set max-flows $i
		done >/dev/null 2>&1 &
		asking=$!
		ip netns delete "${ns}dying$i"
		wait $asking
	done
	return 0
}

# A host has a thousand containers, and one of them uses the module. The limit is in octets,
# with all rounding of slabs. It took 5800 when each namespace had all state from the start.
idle_namespaces()
{
	! loaded || modprobe -r shim6 || return
	/usr/bin/python3 "$here/idle.py" 300 384
}

run_test "the module loads and unloads again and again" again_and_again
run_test "a request to its family loads it" loads_itself
run_test "without it the tool says what to do" says_what_to_do
run_test "shim6d waits for it, and goes on by itself" daemon_waits
run_test "it loads and unloads while namespaces come and go" under_namespaces
run_test "it loads and unloads under requests" under_requests
run_test "namespaces die under requests" namespace_dies
run_test "many programs are the first in a namespace at the same time" /usr/bin/python3 "$here/first_use.py" $((2 * rounds)) 8
if grep -q ' kasan_report$' /proc/kallsyms; then
	note "KASAN keeps what is freed, so the memory of idle namespaces is measured on the other kernels"
else
	run_test "a namespace that does not use it costs nearly nothing" idle_namespaces
fi
run_test "the module unloads in the end" modprobe -r shim6
tap_end
