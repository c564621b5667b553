#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two shim6d and the module, with ssh as traffic: contexts are made, survive the death
# of a daemon at any moment, and are made again when the kernel has lost them.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
need ip tc nft modprobe rmmod shim6tool shim6d python3 curl ssh sshd ssh-keygen setpriv

# Host b answers, and asks for no context by itself, so that all contexts are begun by a. The
# prefixes of both links are trusted, as in a laboratory.
configure()
{
	daemon_conf a <<-EOF2 && daemon_conf b <<-EOF2
		[log]
		level = "debug"
		[peers]
		trusted-prefixes = ["2001:db8::/32"]
		[kernel]
		trigger-time = "0s"
	EOF2
		[log]
		level = "debug"
		[peers]
		trusted-prefixes = ["2001:db8::/32"]
		[kernel]
		trigger-packets = 0
		trigger-time = "0s"
	EOF2
}

both_start() { configure && daemon_start a && daemon_start b; }

C=$(context_name $A1 $B1)
BY_LINK_2="\"locator-local\":\"$A2\",\"locator-peer\":\"$B2\""

# quiet_since COUNT-A COUNT-B: no message has been sent since the hosts had sent so many.
quiet_since()
{
	expect_eq "messages of a" "$(sent a every)" "$1" && expect_eq "messages of b" "$(sent b every)" "$2"
}

# --- contexts are made -------------------------------------------------------

by_ssh()
{
	local wanted

	expect_eq "contexts at first" "$(shim6tool -n "${ns}a" -j context)" "[]" || return
	session_begin || return
	session_talk 45 && busywait 10 established || { ask a /history; fail "no context"; return 1; }
	# Or 46: two processors may have counted at the same time. A packet that is sent asks for
	# the context; where time is real, several packets may have arrived before it.
	wanted='4[56]'
	[ "${SHIM6_TIME:-real}" = virtual ] || wanted='(4[5-9]|[5-9][0-9])'
	grep 'a context is wanted' "$(daemon_dir a)/log" | head -n 1 | grep -qE "packets=$wanted\$" ||
		{ cat "$(daemon_dir a)/log"; fail "it was not asked for after 45 packets"; return 1; }
	expect_eq "messages of a" "$(sent a i1) $(sent a i2) $(sent a every)" "1 1 2" &&
	expect_eq "messages of b" "$(sent b r1) $(sent b r2) $(sent b every)" "1 1 2"
}

# by_link_2: from now on a sends by link 2.
by_link_2()
{
	local before

	before=$(stat_of b in-payload)
	ask a /contexts/close "{$C}" >/dev/null
	command_ok a open "$C,$BY_LINK_2,\"force\":true" || return
	busywait 10 established || { ask a /history; fail "no context"; return 1; }
	session_lives 20 && grew b in-payload "$before"
}

LOSSY="40 41 42 43 44 45 46 47"

# made HOST: how many of the LOSSY contexts are established.
made()
{
	kernel_contexts "$1" '[.[] | select(.state == "established" and .fii >= 40 and .fii <= 47)] | length'
}

made_at_least() { [ "$(made a)" -ge "$1" ] && [ "$(made b)" -ge "$1" ]; }

# Each host loses 40 % of the messages that it receives. Exchanges that give up are begun
# again, by force, as an operator would, until all contexts are made, or one context where
# time is real. At the end all hold-downs are over. Where time is virtual, each exchange
# comes to its end, and the case checks that I1s were sent again.
under_loss()
{
	local h i enough=1 status=1 round before

	[ "${SHIM6_TIME:-real}" = real ] || enough=8
	for h in a b; do
		lose $h meta random lt 1717986918 || return
	done
	before=$(sent a i1)
	for round in $(seq 12); do
		for i in $LOSSY; do
			ask a /contexts/open "{$(context_name $A1 $B1 "$i"),\"force\":true}" >/dev/null
		done
		# In virtual time a poll costs more than a wait.
		[ $enough = 1 ] || sleep 90
		[ "$round $enough" != "1 8" ] || [ $(($(sent a i1) - before)) -gt 8 ] || { fail "no I1 was sent again"; break; }
		busywait 10 made_at_least $enough && status=0 && break
	done
	[ $status = 0 ] ||
		{ ask a /history; ask a /contexts; fail "$(made a) and $(made b) contexts are made after $round rounds"; }
	for h in a b; do
		lose_no_more $h
	done
	# Otherwise exchanges that still go on would make contexts later.
	for i in $LOSSY; do
		ask a /contexts/close "{$(context_name $A1 $B1 "$i")}" >/dev/null
	done
	busywait 20 all_gone || { ask a /contexts; ask b /contexts; fail "there are still contexts"; return 1; }
	busywait 80 not_held_down a || { ask a /status; fail "a hold-down is not over"; return 1; }
	return $status
}

all_gone()
{
	shim6tool -n "${ns}a" context flush
	shim6tool -n "${ns}b" context flush
	adopted a 0 && adopted b 0
}

not_held_down() { ask_if "$1" /status '."hold-downs" == 0'; }

# adopted HOST N: the daemon has as many contexts as the kernel, which has N.
adopted() { ask_if "$1" /status ".contexts == $2"; }

# --- a daemon dies -----------------------------------------------------------

killed()
{
	local h=$1 before a b

	before=$(tags a; tags b)
	a=$(sent a every) b=$(sent b every)
	daemon_end "$h" KILL
	session_lives 20 || return
	daemon_start "$h" && session_lives 20 || return
	sleep 1
	quiet_since "$a" "$b" && expect_eq tags "$(tags a; tags b)" "$before" || return
	adopted "$h" 1 || { ask "$h" /contexts; fail "the context was not adopted"; }
}

# A context in I1-SENT, one in I2-SENT and one in I2BIS-SENT, all at once.
killed_in_the_middle()
{
	local before after states one two messages begun sent

	one=$(context_name $A1 $B1 1) two=$(context_name $A1 $B1 2)
	lose_types b 3 && command_ok a open "$two" && busywait 10 context_is a i2-sent 2 || return
	lose_no_more b && lose_types b "1, 3, 6" && command_ok a open "$one" || return
	shim6tool -n "${ns}b" context flush || return
	# Words for which b has no context: it sends R1bis.
	echo lost >&9
	busywait 20 context_is a i2bis-sent || { ask a /history; fail "no R1bis"; return 1; }
	daemon_end a KILL
	before=$(tags a) messages=$(sent a every) begun=$SECONDS
	daemon_start a || return
	# The exchanges go on when their timers expire, after at least 2 s, not at once.
	sent=$(sent a every)
	[ $((SECONDS - begun)) -ge 2 ] || expect_eq "messages of a" "$sent" "$messages" || return
	after=$(tags a)
	states="$(kernel_state a) $(kernel_state a 1) $(kernel_state a 2)"
	lose_no_more b
	expect_eq "states" "$states" "i2bis-sent i1-sent i2-sent" && expect_eq tags "$after" "$before" || return
	busywait 30 established && busywait 30 established 1 && busywait 30 established 2 ||
		{ ask a /history; ask a /contexts; fail "an exchange was not gone on with"; return 1; }
	session_lives 30 && command_ok a close "$one" && command_ok a close "$two"
}

# A daemon is killed, whatever it was doing. Afterwards the contexts of kernel and daemon
# agree, and the exchange comes to its end.
killed_anywhere()
{
	local i h name

	for i in 11 12 13 14; do
		name=$(context_name $A1 $B1 $i)
		[ $((i % 2)) = 0 ] && h=a || h=b
		ask a /contexts/open "{$name}" >/dev/null 2>&1 &
		sleep "0.0$((i % 5))"
		daemon_restart $h || return
		# If b has died, it does not know its R1 any more: a repeats its I2 and then begins
		# again, which takes 42 s.
		busywait 60 comes_about $i && busywait 20 established $i || { ask a /history; fail "$h died, and context $i is not made"; return 1; }
		command_ok a close "$name" || return
	done
	session_lives 20
}

# comes_about FII: a has the context. If a does not know it, it is asked for it once more.
comes_about()
{
	case $(kernel_state a "$1") in
	established) ;;
	"") command_ok a open "$(context_name $A1 $B1 "$1")" >/dev/null; false ;;
	*) false ;;
	esac
}

told_to_end()
{
	local before a b

	before=$(tags a; tags b)
	a=$(sent a every) b=$(sent b every)
	daemon_end a TERM
	session_lives 20 || return
	[ ! -e "$(daemon_dir a)/socket" ] || { fail "the socket is still there"; return 1; }
	expect_eq tags "$(tags a; tags b)" "$before" && daemon_start a && quiet_since "$a" "$b"
}

# --- the kernel loses contexts -----------------------------------------------

# use_link_2: a sends by link 2 until that fails. It may have returned to the ULIDs. There
# packets have no header, so b would not notice that it has lost the context: no R1bis.
use_link_2() { use_pair $A1 $B1 $A2 $B2; }

flushed()
{
	local before

	use_link_2 || return
	before=$(sent b r1bis)
	shim6tool -n "${ns}b" context flush || return
	session_lives 30 && busywait 10 established || { ask a /history; ask b /history; fail "no recovery"; return 1; }
	[ "$(sent b r1bis)" -gt "$before" ] || fail "without R1bis"
}

# b loses all its state, except for its sockets, which the test can't remove.
rebooted()
{
	local before

	use_link_2 || return
	before=$(sent b r1bis)
	daemon_end b KILL
	rm -r "$(daemon_dir b)/state" "$(daemon_dir b)/socket.state" && shim6tool -n "${ns}b" context flush && daemon_start b || return
	session_lives 30 && busywait 10 established || { ask a /history; ask b /history; fail "no recovery"; return 1; }
	[ "$(sent b r1bis)" -gt "$before" ] || fail "without R1bis"
}

has_module() { ask_if "$1" /status ".kernel == $2"; }

module_reloaded()
{
	local h

	# The module can't be unloaded while the daemon dumps the contexts.
	busywait 10 rmmod shim6 || return
	for h in a b; do
		busywait 10 has_module $h false || { fail "$h does not notice"; return 1; }
	done
	session_lives 20 || return
	modprobe shim6 || return
	for h in a b; do
		busywait 20 has_module $h true || { cat "$(daemon_dir $h)/log"; fail "$h does not come back"; return 1; }
	done
	session_talk 45 && busywait 20 established || { ask a /history; fail "no new context"; }
}

# --- a peer without Shim6 ----------------------------------------------------

# forget_networks HOST: forget which of them have lost native messages in earlier cases, so that I1s go
# natively first, where they are counted.
forget_networks() { rm -f "$(daemon_dir "$1")/socket.state/networks.json"; }

without_shim6()
{
	local pid before out

	daemon_end b TERM
	daemon_end a TERM
	forget_networks a && daemon_start a && command_ok a close "$C" || return
	ip netns exec "${ns}b" /usr/bin/python3 "$here/noshim6.py" >"$TEST_TMP/noshim6" 9>&- &
	pid=$!
	busywait 20 grep -q ready "$TEST_TMP/noshim6" || return
	before=$(sent a i1)
	command_ok a open "$C" || return
	busywait 10 grep -q no-support "$(daemon_dir a)/log" || { ask a /history; fail "no hold-down"; return 1; }
	session_lives 20 || return
	out=$(ask a /contexts/open "{$C}")
	case $out in *error*) ;; *) fail "it is not held down: $out"; return 1 ;; esac
	# The kernel asks again, when there is traffic, after ten seconds.
	[ "${SHIM6_TIME:-real}" = real ] || sleep 11
	session_talk 50 || return
	expect_eq "I1 sent" "$(sent a i1)" $((before + 1)) || return
	ask_if a /status '."hold-downs" == 1' || { ask a /status; fail "it is not held down"; return 1; }
	# A forced command tries anyway.
	command_ok a open "$C,\"force\":true" && session_lives 20 || return
	expect_eq "I1 sent by force" "$(sent a i1)" $((before + 2)) || { cat "$(daemon_dir a)/log"; return 1; }
	kill $pid
	wait $pid 2>/dev/null
	daemon_start b
}

# Without any answer, the host gives up for a minute. The case takes two minutes.
without_answer()
{
	local before

	daemon_end a TERM
	daemon_end b TERM
	shim6tool -n "${ns}a" context flush && shim6tool -n "${ns}b" context flush && forget_networks a && daemon_start a || return
	# A host that has the module and no daemon says that it does not know Shim6; this one
	# says nothing, as behind a firewall.
	lose_types b 1 || return
	before=$(sent a i1)
	# The kernel asks for a pair every ten seconds at most.
	sleep 11
	session_talk 50
	# With jitter this takes one to three minutes.
	sleep 60
	busywait 130 grep -q e-failed "$(daemon_dir a)/log" || { ask a /history; fail "it does not give up"; return 1; }
	expect_eq "I1 sent" "$(sent a i1)" $((before + 5)) || return
	session_talk 50
	expect_eq "I1 sent in hold-down" "$(sent a i1)" $((before + 5)) || return
	lose_no_more b
	daemon_start b || return
	sleep 61
	session_talk 50
	busywait 20 established || { ask a /history; fail "it does not try again"; }
}

# --- locators ----------------------------------------------------------------

no_peer_locator() { ! peer_locator "$@"; }

# The peer is told that a link fails, that it works again, and of a new address.
locators_change()
{
	local n

	n=${ns}a
	ask a /contexts/open "{$C,\"force\":true}" >/dev/null
	busywait 10 established || { ask a /history; fail "no context"; return 1; }
	ip -n "${ns}b" link set up2 down || return
	busywait 10 peer_locator b $A2 .broken || { ask a /locators; ask b /contexts; fail "b is not told that it is broken"; return 1; }
	# The other end has lost its address with its link.
	ip -n "${ns}b" link set up2 up && ip -n "${ns}b" addr add $B2/64 dev up2 nodad || return
	busywait 10 no_peer_locator b $A2 .broken || { fail "b is not told that it works"; return 1; }
	ip -n "$n" addr add 2001:db8:2::aa/64 dev up2 nodad && busywait 10 peer_locator b 2001:db8:2::aa true ||
		{ fail "b is not told of a new address"; return 1; }
	ip -n "$n" addr del 2001:db8:2::aa/64 dev up2 && busywait 10 no_peer_locator b 2001:db8:2::aa true ||
		{ fail "b is not told that an address is gone"; return 1; }
	session_lives 20
}

# The addresses prove each other, and no prefix is trusted.
hba()
{
	local h d i addr

	for h in a b; do
		daemon_end $h TERM
		shim6tool -n "${ns}$h" context flush
		d=$(daemon_dir $h)
		shim6tool hba generate prefix 2001:db8:1::/64,2001:db8:2::/64 pds "$d/hba.pem" pure sec 0 >"$d/hba" || return
		i=1
		for addr in $(grep -o '2001:db8:[12]:[0-9a-f:]*[0-9a-f]' "$d/hba" | grep -v '::/' | sort -u); do
			ip -n "${ns}$h" addr add "$addr/64" dev up$i nodad || return
			eval "HBA_$h$i=$addr"
			i=$((i + 1))
		done
		daemon_conf $h <<-EOF2
			[[set]]
			pds = "hba.pem"
		EOF2
		daemon_start $h || return
	done
	ask_if a /locators 'any(.[]; .hba)' || { ask a /locators; cat "$d/hba"; fail "the set is not known"; return 1; }
	command_ok a open "$(context_name $HBA_a1 $HBA_b1)" || return
	busywait 10 hba_verified a $HBA_b2 && busywait 10 hba_verified b $HBA_a2 ||
		{ ask a /contexts; ask b /contexts; fail "the sets are not verified"; return 1; }
	# Addresses without proof have only themselves as locators.
	command_ok a open "$C" && busywait 10 established || { ask a /history; fail "no context without proof"; return 1; }
	ask_if a /contexts 'all(..; . != $address)' --arg address $B2 || { ask a /contexts; fail "$B2 is believed"; }
}

hba_verified() { peer_locator "$1" "$2" '.method == "hba" and .verified'; }

# --- rights ------------------------------------------------------------------

# ask_as_nobody PATH [JSON]
ask_as_nobody()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		curl -sS --max-time 20 --unix-socket "$(daemon_dir a)/socket" ${2:+-d "$2"} "http://shim6d$1"
}

permissions()
{
	local out

	chmod 755 "$TEST_TMP" "$(daemon_dir a)" && ask_if a /contexts 'any(.[]; has("tag-local"))' || { fail "root does not see tags"; return 1; }
	out=$(ask_as_nobody /contexts) || return
	case $out in
	*tag-local* | *tag-peer*) fail "nobody sees tags: $out"; return 1 ;;
	*"$A1"*) ;;
	*) fail "nobody sees nothing: $out"; return 1 ;;
	esac
	out=$(ask_as_nobody /contexts/close "{$C}")
	case $out in *"permission denied"*) ;; *) fail "nobody may close a context: $out" ;; esac
}

# As with the systemd unit: not root, and one capability.
one_capability()
{
	local d

	d=$(daemon_dir b)
	daemon_end b TERM
	chown -R 12345:12345 "$d" && chmod 755 "$TEST_TMP" || return
	DAEMON_AS="setpriv --reuid 12345 --regid 12345 --clear-groups --bounding-set -all,+net_admin \
		--inh-caps -all,+net_admin --ambient-caps -all,+net_admin --no-new-privs" daemon_start b || return
	command_ok a open "$(context_name $A1 $B1 9)" && busywait 10 established 9 || { cat "$d/log"; fail "no context"; return 1; }
	command_ok a close "$(context_name $A1 $B1 9)"
}

second_daemon()
{
	local d out

	d=$(daemon_dir a)
	sed "s,$d,$TEST_TMP/second," "$d/shim6d.conf" >"$TEST_TMP/second.conf"
	sed -i '/^\[\[set/,$d' "$TEST_TMP/second.conf"
	out=$(in_ns a shim6d -config "$TEST_TMP/second.conf" 2>&1) && { fail "it runs"; return 1; }
	case $out in *"has a daemon already"*"is another shim6d running?"*) ;; *) fail "it says: $out"; return 1 ;; esac
	out=$(in_ns a shim6d -config "$d/shim6d.conf" 2>&1) && { fail "it runs"; return 1; }
	case $out in *"in use by another shim6d"*) ;; *) fail "it says: $out" ;; esac
}

# a trusts prefixes, as in a laboratory, and tells of locators without proof. b trusts nobody.
# There still is a context, with only the ULIDs, whichever host begins.
peer_without_trust()
{
	local d open close

	d=$(daemon_dir a)
	cp "$d/shim6d.conf" "$TEST_TMP/no-trust.conf" && printf '[peers]\ntrusted-prefixes = ["2001:db8::/32"]\n' >>"$d/shim6d.conf" && reloaded a || return
	for open in "a $A1 $B1" "b $B1 $A1"; do
		for close in "a $A1 $B1" "b $B1 $A1"; do
			# shellcheck disable=SC2086
			set -- $close
			ask "$1" /contexts/close "{$(context_name "$2" "$3")}" >/dev/null
		done
		# shellcheck disable=SC2086
		set -- $open
		: >"$d/log"
		command_ok "$1" open "$(context_name "$2" "$3"),\"force\":true" && busywait 20 established || { cat "$d/log"; fail "$1 begins: no context"; return 1; }
		holds "$d/log" "it is told of no locators that nothing proves" || { cat "$d/log"; fail "$1 begins: b was told of nothing"; return 1; }
		ask_if a /contexts 'any(.[]; ."ulid-local" == $ulid and ."locators-local" == [$ulid])' --arg ulid $A1 ||
			{ ask a /contexts; fail "$1 begins: a has told more"; return 1; }
	done
	cat "$TEST_TMP/no-trust.conf" >"$d/shim6d.conf" && reloaded a && session_lives 20
}

# reloaded HOST: shim6d reads its configuration again.
reloaded()
{
	local d before

	d=$(daemon_dir "$1")
	before=$(grep -c 'configuration was reloaded' "$d/log")
	daemon_signal "$1" HUP && busywait 10 eval '[ "$(grep -c "configuration was reloaded" "'"$d"'/log")" -gt '"$before"' ]' || { cat "$d/log"; fail "no reload"; }
}

# The debug port, which the first shim6d had too, after a reload has opened it.
debug_port()
{
	local d id

	d=$(daemon_dir a)
	! debug dump >"$d/debug" 2>&1 || { fail "the port is open"; return 1; }
	printf '[debug-port]\nenabled = true\n' >>"$d/shim6d.conf"
	reloaded a || return
	debug dump >"$d/debug" || { cat "$d/debug" "$d/log"; fail "the port is closed"; return 1; }
	# The HBA context has locators to tell, the other one has none.
	debug update "$(awk -v a="$HBA_a1" '$2 == a { print $1 }' "$d/debug")" || { cat "$d/debug"; return 1; }
	id=$(awk -v a=$A1 '$2 == a { print $1 }' "$d/debug")
	[ -n "$id" ] && debug deshim "$id" && debug delete $A1 $B1 && debug context $A1 $B1 &&
		busywait 10 established || { debug dump; fail "a command fails"; return 1; }
	! debug shim 999 $A2 $B2 && ! debug shim "$id" || { fail "nonsense is done"; return 1; }
	# A new context has not yet sent to the other locators. The command to do so comes by IPv4.
	debug delete $HBA_a1 $HBA_b1 && debug context $HBA_a1 $HBA_b1 && busywait 10 hba_verified a $HBA_b2 && debug dump >"$d/debug" || return
	id=$(awk -v a=$HBA_a1 '$2 == a { print $1 }' "$d/debug")
	DEBUG_AT=127.0.0.1 debug shim "$id" $HBA_a2 $HBA_b2 && debug dump | grep "^$id " | grep -q "by $HBA_a2 $HBA_b2 operational" ||
		{ debug dump; fail "it does not move"; return 1; }
	DEBUG_AT=127.0.0.1 debug deshim "$id" && debug dump | grep "^$id " | grep -q "by $HBA_a1 $HBA_b1 " ||
		{ debug dump; fail "it does not move back"; }
}

# debug WORDS...: send a command to the debug port at DEBUG_AT, and print its answer, which
# ends with ok.
debug()
{
	in_ns a /usr/bin/python3 "$here/debug_port.py" "${DEBUG_AT:-::1}" "$@"
}

bad_reload()
{
	local d

	d=$(daemon_dir a)
	echo 'colour = "red"' >>"$d/shim6d.conf"
	daemon_signal a HUP && busywait 10 grep -q 'shim6d.conf:[0-9]*: debug-port.colour: there is no such key' "$d/log" ||
		{ cat "$d/log"; fail "a wrong key is no news"; return 1; }
	session_lives 20 && ask_if a /status .kernel
}

modprobe shim6 || exit
set_up "two hosts with two links" pair_up
run_test "control messages are counted" count_control
run_test "two daemons start" both_start
run_test "an ssh server" ssh_up
run_test "ssh makes a context, after 45 packets, by four messages [5533-7.7-01 6629-2-02]" by_ssh
run_test "four messages under 40 % loss" under_loss
run_test "a context on another locator pair: ssh goes that way" by_link_2
run_test "the daemon of a is killed" killed a
run_test "the daemon of b is killed" killed b
run_test "the daemon is told to end" told_to_end
run_test "a daemon is killed in I1-SENT, I2-SENT and I2BIS-SENT" killed_in_the_middle
run_test "a daemon is killed at any moment" killed_anywhere
run_test "the kernel's contexts are flushed: R1bis" flushed
run_test "a host that was rebooted: R1bis" rebooted
run_test "the module is reloaded" module_reloaded
run_test "a peer without Shim6: one I1, and a hold-down" without_shim6
[ "${SHIM6_TIME:-real}" = real ] || run_test "a peer that is silent: five I1, and a hold-down" without_answer
run_test "links and addresses change: the peer is told [5534-3.1-04 5534-3.1-05 boeing-1.2-05]" locators_change
run_test "addresses that prove each other, and addresses without proof" hba
run_test "everybody may look, root may change" permissions
run_test "CAP_NET_ADMIN is enough" one_capability
run_test "a second daemon is refused" second_daemon
run_test "a peer that does not trust: the ULIDs alone" peer_without_trust
run_test "SIGHUP, and the debug port [boeing-3.2-01]" debug_port
run_test "a wrong configuration is not taken over" bad_reload
run_test "the ssh session has survived all this" session_end
tap_end
