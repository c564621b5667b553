#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim6tool as its user sees it: with the module and two daemons, without either, without
# rights, and on paths that do not carry protocol 140; completion in bash; and the examples of
# the manual pages.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/monitor.sh"
. "$here/doctor.sh"
. "$here/unprotected.sh"
need ip tc nft modprobe rmmod shim6tool shim6d python3 jq setpriv
man=$here/../../docs/man

# tool HOST WORDS...: run shim6tool as somebody on the host would do it.
tool()
{
	local h=$1

	shift
	in_ns "$h" shim6tool "$@"
}

# says STATUS PATTERN COMMAND...: the command ends with the status, and its output matches the
# pattern.
says()
{
	local status=$1 pattern=$2 out got

	shift 2
	out=$("$@" 2>&1)
	got=$?
	echo "$out"
	expect_eq "the status of '$*'" $got "$status" || return
	echo "$out" | grep -q -- "$pattern" || fail "'$*' does not say '$pattern'"
}

unprivileged() { setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$@"; }

# keys WANTED...: standard input is a list in JSON, whose first object has these keys.
keys() { jq -c '.[0] | ($ARGS.positional - keys) as $lacks | if $lacks == [] then empty else error("no \($lacks) in \(.)") end' --args "$@"; }

# --- without module, daemon or rights -----------------------------------------

without_module()
{
	local modprobe status=0

	says 0 '^module *not loaded' shim6tool && says 2 '^fail module .*modprobe shim6' shim6tool doctor || return
	[ ! -e /sys/module/shim6 ] || { fail "to look at it has loaded it"; return 1; }
	# The kernel can't load it either.
	modprobe=$(cat /proc/sys/kernel/modprobe)
	echo /bin/false >/proc/sys/kernel/modprobe
	for words in context flow policy config stats "monitor context" "monitor policy" "context flush" "context add $A1 $B1 tag-local 1" \
		"context set $A1 $B1 state established" "context del $A1 $B1" "policy add action bypass" "policy del preference 1" \
		"policy flush" "config set max-flows 5"; do
		# shellcheck disable=SC2086
		says 2 "modprobe shim6" shim6tool $words || status=1
	done
	echo "$modprobe" >/proc/sys/kernel/modprobe
	return $status
}

without_daemon()
{
	local words

	for words in "path" "path history" "locator" "daemon" "daemon reload" "context trigger $A1 $B1" \
		"context update $A1 $B1" "path use $A1 $B1 ulids"; do
		# shellcheck disable=SC2086
		says 2 "is shim6d running?" tool a $words || return
	done
	says 2 '^fail daemon .*is shim6d running?' tool a doctor && says 0 '^daemon .*is shim6d running?' tool a || return
	# The commands that only need the kernel work.
	context_up && says 0 "^$A1 $B1" tool a context && says 0 '^contexts *1 established' tool a &&
		tool a context del $A1 $B1 && tool b context del $B1 $A1 &&
		expect_eq "contexts" "$(tool a -j context)" "[]"
}

# The daemon of another namespace is not asked instead.
whose_daemon()
{
	says 2 "/etc/netns/${ns}c/shim6d.conf" shim6tool -n "${ns}c" path &&
	says 2 "is shim6d running?" shim6tool -n "${ns}a" path &&
	says 2 "listens at /nowhere" shim6tool -n "${ns}c" -socket /nowhere path
}

without_rights()
{
	local words

	for words in "config set max-flows 5" "context add $A1 $B1 tag-local 1 tag-peer 2 state established" \
		"context set $A1 $B1 state established" "context del $A1 $B1" "context flush" "policy add action bypass" \
		"policy del preference 1" "policy flush"; do
		# shellcheck disable=SC2086
		says 2 "CAP_NET_ADMIN" unprivileged shim6tool $words || return
	done
	says 2 "CAP_NET_RAW" in_ns a setpriv --reuid 65534 --clear-groups --regid 65534 --bounding-set -all shim6tool path probe $B1 &&
	says 2 "CAP_SYS_ADMIN" unprivileged shim6tool -n "${ns}a" path probe $B1 &&
	says 0 "^module *loaded" unprivileged shim6tool && says 0 "^max-flows" unprivileged shim6tool config || return
	says 2 "^warn peer .*CAP_NET_RAW" unprivileged shim6tool doctor
}

# --- two daemons -------------------------------------------------------------

configure()
{
	local h

	touch /etc/shim6d.conf
	for h in a b; do
		daemon_conf $h <<-EOF2 || return
			[peers]
			trusted-prefixes = ["2001:db8::/32"]
			[kernel]
			trigger-packets = 0
			trigger-time = "0s"
		EOF2
		daemon_found $h || return
	done
}

start() { daemon_start a && daemon_start b; }

# opened: ask for a context that begins by link 2, and wait for it.
opened()
{
	tool a context add $A1 $B1 locator-local $A2 locator-peer $B2 && busywait 20 established ||
		{ ask a /history; fail "no context"; }
}

screen()
{
	says 0 "^daemon *shim6d .*2 locators" tool a && says 0 '^contexts *1 established' tool a &&
	says 0 "$A1 $B1 by $A2 $B2" tool a && says 0 '^sent .*I1: 1' tool a -s || return
	tool a -j | keys module daemon states contexts switches
}

# tops: the same on a terminal, with a link whose name would empty the screen.
tops()
{
	local evil=$'a<b>"&\e[2J' status

	ip -n "${ns}a" link add "$evil" type dummy && ip -n "${ns}a" link set "$evil" up &&
		ip -n "${ns}a" addr add 2001:db8:e::a/64 dev "$evil" nodad || return
	in_ns a /usr/bin/python3 "$here/top.py" "PROTECTED,up1,up2,a<b>,$B1,established,working,doctor" shim6tool -n "${ns}a" top
	status=$?
	ip -n "${ns}a" link del "$evil"
	[ $status = 0 ] && tool a -j top | keys time status links glances
}

looks()
{
	says 0 "^$A2 dev up2" tool a locator && says 0 "valid-lifetime forever" tool a -s locator &&
	says 0 "^$A2 dev up2" shim6tool -n "${ns}a" l && says 0 "kernel true contexts 1" tool a daemon &&
	says 0 "sent .*I1: 1" tool a -s daemon status || return
	tool a -j locator | keys address interface available operational hba cga &&
		tool a -j daemon | keys version pid uptime kernel contexts sent received
}

# wall RULE: add a rule at b, for packets that come in. A rule that an earlier case has left is
# removed.
wall() { wall_down 2>/dev/null; in_ns b nft "add table ip6 wall; add chain ip6 wall in { type filter hook prerouting priority -470; }; add rule ip6 wall in $*"; }
wall_down() { in_ns b nft delete table ip6 wall; }

# Why did it switch? A firewall blocks one direction under traffic, and the daemon finds
# another pair. The peer may be the one that begins, if its Send Timer was started earlier.
switches()
{
	local ping status

	tool a path use $A1 $B1 ulids || return
	: >"$TEST_TMP/monitor"
	in_ns a timeout -s INT 300 shim6tool -ts monitor path >"$TEST_TMP/monitor" 2>&1 &
	monitor=$!
	in_ns a ping -q -i 0.5 -I $A1 $B1 >/dev/null &
	ping=$!
	sleep 2
	wall iif up1 drop && busywait 60 moved && why && survives
	status=$?
	tool a -s path show
	tool a -s path history
	kill $ping
	wait $ping 2>/dev/null
	monitored && wall_down && afresh && return $status
}

# A filter above Shim6, such as a DROP in OUTPUT, blocks the session itself, which can't be
# saved. A filter below Shim6 blocks a path.
blocks()
{
	local ping status=1

	tool a path use $A1 $B1 ulids || return
	in_ns a ping -q -i 0.5 -I $A1 $B1 >/dev/null 2>&1 &
	ping=$!
	in_ns a nft "add table ip6 above; add chain ip6 above out { type filter hook output priority 0; }; add rule ip6 above out ip6 daddr $B1 drop" &&
		sleep 60 && by_pair $A1 $B1 $A1 $B1 && in_ns a nft delete table ip6 above && sleep 2 &&
		in_ns a tc qdisc add dev up1 clsact &&
		in_ns a tc filter add dev up1 egress protocol ipv6 u32 match ip6 dst $B1 action drop &&
		busywait 60 moved && survives && status=0
	tool a path show
	in_ns a tc qdisc del dev up1 clsact
	kill $ping
	wait $ping 2>/dev/null
	afresh && return $status
}

# The session is answered, by packets with our header.
survives()
{
	local before

	before=$(stat_of b in-payload)
	in_ns a ping -q -c 3 -i 0.5 -I $A1 $B1 && grew b in-payload "$before" 3
}

# afresh: make a new context on its ULIDs, whatever contexts there were.
afresh()
{
	tool a context flush && tool b context flush && busywait 10 forgotten &&
		tool a context trigger $A1 $B1 force && busywait 20 established
}

logged() { grep -q "$1" "$(daemon_dir a)/log" || { cat "$(daemon_dir a)/log"; fail "shim6d does not log '$1'"; }; }

why()
{
	says 0 "^    $A2 $B2 working current" tool a path show $A1 $B1 &&
	says 0 "^....-..-.. ..:..:......* $A1 $B1 outbound trigger \(send-timeout\|silence\|peer\) outage [0-9]*m*s" tool a path history &&
	says 0 "^    to   $A2 $B2" tool a path history $A1 $B1 && says 0 "^    probed .* $A2 $B2 answered" tool a -s path history &&
	hears "^\[.*\] path $A1 $B1 outbound trigger \(send-timeout\|silence\|peer\)" &&
	logged "msg=path ulid-local=$A1 ulid-peer=$B1 .*direction=outbound .*to-local=$A2 to-peer=$B2" &&
	says 0 "$A1 $B1 outbound to $A2 $B2, trigger" tool a || return
	tool a -j path | keys ulid-local ulid-peer fii locator-local locator-peer current inbound state &&
		tool a -j path history | keys time ulid-local direction trigger from to outage
}

moved() { tool a path show | grep -q "^    $A2 $B2 .*current"; }

# The commands that the debug port of the first shim6d had.
commands()
{
	local before

	count_control && before=$(sent a ur) && tool a context update $A1 $B1 || return
	busywait 10 eval '[ "$(sent a ur)" -gt "$before" ]' || { fail "no Update Request was sent"; return 1; }
	says 2 "there is no context between these ULIDs with this FII" tool a path use $A1 $B1 fii 99 ulids &&
	says 2 "the pair can't be used" tool a path use $A1 $B1 local 2001:db8:9::1 peer $B2 || return
	tool a path use $A1 $B1 local $A2 peer $B1 && says 0 "locator-local $A2 locator-peer $B1" tool a context show &&
		tool a path use $A1 $B1 ulids && says 0 "locator-local $A1 locator-peer $B1" tool a context show || return
	before=$(tags a)
	tool a context del $A1 $B1 || return
	expect_eq "the daemon's contexts" "$(ask a /contexts)" "[]" || return
	tool a context trigger $A1 $B1 force && busywait 20 established && [ "$(tags a)" != "$before" ] || fail "no new context"
}

# by_pair ULID-LOCAL ULID-PEER LOCAL PEER: the context sends by this locator pair.
by_pair() { tool a path show $1 $2 | grep -q "^    $3 $4 \(encapsulation udp \)\?[a-z]* current"; }

# An operator leaves a provider before its maintenance, with a context that has never sent by
# the other one.
use_pair()
{
	local table="table ip6 wall; add chain ip6 wall out { type filter hook output priority 0; }; add rule ip6 wall out"

	tool a context del $A1 $B1 && tool a context trigger $A1 $B1 force && busywait 20 established || return
	peer_locator a $B2 '.probed | not' || { ask a /contexts; fail "it is not fresh"; return 1; }
	says 0 "^.{\"ulid-local\":\"$A1\".*\"locator-local\":\"$A2\",\"locator-peer\":\"$B2\",\"result\":\"ok\"}.$" \
		tool a -j path use $A1 $B1 local $A2 peer $B2 && by_pair $A1 $B1 $A2 $B2 || { tool a path; fail "it has not moved"; return 1; }
	says 0 "trigger operator" tool a path history $A1 $B1 && tool a path use $A1 $B1 ulids && by_pair $A1 $B1 $A1 $B1 || return
	# Packets that leave by the second link are lost natively.
	in_ns a nft "add $table ip6 saddr $A2 meta l4proto 140 drop" &&
	tool a path use $A1 $B1 local $A2 peer $B2 && by_pair $A1 $B1 $A2 $B2 &&
	says 0 "$A2 $B2 encapsulation udp working current" tool a path show $A1 $B1 &&
	tool a path use $A1 $B1 ulids && by_pair $A1 $B1 $A1 $B1 || return
	# Now they are lost in UDP, too.
	in_ns a nft "add rule ip6 wall out ip6 saddr $A2 udp dport $UDP_PORT drop" || return
	says 2 "no Probe from $A2 to $B2 was answered within 2.5s, so payload goes on from $A1 to $B1: see what 'shim6tool path probe $B2 from $A2'" \
		tool a path use $A1 $B1 local $A2 peer $B2 && says 2 '"result":"fail","text":"no Probe' tool a -j path use $A1 $B1 local $A2 peer $B2 || return
	# A context that was re-homed keeps its header.
	by_pair $A1 $B1 $A1 $B1 && in_ns a nft delete table ip6 wall && afresh
}

reload()
{
	local d conf

	d=$(daemon_dir a) conf=/etc/netns/${ns}a/shim6d.conf
	tool a daemon reload && busywait 10 grep -q "configuration was reloaded" "$d/log" || { cat "$d/log"; fail "no reload"; return 1; }
	cp "$d/shim6d.conf" "$d/good"
	echo 'colour = "red"' >>"$d/shim6d.conf"
	says 2 'colour: there is no such key.*shim6d goes on' tool a daemon reload || return
	cp "$d/good" "$d/shim6d.conf"
}

rights_of_the_daemon()
{
	chmod 755 "$TEST_TMP" "$(daemon_dir a)"
	as_nobody() { in_ns a setpriv --reuid 65534 --regid 65534 --clear-groups shim6tool "$@"; }
	says 0 "kernel true" as_nobody daemon && says 0 "$A1" as_nobody locator &&
	says 2 "permission denied" as_nobody context trigger $A1 $B1 && says 2 "permission denied" as_nobody context del $A1 $B1 &&
	says 2 "not permitted" as_nobody daemon reload
}

# --- does protocol 140 pass? -------------------------------------------------

probe_passes()
{
	# An earlier case that failed may have left rules.
	in_ns a nft flush ruleset && in_ns b nft flush ruleset || return
	says 0 "^    shim6 .*answered rtt" tool a path probe $B1 && says 0 "up to packets of 1500 octets" tool a path probe $B2 from $A2 &&
	says 0 "up to packets of 1500" shim6tool -n "${ns}a" pa p $B1 || return
	# No control message has more than 1280 octets (RFC 5533, section 5.1), payload may.
	in_ns b nft "add table ip6 wall; add chain ip6 wall in { type filter hook input priority 0; };
		add rule ip6 wall in ip6 nexthdr 140 @th,16,1 0 ip6 length 1241-65535 counter" && tool a path probe $B1 >"$TEST_TMP/probe" || return
	in_ns b nft list ruleset | grep -q 'counter packets 0 ' || { in_ns b nft list ruleset; fail "it is too long"; return 1; }
	in_ns b nft flush ruleset || return
	# It leaves nothing behind.
	ask_if b /contexts 'any(.[]; .fii > 0)' && { ask b /contexts; fail "a probe has made a context"; return 1; }
	tool a -j path probe $B1 | keys source destination mtu shim6 shim6-full result text
}

probe_filtered()
{
	wall ip6 nexthdr 140 drop && says 0 "not answered, but ping is; but UDP to port $UDP_PORT passes" tool a path probe $B1 &&
	in_ns b nft "add rule ip6 wall in udp dport $UDP_PORT drop" || return
	says 2 "not answered, but ping is; let IP protocol 140 through" tool a path probe $B1 && wall_down || return
	# A router that forbids it says so.
	in_ns b sysctl -qw net.ipv6.conf.all.forwarding=1 && ip -n "${ns}b" -6 route add prohibit 2001:db8:9::/64 &&
	ip -n "${ns}a" -6 route add 2001:db8:9::/64 via $B1 &&
	says 2 "does not pass: $B1 says prohibited by a filter" tool a path probe 2001:db8:9::1 &&
	in_ns b sysctl -qw net.ipv6.conf.all.forwarding=0 || return
	# b's answers are lost: a sees no difference.
	in_ns a nft "add table ip6 wall; add chain ip6 wall in { type filter hook input priority 0; };
		add rule ip6 wall in ip6 nexthdr 140 drop; add rule ip6 wall in udp dport $UDP_PORT drop" &&
	says 2 "not answered, but ping is" tool a path probe $B1 && in_ns a nft delete table ip6 wall
}

probe_black_hole()
{
	# The other end of the cable silently drops longer packets.
	ip -n "${ns}b" link set up1 mtu 1300 &&
	says 2 "nothing comes back of packets of 1500 octets.*a black hole" tool a path probe $B1 &&
	ip -n "${ns}b" link set up1 mtu 1500 || return
	# A router reports them.
	ip -n "${ns}a" -6 route add $B1 dev up1 mtu 1280 && says 0 "up to packets of 1280 octets" tool a path probe $B1 &&
	ip -n "${ns}a" -6 route del $B1 dev up1 && says 0 "up to packets of 1500 octets" tool a path probe $B1
}

probe_nobody()
{
	says 2 "nothing comes back, not even ping\|address unreachable" tool a path probe 2001:db8:1::dead &&
	says 2 "there is no way to" tool a path probe 3fff::1 && says 2 "is no address of this host" tool a path probe $B1 from $B2
}

# Ping between re-homed ULIDs would go by the other pair.
probe_rehomed()
{
	tool a context del $A1 $B1
	tool b context flush
	opened || return
	wall ip6 nexthdr 140 @th,16,1 0 drop && in_ns b nft "add rule ip6 wall in udp dport $UDP_PORT @th,80,1 0 drop" || return
	says 2 "the context has left this pair" tool a path probe $B1 && wall_down
}

probe_without_shim6()
{
	local pid

	daemon_end b TERM
	ip netns exec "${ns}b" /usr/bin/python3 "$here/noshim6.py" >"$TEST_TMP/noshim6" &
	pid=$!
	busywait 20 grep -q ready "$TEST_TMP/noshim6" || return
	says 2 "reaches $B1, which has no Shim6" tool a path probe $B1
	local status=$?
	kill $pid
	wait $pid 2>/dev/null
	return $status
}

# --- completion --------------------------------------------------------------

# completed WORDS...: the words that bash would offer for the last one.
completed()
{
	bash -c '
		eval "$(shim6tool completion bash)" || exit
		COMP_WORDS=(shim6tool "$@") COMP_CWORD=$#
		_shim6tool
		echo "${COMPREPLY[*]}"' bash "$@"
}

completes()
{
	local want=$1

	shift
	expect_eq "what completes '$*'" "$(completed "$@")" "$want"
}

completion()
{
	: >"$TEST_TMP/file.pem"
	completes "context config completion" co && completes "doctor" do && completes "-netns" -ne &&
	completes "show history probe doubt use help" path "" && completes "trigger-packets trigger-time" config set trig &&
	completes "trigger" -j -n x context tr && completes "from" path probe $B1 "" && completes "$TEST_TMP/file.pem" hba show pds "$TEST_TMP/fi" &&
	completes "${ns}a" -n "${ns}a" || return
	bash -c 'eval "$(shim6tool completion bash)" && complete -p shim6tool' | grep -q '_shim6tool shim6tool' || fail "it is not installed"
}

# --- the examples of the manual pages ----------------------------------------

# examples PAGE: the commands between the markers, as a user would type them. A line with $ is
# for a user other than root.
examples()
{
	awk '/^\.\\" run$/ { on = 1; next } /^\.\\" end$/ { on = 0 } on && /^[#$] / { gsub(/\\-/, "-"); gsub(/\\e/, "\\"); print }' "$1"
}

example()
{
	local line=$1 words=(bash -c "${1#??}") status

	case $line in '$ '*) words=(setpriv --reuid 65534 --regid 65534 --clear-groups "${words[@]}") ;; esac
	# A command that runs until it is stopped gets a signal.
	case $line in *' monitor') words=(timeout -s INT 2 "${words[@]}") ;; esac
	(cd "$TEST_TMP/home" && in_ns a "${words[@]}" </dev/null)
	status=$?
	case $line in *' monitor') [ $status = 124 ] && return ;; esac
	return $status
}

run_examples()
{
	local page=$1 line before= n=0 list=$TEST_TMP/examples

	examples "$man/$page" >"$list"
	mkdir -p "$TEST_TMP/home" && chmod 777 "$TEST_TMP/home"
	while read -r line; do
		n=$((n + 1))
		# A command in the background needs a moment to start.
		case $before in
		*'&') busywait 20 example "$line" ;;
		*) example "$line" ;;
		esac || { fail "$page: '$line' ends with $?"; return 1; }
		before=$line
	done <"$list"
	[ $n -gt 0 ] || fail "$page has no example"
}

# examples_ready: the network of the examples, with their addresses and a context.
examples_ready()
{
	local d=$TEST_TMP/blue

	in_ns a nft add table inet filter && in_ns a nft add chain inet filter input '{ type filter hook input priority 0; }' || return
	ip netns add blue && mkdir -p /etc/netns/blue "$d" || return
	printf '%s\n' "state-directory = \"$d\"" '[control]' "socket = \"$d/socket\"" >/etc/netns/blue/shim6d.conf
	daemon_start b && afresh
}

examples_over()
{
	ip netns pids blue | xargs -r kill
	busywait 20 none_in_blue && ip netns del blue && rm -r /etc/netns/blue && in_ns a nft delete table inet filter
}

none_in_blue() { [ -z "$(ip netns pids blue)" ]; }

pages()
{
	local page warnings

	for page in shim6.7 shim6d.8 shim6d.conf.5 shim6tool.8; do
		warnings=$(groff -mandoc -Tutf8 -ww -z "$man/$page" 2>&1) || return
		expect_eq "what groff says of $page" "$warnings" "" || return
	done
}

[ ! -e /sys/module/shim6 ] || busywait 20 modprobe -r shim6 || exit
run_test "without the module" without_module
modprobe shim6 || exit
set_up "two hosts with two links" pair_up
ns_add c
run_test "a configuration for each host" configure
run_test "without a daemon" without_daemon
run_test "monitor: paths without a daemon" monitors_paths_without_daemon
run_test "only the namespace's own daemon is asked" whose_daemon
run_test "without rights" without_rights
run_test "two daemons start" start
run_test "context add: shim6d makes a context" opened
run_test "one screen of status" screen
run_test "top: one screen on a terminal, and a name that would empty it" tops
run_test "locator and daemon" looks
run_test "monitor: contexts, policies, the configuration" monitors
run_test "monitor: JSON" monitors_json
run_test "monitor: what protects a context" monitors_protection
run_test "path show, path history and monitor: why did it switch? [boeing-3.2-02 5534-9-01 5534-9-02]" switches
run_test "a filter that blocks a session, and one that blocks a path" blocks
run_test "update, del, trigger, shim and deshim [boeing-3.2-01]" commands
run_test "a pair that has not answered is probed, and then used" use_pair
run_test "reload" reload
run_test "commands for the daemon need rights" rights_of_the_daemon
run_test "doctor: all is well" doctor_healthy
run_test "doctor: an address that is not used" doctor_address
run_test "doctor: a firewall" doctor_firewall
run_test "doctor: the command for each kind of firewall mends it" doctor_firewall_kinds
run_test "doctor: all pairs of a peer" doctor_pairs
run_test "doctor: a route by the wrong provider" doctor_route
run_test "doctor: a delegated prefix, and an address that came by DHCPv6" unmanaged doctor_sources
run_test "doctor: one router for all" unmanaged doctor_one_router
run_test "doctor: the daemon of another namespace" doctor_wrong_namespace
run_test "path probe: it passes" probe_passes
run_test "path probe: it is filtered" probe_filtered
run_test "path probe: a black hole for long packets" probe_black_hole
run_test "path probe: nobody" probe_nobody
run_test "path probe: a pair that its context has left" probe_rehomed
run_test "path probe: a peer without Shim6" probe_without_shim6
run_test "flow show, status and monitor: a pair that is counted, and a peer without Shim6" tells_flows
run_test "completion in bash" completion
if command -v groff >/dev/null; then
	run_test "groff has nothing to say of the manual pages" pages
else
	tap_skip "groff has nothing to say of the manual pages" "groff is not installed"
fi
run_test "a context for the examples" examples_ready
for page in shim6.7 shim6d.8 shim6d.conf.5 shim6tool.8; do
	run_test "the examples of $page" run_examples $page
done
run_test "clear up after the examples" examples_over
tap_end
