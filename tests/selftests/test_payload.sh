#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Paths that carry Probes but no payload, in the standard topology, between hosts with an empty
# configuration. Provider 1 silently loses long packets, or lets only Shim6's messages pass.
# Either way TCP gets no answer, while all Probes do.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/topology.sh"
need ip nft modprobe shim6tool shim6d python3 radvd

BULK=$TEST_TMP/bulk
pids=()

# providers_up: only links and announcements. shim6d makes addresses and routing.
providers_up()
{
	local p

	topo_links 5ms || return
	for p in $TOPO_PROVIDERS; do
		busywait 20 no_tentative "p$p" host && radvd_set "$p" "$(topo_prefix "$p")" 1800 3600 || return
	done
	for p in $TOPO_PROVIDERS; do
		busywait 20 has_addr "$(topo_host "$p")" "$(topo_uplink "$p")" || { fail "no address of provider $p"; return 1; }
	done
}

# hosts_up: start shim6d on both hosts, with nothing in its configuration that matters here.
hosts_up()
{
	local h up

	for h in a b; do
		daemon_conf $h </dev/null && daemon_start $h || return
		for up in up1 up2; do
			busywait 60 is_made_at $h $up || { cat "$(daemon_dir $h)/log"; fail "$h: no address on $up"; return 1; }
		done
	done
	A1=$(made_addr a up1) B1=$(made_addr b up1)
}

hosts_down()
{
	local h

	[ ${#pids[@]} = 0 ] || { kill -KILL "${pids[@]}"; wait "${pids[@]}"; } 2>/dev/null
	pids=()
	in_ns core nft delete table ip6 blackhole 2>/dev/null
	for h in a b; do
		daemon_end $h TERM
		shim6tool -n "${ns}$h" context flush
		rm -rf "$(daemon_dir $h)"
	done
}

# bulk_up WAY: begin a connection from a to b between the ULIDs of link 1, and wait for its
# context.
bulk_up()
{
	rm -f "$BULK"*
	: >"$BULK.server"
	# Not by in_ns: signals must reach the programs.
	ip netns exec "${ns}b" /usr/bin/python3 "$here/bulk.py" serve "$B1" "$1" "$BULK" >"$BULK.server" 2>&1 9>&- &
	pids+=($!)
	busywait 20 grep -q ready "$BULK.server" || { cat "$BULK.server"; fail "no server"; return 1; }
	ip netns exec "${ns}a" /usr/bin/python3 "$here/bulk.py" call "$A1" "$B1" "$1" "$BULK" >"$BULK.client" 2>&1 9>&- &
	pids+=($!)
	busywait 60 established || { ask a /history; fail "no context"; return 1; }
	[ "$1" = stopped ] || busywait 20 test -s "$BULK" || fail "nothing arrives"
}

bulk_field()
{
	local name value

	while read -r name value; do
		[ "$name" != "$1" ] || echo "$value"
	done <"$BULK"
}
more_than() { [ "$(bulk_field got)" -gt "$1" ]; }

# goes_on SECONDS: data arrives again, and was never silent for longer than this.
goes_on()
{
	local got

	sleep 1
	got=$(bulk_field got)
	busywait 120 more_than "$got" || { fail "nothing arrives for two minutes"; return 1; }
	sleep 5
	awk -v l="$(bulk_field longest)" -v most="$1" 'BEGIN { print "silent for " l " s"; exit !(l <= most) }' ||
		fail "silent for $(bulk_field longest) s, wanted $1 at most"
}

# moves HOST: its moves, each with its trigger and the provider of a by which packets then go.
moves()
{
	ask_for "$1" /paths/history '[.[] | select(.direction == "outbound") | "\(.trigger) \(.to[$side] | split(":")[2])"] | join(", ")' \
		--arg side "locator-$([ "$1" = a ] && echo local || echo peer)"
}

# told HOST WHY: the reason is in the journal, in the history, and in the output of shim6tool.
told()
{
	grep -q "trigger=payload.*$2" "$(daemon_dir "$1")/log" || { cat "$(daemon_dir "$1")/log"; fail "the journal does not say why"; return 1; }
	shim6tool -n "${ns}$1" -socket "$(daemon_dir "$1")/socket" path history >"$TEST_TMP/told" &&
	grep -q 'trigger payload' "$TEST_TMP/told" && grep -q "$2" "$TEST_TMP/told" ||
		{ cat "$TEST_TMP/told"; fail "shim6tool does not say why"; }
}

# is_known HOST N: the host knows of N pairs that carry no payload.
is_known()
{
	shim6tool -n "${ns}$1" -socket "$(daemon_dir "$1")/socket" path show >"$TEST_TMP/known" &&
	[ "$(grep -c 'no-payload' "$TEST_TMP/known")" = "$2" ] || { cat "$TEST_TMP/known"; fail "not $2 paths with no-payload"; }
}

# long_lost OCTETS: lose packets longer than this, in either direction.
long_lost()
{
	blackhole_rules "add rule ip6 blackhole forward iifname p1 meta length > $1 counter drop
		add rule ip6 blackhole forward oifname p1 meta length > $1 counter drop"
}

# payload_lost LINK: lose all but control messages: TCP between ULIDs, and packets with a payload
# header, also in UDP.
payload_lost()
{
	blackhole_rules "add rule ip6 blackhole forward iifname $1 meta l4proto tcp counter drop
		add rule ip6 blackhole forward oifname $1 meta l4proto tcp counter drop
		add rule ip6 blackhole forward iifname $1 meta l4proto 140 @th,16,1 1 counter drop
		add rule ip6 blackhole forward oifname $1 meta l4proto 140 @th,16,1 1 counter drop
		add rule ip6 blackhole forward iifname $1 udp dport 61140 @th,80,1 1 counter drop
		add rule ip6 blackhole forward oifname $1 udp dport 61140 @th,80,1 1 counter drop"
}

# in_world CASE...: run the case between hosts that were just started.
in_world()
{
	local status

	hosts_up && "$@"
	status=$?
	hosts_down
	return $status
}

# long_packets WAY SENDER: the sender leaves, and the other host has no reason to.
long_packets()
{
	bulk_up "$1" && sleep 2 && long_lost 1400 && goes_on 5 || { ask "$2" /paths/history; cat "$(daemon_dir "$2")/log"; return 1; }
	expect_eq "moves" "$(moves "$2")" "payload 2" && told "$2" "packets of 1500 octets are lost" || return
	# It was asked natively and in UDP.
	is_known "$2" 2 || return
	# Ten minutes later a long Probe asks whether the pair carries long packets again.
	sleep 660
	expect_eq "moves in eleven minutes" "$(moves "$2" | tr ',' '\n' | wc -l)" 1 || { ask "$2" /paths/history; return 1; }
	in_ns core nft delete table ip6 blackhole && sleep 660 || return
	expect_eq "moves when it carries them again" "$(moves "$2")" "payload 2, return 1" &&
	goes_on 5
}

no_payload()
{
	bulk_up "$1" && sleep 2 && payload_lost p1 && goes_on 12 || { ask a /paths/history; ask b /paths/history; cat "$(daemon_dir a)/log"; return 1; }
	told "$2" "TCP gets no answer" || return
	sleep 400
	goes_on 12 && expect_eq "moves" "$(moves "$2")" "payload 2"
}

# A peer whose program does not read, one that has stopped, and one whose host refuses packets:
# no path is at fault, and there may be only a few tries.
reads_not()
{
	bulk_up stopped && sleep 150 && expect_eq "moves" "$(moves a)$(moves b)" ""
}

daemon_stopped()
{
	bulk_up up && daemon_signal b STOP && sleep 120 && goes_on 5 && expect_eq "moves" "$(moves a)" ""
	local status=$?
	daemon_signal b CONT
	return $status
}

peer_gone()
{
	bulk_up up && sleep 2 && blackhole_rules "add rule ip6 blackhole forward iifname p3 drop
		add rule ip6 blackhole forward iifname p4 drop" && sleep 600 && expect_eq "moves" "$(moves a)" ""
}

peer_refuses()
{
	local n

	bulk_up up && sleep 2 && in_ns b nft -f - <<-EOF || return
		table ip6 refuse { chain in { type filter hook input priority 0; meta l4proto tcp drop; }; }
	EOF
	sleep 1200
	in_ns b nft delete table ip6 refuse
	moves a
	n=$(moves a | tr ',' '\n' | wc -l)
	[ "$n" -le 15 ] || { fail "$n moves"; return 1; }
	# The session is on the same pair as before.
	[[ $(moves a) == *" 1" ]] || fail "it stays elsewhere"
}

modprobe shim6 || exit
set_up "the standard topology, at 20 ms, with an empty shim6d.conf" providers_up
run_test "long packets are lost on the way to the server, and the client leaves" in_world long_packets up a
run_test "long packets are lost on the way to the client, and the server leaves" in_world long_packets down b
run_test "no payload passes, and the client sends: both leave" in_world no_payload up a
run_test "no payload passes, and the server sends: both leave" in_world no_payload down b
run_test "a program that does not read is no reason to leave" in_world reads_not
run_test "a peer whose daemon has stopped is no reason to leave" in_world daemon_stopped
run_test "a peer that is gone is no reason to leave" in_world peer_gone
run_test "a peer that refuses TCP causes only a few tries" in_world peer_refuses
tap_end
