# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The page of shim6web, looked at in Chromium, a library for tests (source lib.sh, daemon.sh first).

WEB_PORT=6140

# web_begin HOST: shim6web runs there, for the shim6d of the host.
web_begin()
{
	local d

	d=$(daemon_dir "$1")
	ip netns exec "${ns}$1" shim6web -socket "$d/socket" 2>"$d/web.log" 9>&- &
	echo $! >"$d/web.pid"
	busywait 20 holds "$d/web.log" "shim6web listens" || { cat "$d/web.log"; fail "$1: shim6web does not run"; return 1; }
}

# look_begin HOST: Chromium runs there. Its lines go to descriptor 7, and answers come from 8.
look_begin()
{
	mkfifo "$TEST_TMP/look.in" "$TEST_TMP/look.out" || return
	HOME=$TEST_TMP ip netns exec "${ns}$1" look <"$TEST_TMP/look.in" >"$TEST_TMP/look.out" 2>"$TEST_TMP/look.err" 9>&- &
	exec 7>"$TEST_TMP/look.in" 8<"$TEST_TMP/look.out"
	look_answer
}

# look_answer: print what the browser answers. Fails if that is no.
look_answer()
{
	local status rest

	read -r -u 8 status rest || { cat "$TEST_TMP/look.err"; fail "the browser is gone"; return 1; }
	echo "$rest"
	[ "$status" = ok ]
}

# look_at LINE: have the browser do what the line says (tests/selftests/look).
look_at() { echo "$*" >&7 && look_answer; }
