#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One process, one peer or one namespace does not keep others from their share: of the
# daemon's attention (fair.py), of TCP's restarts, of the machine's time and memory.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip tc modprobe shim6tool python3 sysctl
export PYTHONDONTWRITEBYTECODE=1
PORT=7777


hold_py() { in_ns "$1" /usr/bin/python3 "$here/hold.py" "${@:2}"; }

# says FILE WORD: the file has the word within a while.
says() { busywait 20 grep -q "$2" "$1"; }

# --- TCP's restarts ------------------------------------------------------------

sink_up()
{
	hold_py b sink $PORT >"$TEST_TMP/sink" &
	says "$TEST_TMP/sink" ready
}

# connect HOW [WORD...]: connect from a. The output is in $TEST_TMP/HOW.
connect()
{
	hold_py a "$1" $B1 $PORT "${@:2}" >"$TEST_TMP/$1" &
	says "$TEST_TMP/$1" connected
}

# This program stands in for modprobe. A socket is locked while the kernel waits for it.
modprobe_that_waits()
{
	cat >"$TEST_TMP/modprobe" <<-EOF
		#!/bin/bash
		case "\$*" in
		*tcp_s6hold*)
			touch "$TEST_TMP/held"
			for ((i = 0; i < 3000; i++)); do
				[ -e "$TEST_TMP/let_go" ] && exit 1
				sleep 0.1
			done ;;
		*) exec "$MODPROBE" "\$@" ;;
		esac
	EOF
	chmod +x "$TEST_TMP/modprobe" && echo "$TEST_TMP/modprobe" >/proc/sys/kernel/modprobe
}

hold_up()
{
	rm -f "$TEST_TMP/held" "$TEST_TMP/let_go"
	connect hold s6hold && busywait 20 test -e "$TEST_TMP/held"
}

let_go()
{
	touch "$TEST_TMP/let_go"
	says "$TEST_TMP/hold" "not there"
}

restarted() { [ $(($(stat_of a tcp-restarts) - $1)) -ge "$2" ]; }

# restarts N COMMAND...: after the command, N connections are restarted within two seconds.
restarts()
{
	local want=$1 before

	before=$(stat_of a tcp-restarts)
	shift
	"$@" || return
	busywait 2 restarted "$before" "$want" ||
		fail "$*: $(($(stat_of a tcp-restarts) - before)) were restarted, wanted $want"
}

# There are four connections. The user of one keeps its socket locked.
locked()
{
	local i before missed

	context_up && sink_up || return
	for i in 1 2 3; do
		connect open || return
	done
	hold_up || return
	missed=$(stat_of a tcp-restarts-missed)
	for i in 2 1 2; do
		restarts 3 switch_host a $i || return
		pause 0.2
	done
	# That connection is restarted when its socket is unlocked, if that is soon.
	before=$(stat_of a tcp-restarts)
	let_go || return
	busywait 3 restarted "$before" 1 || { fail "what was let go is not restarted"; return 1; }
	hold_up && restarts 4 switch_host a 1 || return
	expect_eq missed "$(stat_of a tcp-restarts-missed)" "$missed" || return
	busywait 60 grew a tcp-restarts-missed "$missed" && let_go
}

unload_while_locked()
{
	hold_up && restarts 3 switch_host a 2 || return
	timeout 30 modprobe -r shim6 || { fail "the module does not go"; return 1; }
	timeout 10 ip netns add "${ns}other" || { fail "no namespace can be made"; return 1; }
	let_go && modprobe shim6
}

# A context that switches all the time keeps no dead connection alive: TCP gives up after
# as long as without Shim6 (tcp_retries2, here three seconds and a half).
flapping()
{
	local i

	context_up && in_ns a sysctl -q net.ipv4.tcp_retries2=3 || return
	connect send && pause 2 || return
	link_dead 1 && link_dead 2 || return
	for ((i = 0; i < 40; i++)); do
		switch_host a $((i % 2 + 1)) || return
		pause 0.4
		grep -q "timed out" "$TEST_TMP/send" && break
	done
	link_alive 1 && link_alive 2
	shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush
	grep -q "timed out" "$TEST_TMP/send" || { fail "after $((i * 4 / 10)) s the connection lives: $(cat "$TEST_TMP/send")"; return 1; }
	[ "$i" -ge 4 ] || fail "it died after $i switches"
}

modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
MODPROBE=$(cat /proc/sys/kernel/modprobe)
ns_add f
if [ "${SHIM6_TIME:-real}" = real ]; then
	note "floods are counted by the second, which takes virtual time: the kernels latest and debug show them"
	cases f cost.py
else
	note "what takes a processor's time is seen where time is real: the kernels 6.1 and 6.12 show it"
	cases f fair.py
fi
pair_up >/dev/null && link_alive 1 && link_alive 2 && modprobe_that_waits || exit
run_test "a locked socket delays no other connection's restart" locked
run_test "a locked socket delays neither unloading the module nor making namespaces" unload_while_locked
run_test "a peer that makes us switch all the time keeps no dead connection alive" flapping
echo "$MODPROBE" >/proc/sys/kernel/modprobe
tap_end
