# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The standard topology with home routers: each provider's router to its host has a stateful
# firewall, of nftables with the kernel's default timeouts of conntrack. A library for tests
# (source topology.sh, pair.sh and daemon.sh first). On the hosts shim6d has an empty
# configuration, so addresses, routing and timers are its defaults. The hosts also have
# temporary addresses, as desktops do. The ULIDs are the addresses that shim6d makes on the
# first uplinks; they are in U_a and U_b.

# router_rules PROVIDER RULES: usual sets of rules.
#   established  packets of connections that began inside pass; nothing else comes in
#   invalid      packets are dropped if they belong to no connection that conntrack can follow
router_rules()
{
	local rules

	case $2 in
	established)
		rules="type filter hook forward priority 0; policy drop;
			ct state established,related accept
			iifname host accept
			icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request } accept"
		;;
	invalid)
		rules="type filter hook forward priority 0; policy accept;
			ct state invalid counter drop"
		;;
	esac
	in_ns "p$1" nft -f - <<-EOF
		add table ip6 router
		delete table ip6 router
		table ip6 router {
			chain forward {
				$rules
			}
		}
	EOF
}

# routers_up DELAY: set up links, routers and announcements; the hosts do the rest.
routers_up()
{
	local p h

	topo_links "$1" || return
	for h in a b; do
		in_ns $h sysctl -qw net.ipv6.conf.up1.use_tempaddr=2 net.ipv6.conf.up2.use_tempaddr=2 || return
	done
	for p in $TOPO_PROVIDERS; do
		busywait 20 no_tentative "p$p" host && radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
}

# routers_for CLIENT RULES: the client's routers have these rules. The server's routers have the
# others, and let the client in. All routers forget their connections.
routers_for()
{
	local p

	for p in $TOPO_PROVIDERS; do
		if [ "$(topo_host "$p")" = "$1" ]; then
			router_rules "$p" "$2"
		else
			router_rules "$p" invalid
		fi || return
	done
}

# hosts_up: start shim6d on both hosts with its defaults, or with the configuration HOSTS_CONF, and
# wait for all its addresses.
hosts_up()
{
	local h up

	for h in a b; do
		daemon_conf $h <<<"${HOSTS_CONF:-}" && daemon_start $h || return
	done
	for h in a b; do
		for up in up1 up2; do
			busywait 90 is_made_at $h $up || { cat "$(daemon_dir $h)/log"; fail "$h: no address on $up"; return 1; }
		done
	done
	U_a=$(made_addr a up1) U_b=$(made_addr b up1)
	busywait 20 in_ns a ping -6 -q -n -c 1 -W 1 -I "$U_a" "$U_b" || fail "the ULIDs do not reach each other"
}

hosts_down()
{
	local h

	for h in a b; do
		daemon_end $h TERM
		shim6tool -n "${ns}$h" context flush
		in_ns $h shim6d -flush-addresses
		rm -rf "$(daemon_dir $h)"
	done
}

# link_back PROVIDER: plug in the cable to its host again, and announce its prefix.
link_back() { router_up "$1" && busywait 20 no_tentative "p$1" host && prefix_restore "$1"; }

# look: print what helps to explain a failure.
look()
{
	local h

	for h in a b; do
		shim6tool -n "${ns}$h" context
		shim6tool -n "${ns}$h" stats | awk '$2 != 0'
		tail -n 20 "$(daemon_dir $h)/log"
	done
	cat "$TEST_TMP/talk.err"
}

# of_context HOST NAME: a value of the context between the ULIDs.
of_context()
{
	local l=$U_a p=$U_b

	[ "$1" = a ] || l=$U_b p=$U_a
	kernel_contexts "$1" ".[].\"$2\" // empty" "$l" "$p" 2>/dev/null
}

context_there() { [ "$(of_context a state)$(of_context b state)" = establishedestablished ]; }

# at_home HOST: the host sends by the ULIDs.
at_home()
{
	local ulid=U_$1

	[ "$(of_context "$1" locator-local)" = "${!ulid}" ] &&
	[ "$(of_context "$1" locator-peer)" = "$([ "$1" = a ] && echo "$U_b" || echo "$U_a")" ]
}
both_home() { at_home a && at_home b; }
one_away() { ! both_home; }

# --- conversations -----------------------------------------------------------

# talk_begin CLIENT OCTETS FLOW...: from the client to the other host, by the ULIDs, or from
# the address CALL_FROM; with :: the kernel chooses.
talk_begin()
{
	if [ "$1" = a ]; then talk_serve b; else talk_serve a; fi && talk_call "$@"
}

# talk_serve HOST: the server of all conversations with the host's ULID.
talk_serve()
{
	local ulid=U_$1

	# Not by in_ns: signals must reach the programs.
	ip netns exec "${ns}$1" /usr/bin/python3 "$here/talk.py" serve "${!ulid}" >"$TEST_TMP/served" 2>"$TEST_TMP/talk.err" &
	talk_server=$!
	busywait 20 grep -q ready "$TEST_TMP/served" || { cat "$TEST_TMP/talk.err"; fail "no server"; }
}

# talk_call CLIENT OCTETS FLOW...
talk_call()
{
	local client=$1 octets=$2 ours=U_$1 theirs=U_b

	shift 2
	[ "$client" = a ] || theirs=U_a
	# Opened to append, because the test empties the file while the program has it open.
	: >"$TEST_TMP/talk"
	ip netns exec "${ns}$client" /usr/bin/python3 "$here/talk.py" call "$octets" "${CALL_FROM:-${!ours}}" "${!theirs}" "$@" \
		>>"$TEST_TMP/talk" 2>>"$TEST_TMP/talk.err" &
	talk_client=$!
	busywait 20 grep -q ready "$TEST_TMP/talk" || { cat "$TEST_TMP/talk.err"; fail "no conversation"; }
}

talk_end() { processes_end "$talk_client" "$talk_server"; }

# processes_end PID...: kill them, whatever they are doing.
processes_end()
{
	# Without a name, wait waits for all.
	[ $# -gt 0 ] || return 0
	kill -KILL "$@" 2>/dev/null
	wait "$@" 2>/dev/null
	return 0
}

# talk_told: print the longest silence of each flow since the last call, in milliseconds.
talk_told()
{
	: >"$TEST_TMP/talk"
	kill -USR1 "$talk_client" && busywait 20 grep -q told "$TEST_TMP/talk" || fail "the caller is gone: $(cat "$TEST_TMP/talk.err")"
}

# silent_below WHEN LIMIT: no flow was silent for more than LIMIT milliseconds.
silent_below()
{
	local flow ms status=0

	talk_told || return
	echo "$1: $(tr '\n' ' ' <"$TEST_TMP/talk")"
	while read -r flow ms; do
		[ "$flow" = told ] || [ "$ms" -le "$2" ] || { fail "$1: $flow was silent for $ms ms, wanted $2 at most"; status=1; }
	done <"$TEST_TMP/talk"
	return $status
}
