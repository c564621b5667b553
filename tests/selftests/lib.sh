# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The library of every selftest: TAP output, polling instead of sleeping, network
# namespaces with names of their own, and a trap that removes all of it. A test
# sources this file, prepares for its cases by set_up, declares them by run_test,
# and ends with tap_end.
#
# A part of the cases can be chosen. SHIM6_CASE=TEXT: those whose name has TEXT.
# SHIM6_SHARE=I/N: every Nth case from the Ith on, counted from 0, so that N guests
# run all; with TAP_GROUP=M, M cases that follow each other stay together. set_up runs
# in any case. Cases that build on earlier ones are a story:
# such a test has TAP_STORY=1, is not shared, and runs from its first case to the
# chosen one.

set -u

ksft_pass=0
ksft_fail=1
ksft_skip=4

# ${ns}NAME is the full name of this test's namespace NAME. The function ns prints it, for scripts
# that are not part of the tests; $(ns NAME) takes a fork.
ns="s6-$$-"
ns() { echo "$ns$1"; }
TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/s6-$$-XXXXXX")

tap_count=0
tap_failed=0
tap_skipped=0

# --- namespaces and clean-up -------------------------------------------------


# ns_add NAME...: namespaces with the loopback up.
ns_add()
{
	local name

	for name; do
		ip netns add "${ns}$name" || return
		ip -n "${ns}$name" link set lo up || return
	done
}

# in_ns NAME COMMAND...: run in this test's namespace NAME.
in_ns()
{
	local name=$1

	shift
	ip netns exec "${ns}$name" "$@"
}

# ns_del_all: remove this test's namespaces, and kill the processes in them.
ns_del_all()
{
	local name pids

	for name in $(ip netns list | awk -v p="${ns}" 'index($1, p) == 1 { print $1 }'); do
		pids=$(ip netns pids "$name" 2>/dev/null)
		# shellcheck disable=SC2086
		[ -n "$pids" ] && kill -9 $pids 2>/dev/null
		ip netns delete "$name" 2>/dev/null
	done
	wait 2>/dev/null
}

# cleanup: can be called at any time, after any failure, and more than once.
cleanup()
{
	trap - EXIT
	# The shell reports each process that was killed, which does not matter here.
	ns_del_all 2>/dev/null
	! declare -F answers_end >/dev/null || answers_end
	rm -rf "$TEST_TMP"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- waiting -----------------------------------------------------------------

# Nothing is ever written to this pipe: to read from it is to wait without starting a
# program. On emulated processors it takes long to start one.
exec {TEST_SILENCE}<> <(:)

# pause SECONDS
pause()
{
	read -rt "$1" -u "$TEST_SILENCE"
	return 0
}

# holds FILE TEXT: the file has the text. This starts no program either.
holds() { [[ $(<"$1") == *"$2"* ]]; }

# busywait SECONDS COMMAND...: poll until COMMAND succeeds. The interval grows to half
# a second, or to a hundredth of a long time: a poll costs more than a wait.
busywait()
{
	local left=$(($1 * 10)) step=1 longest=$(($1 / 10))

	shift
	until "$@"; do
		[ "$left" -gt 0 ] || return 1
		pause "$((step / 10)).$((step % 10))"
		left=$((left - step))
		[ $step -ge 5 ] && [ $step -ge $longest ] || step=$((step + 1))
	done
}

# tun_device: make sure that /dev/net/tun is there.
tun_device()
{
	[ -e /dev/net/tun ] && return
	modprobe tun && mkdir -p /dev/net || return
	[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
}

# --- TAP ---------------------------------------------------------------------

note() { echo "# $*"; }

tap_ok()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $*"
}

tap_not_ok()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count $*"
}

# tap_skip NAME REASON: this case can't run here. Where all cases must run
# (SHIM6_NO_SKIP=1, as in CI) that is a failure.
tap_skip()
{
	if [ "${SHIM6_NO_SKIP:-0}" = 1 ]; then
		tap_not_ok "$1"
		note "$2, and SHIM6_NO_SKIP=1 lets nothing be skipped"
		return
	fi
	tap_count=$((tap_count + 1))
	tap_skipped=$((tap_skipped + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

# run_test NAME FUNCTION [ARG...]: one case. FUNCTION succeeds, or gives its reason
# with fail and fails. Its output is shown only if it fails.
run_test()
{
	tap_chosen "$1" || return 0
	tap_case "$@"
	[ -z "${TAP_STORY:-}" ] || ! tap_is_named "$1" || tap_end
}

# set_up NAME FUNCTION [ARG...]: a case that all later ones need.
set_up()
{
	local failed=$tap_failed

	tap_case "$@"
	[ "$tap_failed" = "$failed" ] || tap_end
	# A set_up that was chosen by its name counts as a case that was found.
	! tap_is_named "$1" || tap_named=$((tap_named + 1))
}

tap_case()
{
	local name=$1 log=$TEST_TMP/case.log

	shift
	: >"$TEST_TMP/why"
	if "$@" >"$log" 2>&1; then
		tap_ok "$name"
	else
		tap_not_ok "$name"
		sed 's/^/#   /' "$log"
		# The most important lines come first: what was expected, and what was seen.
		sed 's/^/# why: /' "$TEST_TMP/why"
	fi
}

tap_named=0 # cases that SHIM6_CASE has chosen
tap_seen=0  # cases that there were to choose from

# tap_is_named NAME: this case was chosen by its name.
tap_is_named() { [ -n "${SHIM6_CASE:-}" ] && [[ $1 == *"$SHIM6_CASE"* ]]; }

# tap_chosen NAME: whether this case is to run.
tap_chosen()
{
	local n=$tap_seen

	tap_seen=$((tap_seen + 1))
	if [ -n "${SHIM6_CASE:-}" ]; then
		tap_is_named "$1" && tap_named=$((tap_named + 1)) && return
		[ -n "${TAP_STORY:-}" ]
	elif [ -n "${SHIM6_SHARE:-}" ] && [ -z "${TAP_STORY:-}" ]; then
		[ $((n / ${TAP_GROUP:-1} % ${SHIM6_SHARE#*/})) = "${SHIM6_SHARE%/*}" ]
	fi
}

# fail REASON: say why a case fails, and fail.
fail()
{
	echo "$*"
	echo "$*" >>"$TEST_TMP/why"
	return 1
}

# expect_eq WHAT GOT WANTED
expect_eq() { [ "$2" = "$3" ] || fail "$1 is '$2', wanted '$3'"; }

# cases NAMESPACE PROGRAM [WORD...]: run a Python program in the namespace, and make TAP of
# its lines with PASS and FAIL. It has SHIM6_CASE in its environment.
cases()
{
	local name=$1 program=$2 how what

	shift 2
	while read -r how what; do
		case $how in
		PASS | FAIL)
			! tap_is_named "$what" || tap_named=$((tap_named + 1))
			[ "$how" = PASS ] && tap_ok "$what" || tap_not_ok "$what"
			;;
		*) echo "$how $what" ;;
		esac
	done < <(in_ns "$name" /usr/bin/python3 "$here/$program" "$@" 2>&1
		[ $? = 0 ] && echo "PASS $program comes to its end" || echo "FAIL $program comes to its end")
}

# need PROGRAM...: without these programs the whole test is skipped.
need()
{
	local p

	for p; do
		command -v "$p" >/dev/null && continue
		tap_skip "all" "$p is not installed"
		tap_end
	done
}

tap_end()
{
	if [ -n "${SHIM6_CASE:-}" ] && [ "$tap_named" = 0 ]; then
		tap_not_ok "a case with '$SHIM6_CASE' in its name"
		note "why: there is none among $tap_seen"
	fi
	echo "1..$tap_count"
	if [ "$tap_failed" -gt 0 ]; then
		exit $ksft_fail
	elif [ "$tap_skipped" -eq "$tap_count" ]; then
		exit $ksft_skip
	fi
	exit $ksft_pass
}

echo "TAP version 13"
