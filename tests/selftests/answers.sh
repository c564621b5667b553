# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Questions to shim6tool and to shim6d's control socket, a library for tests (source lib.sh
# first). They start no program: a program that goes on running answers them (tools/shim6tool/
# answers.go), at a port of the loopback. Tests poll, and a guest takes a tenth of a second of a
# processor to start a program.

# question KIND WORD...: print what answers.go answers; its status is ours.
question()
{
	local file=$TEST_TMP/answer.$BASHPID port connection status said lines

	[ -s "$TEST_TMP/answers" ] || answers_begin || question_lost "the program answers does not start"
	: >"$file"
	read -r port _ <"$TEST_TMP/answers"
	exec {connection}<>"/dev/tcp/127.0.0.1/$port" || question_lost "the program answers is gone"
	printf '%s\0' $(($# + 1)) "$file" "$@" >&"$connection"
	read -r -u "$connection" status said || question_lost "no answer to $*"
	exec {connection}>&-
	[ -z "$said" ] || echo "$said" >&2
	[ ! -s "$file" ] || { mapfile -t lines <"$file" && printf '%s\n' "${lines[@]}"; }
	return "$status"
}

# question_lost WHY: the whole test ends, in whatever subshell this is. No answer must not look like
# an answer that says no.
question_lost()
{
	echo "# $1: $(<"$TEST_TMP/answers.err")"
	kill -TERM $$
	exit 125
} >&2

# answers_begin: it is no child of this shell, which would wait for it.
answers_begin()
{
	: >"$TEST_TMP/answers.err"
	ip link set lo up && (command answers "$TEST_TMP/answers" 9>&- >/dev/null 2>"$TEST_TMP/answers.err" &) && busywait 20 test -s "$TEST_TMP/answers"
}

# answers_end: lib.sh's cleanup calls this.
answers_end()
{
	local pid

	[ ! -s "$TEST_TMP/answers" ] || { read -r _ pid <"$TEST_TMP/answers" && kill -KILL "$pid"; }
}

# kernel_contexts HOST FILTER [WORDS...]: what jq's FILTER makes of the kernel's contexts, or of
# those that WORDS name.
kernel_contexts() { question tool "$2" -n "${ns}$1" -j context show "${@:3}"; }

# ask HOST PATH [JSON]: send a request to the control socket, and print the answer.
ask() { question socket "$TEST_TMP/$1.d/socket" "$2" "${3:-}"; }

# ask_for HOST PATH FILTER [--arg NAME VALUE]...: what jq's FILTER makes of the answer. Fails if
# that is nothing, null or false.
ask_for() { question socket "$TEST_TMP/$1.d/socket" "$2" "" "${@:3}"; }

# ask_if HOST PATH FILTER [--arg NAME VALUE]...: FILTER is true of the answer.
ask_if() { ask_for "$@" >/dev/null; }
