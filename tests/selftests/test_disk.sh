#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The file system of the state directory is full, read-only, missing, or does not answer:
# shim6d still starts, makes addresses, and moves sessions.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/topology.sh"
. "$here/addresses.sh"
need ip radvd nft ping modprobe shim6tool shim6d mkfifo nsenter

A=$(daemon_dir a)
STATE=$A/state

two_providers()
{
	topo_slaac || return
	echo | daemon_conf b && daemon_start b && busywait 60 is_made_at b up1 && busywait 60 is_made_at b up2 || { fail "no address of b"; return 1; }
	MB=$(made_addr b up1)
}

# told TEXT N: a's log has the text N times.
told() { expect_eq "lines of the log with '$1'" "$(grep -c "$1" "$A/log")" "$2" || { cat "$A/log"; return 1; }; }

# answers: payload of the context arrives.
answers() { in_ns a ping -6 -q -n -c 1 -W 1 -I "$M1" "$MB" >/dev/null; }

# moves: the provider by which a sends fails, and payload goes on by the other one. Without TCP
# this takes as long as the timers of REAP: a little more than 15 seconds.
moves()
{
	local begun status p

	p=$(kernel_contexts a '.[0]."locator-local" | split(":")[2]')
	blackhole "$p" both && begun=$(date +%s) || return
	sleep 5
	! answers || { fail "provider $p has not failed"; return 1; }
	busywait 60 answers
	status=$?
	echo "payload was back after $(($(date +%s) - begun)) s"
	blackhole_clear
	[ $status = 0 ] || { ask a /history; cat "$A/log"; fail "the session does not move"; }
}

fill() { head -c 200000 /dev/zero >"$STATE/fill" 2>/dev/null; [ -s "$STATE/fill" ]; }

full()
{
	echo | daemon_conf a && mkdir -p "$STATE" && mount -t tmpfs -o size=64k tmpfs "$STATE" && fill || return
	daemon_start a && both_made || return
	sleep 600
	[ ! -s "$STATE/addresses.key" ] || { fail "the disk is not full"; return 1; }
	told 'can.t be saved, which is tried again' 1 || return
	ask_if a /status '."keys-error" | contains("no space")' || { ask a /status; fail "the status does not say so"; }
}

full_moves()
{
	command_ok a open "$(context_name "$M1" "$MB")" && busywait 20 established_now || { ask a /history; fail "no context"; return 1; }
	moves
}

# established_now: there is a context, and the peer has verified the second address, so the
# session can be moved to it.
established_now()
{
	ask_if a /contexts 'any(.[]; .state == "established")' && peer_locator b "$M2" .verified
}

# restarted: the addresses and the context are the same.
restarted()
{
	local before

	before=$(tags a)
	daemon_restart a && sleep 10 || return
	expect_eq "addresses after a restart" "$(made up1) $(made up2)" "$M1 $M2" &&
	expect_eq "tags" "$(tags a)" "$before" &&
	answers && established_now || { ask a /contexts; fail "the context is not what it was"; }
}

saved() { [ -s "$STATE/addresses.key" ] && [ ! -e "$A/socket.state/addresses.key" ] && shim6tool hba verify "$M1" pds "$STATE/addresses.pem"; }

room()
{
	rm "$STATE/fill" && busywait 90 saved || { ls -l "$STATE" "$A/socket.state"; fail "it is not saved"; return 1; }
	told 'the keys and addresses of shim6d are saved' 1
}

read_only()
{
	mount -o remount,ro "$STATE" && restarted && moves || return
	prefix_add 1 2001:db8:1:2 && busywait 60 is_made up1 2001:db8:1:2 || { cat "$A/log"; fail "no address"; return 1; }
	M3=$(made up1 2001:db8:1:2)
	restarted && expect_eq "the new address" "$(made up1 2001:db8:1:2)" "$M3" || return
	# shim6d has its own mount namespace, made by ip-netns(8).
	mount -o remount,rw "$STATE" && nsenter -t "$(cat "$A/pid")" -m mount -o remount,rw "$STATE" && busywait 90 cga_saved "$M3" || { ask a /status; ls -l "$STATE" "$A/socket.state"; cat "$A/log"; fail "it is not saved"; }
}

cga_saved() { shim6tool cga verify "$1" pds "$STATE/addresses.pem" 2>/dev/null; }

# The state file is a pipe without a reader: opening it for writing blocks.
hangs()
{
	mkfifo "$STATE/addresses.pem.tmp" && prefix_add 1 2001:db8:1:3 && busywait 60 is_made up1 2001:db8:1:3 ||
		{ cat "$A/log"; fail "no address"; return 1; }
	busywait 20 grep -q 'the file system does not answer' "$A/log" || { cat "$A/log"; fail "it is not told"; return 1; }
	moves || return
	# A daemon that is told to end does end.
	M3=$(made up1 2001:db8:1:3)
	daemon_end a TERM
	rm "$STATE/addresses.pem.tmp" && daemon_start a && busywait 90 cga_saved "$M3" || { cat "$A/log"; fail "it is not saved"; return 1; }
	established_now && answers
}

generations() { ask_for a /contexts '.[] | "\(."generation-local") \(."generation-peer")"'; }

# An older version has kept its contexts in the state directory. After an upgrade, shim6d
# still has the facts about them that the kernel does not know.
older_version()
{
	local before

	before=$(generations)
	[ -n "$before" ] && daemon_end a KILL && mv "$A/socket.state/contexts.jsonl" "$STATE" && touch "$STATE/lock" && daemon_start a || return
	expect_eq "generations" "$(generations)" "$before" && busywait 10 none_left || { ls "$STATE"; fail "it is still there"; return 1; }
	daemon_restart a && expect_eq "generations after a restart" "$(generations)" "$before" && answers
}

none_left() { [ ! -e "$STATE/contexts.jsonl" ] && [ ! -e "$STATE/lock" ]; }

# The folder can't be made, since there is a file. The old addresses are not known, and are
# removed. The next daemon has the same new addresses.
missing()
{
	daemon_end a TERM
	umount "$STATE" && rmdir "$STATE" && touch "$STATE" && shim6d_flush && shim6tool -n "${ns}a" context flush && daemon_start a || return
	both_made || return
	told 'the state directory can.t be used' 1 || return
	daemon_restart a && sleep 10 && expect_eq "addresses after a restart" "$(made up1) $(made up2)" "$M1 $M2"
}

modprobe shim6 || exit
set_up "two hosts with two providers each" two_providers
run_test "a full disk: shim6d makes addresses, and says once that it can't save them" full
run_test "a full disk: a session moves" full_moves
run_test "a full disk: a restart knows addresses and contexts" restarted
run_test "once the disk has room, addresses and keys are saved" room
run_test "a read-only disk: restarts, moves, and an address for a new prefix" read_only
run_test "a disk that does not answer: an address for a new prefix, and a session moves" hangs
run_test "the state file of an older version is moved" older_version
run_test "no state directory: new addresses, which outlive a restart" missing
tap_end
