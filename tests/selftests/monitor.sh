# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The cases of test_tool.sh about shim6tool monitor, which runs in host a (source lib.sh, pair.sh and
# daemon.sh first; they use the tool, says and keys of that test).

# monitoring WORDS...: start monitor in host a; it runs until monitored is called.
monitoring()
{
	: >"$TEST_TMP/monitor"
	in_ns a timeout -s INT 120 shim6tool "$@" >"$TEST_TMP/monitor" 2>&1 &
	monitor=$!
	# It has subscribed once it prints an event.
	tries=0
	until [ -s "$TEST_TMP/monitor" ]; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || { fail "monitor hears nothing"; return 1; }
		tool a policy add preference 9999 action shim && tool a policy del preference 9999 || return
		sleep 0.2
	done
}

monitored()
{
	local status

	pkill -INT -P "$monitor"
	wait "$monitor"
	status=$?
	cat "$TEST_TMP/monitor"
	# 124 is the status of timeout itself.
	[ $status = 0 ] || [ $status = 124 ] || fail "monitor ended with $status"
}

heard() { grep -q -- "$1" "$TEST_TMP/monitor"; }

hears() { busywait 20 heard "$1" || { cat "$TEST_TMP/monitor"; fail "monitor does not say '$1'"; }; }

monitors()
{
	monitoring -ts monitor all || return
	tool a policy add preference 77 port 22 action bypass && hears '^\[[-0-9T:.]*\] policy preference 77 port 22 action bypass$' &&
	tool a policy del preference 77 && hears '^\[[-0-9T:.]*\] deleted policy preference 77 ' &&
	tool a config set max-flows 4097 && hears '    max-flows *4097$' &&
	tool a path use $A1 $B1 ulids && hears "\] context $A1 $B1" && hears "    locator-local $A1 locator-peer $B1" ||
		{ monitored; return 1; }
	monitored && tool a config set max-flows 4096
}

monitors_json()
{
	monitoring -j -ts monitor policy || return
	tool a policy add preference 78 protocol tcp action ignore && hears '"preference":78' || { monitored; return 1; }
	monitored >/dev/null && jq -nR '[inputs | fromjson? | select(.preference == 78)]' "$TEST_TMP/monitor" |
		keys event timestamp preference protocol action && tool a policy del preference 78
}

# While an address of another network is there, the context has one more pair to go to.
monitors_protection()
{
	: >"$TEST_TMP/monitor"
	in_ns a timeout -s INT 120 shim6tool monitor protection >"$TEST_TMP/monitor" 2>&1 &
	monitor=$!
	# It prints changes after its first question.
	sleep 3
	ip -n "${ns}a" addr add 2001:db8:77::a/64 dev up1 nodad &&
		hears "^protection $A1 $B1 protected by .* of 3 networks here" &&
		ip -n "${ns}a" addr del 2001:db8:77::a/64 dev up1 &&
		hears "^protection $A1 $B1 protected by .* of 2 networks here" || { monitored; return 1; }
	monitored
}

# Without a daemon, monitor learns of a switch from the kernel's contexts.
monitors_paths_without_daemon()
{
	context_up || return
	: >"$TEST_TMP/monitor"
	in_ns a timeout -s INT 60 shim6tool monitor path >"$TEST_TMP/monitor" 2>&1 &
	monitor=$!
	hears "is shim6d running?.*reasons of switches are not told" || { monitored; return 1; }
	sleep 1
	switch_to 2 && hears "^path $A1 $B1 outbound" && hears "^    from $A1 $B1" && hears "^    to   $A2 $B2" || { monitored; return 1; }
	monitored && tool a context flush && tool b context flush
}
