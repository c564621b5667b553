# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# shim6d in the hosts of pair.sh, a library for tests (source lib.sh and pair.sh
# first). Each host has a folder with configuration, state, socket and log.

. "${BASH_SOURCE[0]%/*}/answers.sh"

# daemon_dir HOST
daemon_dir() { echo "$TEST_TMP/$1.d"; }

# daemon_conf HOST: write its configuration; standard input is added to it.
daemon_conf()
{
	local d

	d=$(daemon_dir "$1")
	mkdir -p "$d" && cat >"$d/more" || return
	{
		echo "state-directory = \"$d/state\""
		echo "[control]"
		echo "socket = \"$d/socket\""
		cat "$d/more"
	} >"$d/shim6d.conf"
}

# daemon_found HOST: its configuration is where ip netns exec and shim6tool look for it.
daemon_found() { mkdir -p "/etc/netns/${ns}$1" && cp "$(daemon_dir "$1")/shim6d.conf" "/etc/netns/${ns}$1/"; }

# daemon_start HOST: returns once shim6d runs.
daemon_start() { daemon_begin "$1" && daemon_runs "$1"; }

daemon_begin()
{
	local d

	d=$(daemon_dir "$1")
	: >"$d/log"
	# Not by in_ns: signals must reach shim6d, not a shell around it.
	# shellcheck disable=SC2086
	ip netns exec "${ns}$1" ${DAEMON_AS:-} shim6d -config "$d/shim6d.conf" 2>>"$d/log" 9>&- &
	echo $! >"$d/pid"
}

daemon_runs()
{
	local d

	d=$(daemon_dir "$1")
	busywait 20 holds "$d/log" 'msg="shim6d runs"' || { cat "$d/log"; fail "$1: shim6d does not run"; return 1; }
}

# daemon_signal HOST SIGNAL
daemon_signal() { kill "-$2" "$(cat "$(daemon_dir "$1")/pid")"; }

# daemon_end HOST SIGNAL: send the signal, and wait until shim6d is gone.
daemon_end()
{
	local pid

	pid=$(cat "$(daemon_dir "$1")/pid")
	kill "-$2" "$pid" || return
	wait "$pid" 2>/dev/null
	# Its exit status does not matter here.
	return 0
}

# daemon_restart HOST: kill shim6d, whatever it is doing, and start it again.
daemon_restart() { daemon_end "$1" KILL && daemon_start "$1"; }

# own_locator HOST ADDRESS FILTER: the daemon has this locator, and FILTER is true of it.
own_locator() { ask_if "$1" /locators "any(.[] | select(.address == \$address); $3)" --arg address "$2"; }

# all_made: both daemons have made addresses on all links, which are in A1, A2, B1 and B2 then. It reads
# the logs first, which is cheap: at this time shim6d makes a key.
all_made()
{
	local h

	for h in a b; do
		holds "$(daemon_dir $h)/log" "addresses were made" || return
	done
	A1=$(made_addr a up1) A2=$(made_addr a up2) B1=$(made_addr b up1) B2=$(made_addr b up2)
	[ -n "$A1" ] && [ -n "$A2" ] && [ -n "$B1" ] && [ -n "$B2" ]
}

# forgotten: neither daemon has a context.
forgotten() { [ "$(ask a /contexts)" = "[]" ] && [ "$(ask b /contexts)" = "[]" ]; }

# peer_locator HOST ADDRESS FILTER: the daemon has this locator of a peer, and FILTER is true
# of it in one of the contexts.
peer_locator()
{
	ask_if "$1" /contexts "any(.[].\"locators-peer\"[]? | select(.address == \$address); $3)" --arg address "$2"
}

# context_name LOCAL PEER [FII]: the part of a request that names a context.
context_name() { echo "\"ulid-local\":\"$1\",\"ulid-peer\":\"$2\",\"fii\":${3:-0}"; }

# command_ok HOST WHAT REQUEST: the daemon does what the request asks for.
command_ok()
{
	local out

	out=$(ask "$1" "/contexts/$2" "{$3}") && [ "$out" = "{}" ] || fail "$1: $2: $out"
}

# use_pair ULID-LOCAL ULID-PEER LOCAL PEER: a sends by this locator pair, until that fails.
use_pair() { command_ok a use "$(context_name "$1" "$2"),\"locator-local\":\"$3\",\"locator-peer\":\"$4\""; }

# kernel_state HOST [FII]: the state of the context between the ULIDs of link 1.
kernel_state()
{
	local l=$A1 p=$B1

	[ "$1" = b ] && l=$B1 p=$A1
	kernel_contexts "$1" '.[].state' $l $p fii "${2:-0}" 2>/dev/null
}

# context_is HOST STATE [FII]
context_is() { [ "$(kernel_state "$1" "${3:-0}")" = "$2" ]; }
established() { context_is a established "${1:-0}" && context_is b established "${1:-0}"; }

# tags HOST: the tags of the contexts. They stay the same as long as the contexts do.
tags() { kernel_contexts "$1" '.[] | "\(."tag-local") \(."tag-peer")"'; }

# count_control: count the control messages that each host sends, by type and on all links.
# Counters have the RFC's names. Where time is real, other work on the machine can cause
# Probes: then the counter "every" leaves them out.
count_control()
{
	local h apart=

	[ "${SHIM6_TIME:-real}" = virtual ] || apart="@th,17,7 67 counter name probe accept"

	for h in a b; do
		in_ns $h nft -f - <<-EOF || return
			table ip6 control {
				counter every { }
				counter i1 { }
				counter r1 { }
				counter i2 { }
				counter r2 { }
				counter r1bis { }
				counter i2bis { }
				counter ur { }
				counter ua { }
				counter probe { }
				chain out {
					type filter hook output priority 300;
					ip6 nexthdr != 140 accept
					@th,16,1 1 accept
					@th,17,7 66 accept
					$apart
					counter name every
					@th,17,7 1 counter name i1
					@th,17,7 2 counter name r1
					@th,17,7 3 counter name i2
					@th,17,7 4 counter name r2
					@th,17,7 5 counter name r1bis
					@th,17,7 6 counter name i2bis
					@th,17,7 64 counter name ur
					@th,17,7 65 counter name ua
					@th,17,7 67 counter name probe
				}
			}
		EOF
	done
}

# sent HOST TYPE: how many messages of a type a host has sent.
sent() { in_ns "$1" nft list counter ip6 control "$2" | awk '$1 == "packets" { print $2 }'; }

# lose HOST MATCH...: the host loses control messages that it receives and that match, and all in
# UDP: what is lost is lost.
lose()
{
	local h=$1

	shift
	in_ns "$h" nft -f - <<-EOF
		table ip6 lose {
			chain in {
				type filter hook prerouting priority -470;
				ip6 nexthdr 140 @th,16,1 0 $* drop
				udp dport 61140 drop
			}
		}
	EOF
}

# lose_types HOST TYPES: the host loses all control messages of these types.
lose_types() { lose "$1" "@th,17,7 { $2 }"; }

lose_no_more() { in_ns "$1" nft delete table ip6 lose; }

# --- a session ---------------------------------------------------------------

# session_begin: begin an interactive session from a, which sends back each word.
# Descriptor 9 writes to it. It is from the address session_from, if that is set.
session_begin()
{
	local d=$TEST_TMP/ssh

	rm -f "$d/in" "$d/out" && mkfifo "$d/in" || return
	ssh_cat ${session_from:+-b "$session_from"} <"$d/in" >"$d/out" 2>"$d/err" &
	session_pid=$!
	exec 9>"$d/in"
	session_lives 60
}

# session_lives SECONDS: a word comes back within so many seconds.
session_lives()
{
	session_words=$((${session_words:-0} + 1))
	echo "word-$session_words" >&9
	busywait "$1" session_says "word-$session_words" ||
		{ cat "$TEST_TMP/ssh/err"; fail "nothing comes back"; }
}

# Only whole lines count.
session_says() { [[ $(<"$TEST_TMP/ssh/out")$'\n' == *"$1"$'\n'* ]]; }

# session_talk N: send N words, one after another, and wait for the last one to come back.
session_talk()
{
	local i

	for i in $(seq "$1"); do
		echo "talk $i" >&9
		# With pauses, so that each word is a packet.
		sleep 0.02
	done
	session_lives 30
}

session_end()
{
	exec 9>&-
	busywait 20 session_gone || { kill -9 "$session_pid"; fail "ssh does not end"; return 1; }
	wait "$session_pid" || fail "ssh ended with $?"
}

session_gone() { ! kill -0 "$session_pid" 2>/dev/null; }
