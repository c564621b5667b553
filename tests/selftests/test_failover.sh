#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The effect of failures on applications, in the standard topology with a round trip of
# 20 ms: with Shim6, and without it, plain and with MPTCP and SCTP set up as their
# documentation says; and once more with Shim6 in networks that drop what they do not know
# (middle.sh). The table is shown at the end, and kept in SHIM6_ARTIFACTS. flow.py makes the
# flows. iperf3 polls, which takes long in virtual time, so it is only in the first row.
#
# Chance decides by which subflow an MPTCP connection sends, so there are five
# connections. One that the failure did not hit has no result. Shim6 is compared with
# the median of the others, and the table says how many there were.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/flows.sh"
. "$here/middle.sh"
need ip ss tc nft modprobe shim6tool shim6d python3 radvd iperf3 ssh sshd ssh-keygen

TABLE=$TEST_TMP/table
IPERF=$TEST_TMP/iperf
iperf_servers=() iperf_clients=()
MPTCP="mptcp:5003 mptcp:5004 mptcp:5005 mptcp:5006 mptcp:5007"
PLAIN="tcp:5001 udp:5002 sctp:5008 $MPTCP"
SHIM6="tcp:5001 udp:5002"

# --- the world ---------------------------------------------------------------

world_up()
{
	local h n

	topo_up 5ms || return
	# MPTCP as its documentation says: the client opens subflows from all its
	# addresses to all addresses that the server announces.
	for h in a b; do
		n=${ns}$h
		ip -n "$n" mptcp limits set subflow 8 add_addr_accepted 8 || return
	done
	ip -n "${ns}a" mptcp endpoint add "$A1" dev up1 subflow fullmesh &&
	ip -n "${ns}a" mptcp endpoint add "$A2" dev up2 subflow fullmesh &&
	ip -n "${ns}b" mptcp endpoint add "$B2" dev up2 signal && sctp_tuned && ssh_up
}

# sctp_tuned: a path that has lost one packet is left (RFC 7829, section 5), as soon as for TCP, whose
# shortest time-out is 200 ms; and paths in reserve are asked each second.
sctp_tuned()
{
	local h set

	for h in a b; do
		for set in rto_min=200 rto_initial=200 rto_max=1000 hb_interval=1000 pf_retrans=0 path_max_retrans=2; do
			in_ns $h sysctl -qw net.sctp.$set || return
		done
	done
}

# sctp_routes replace|del: Linux sends to all addresses of an SCTP peer by the first default route, and
# from its address, unless there is another route to them.
sctp_routes()
{
	ip -n "${ns}a" -6 route "$1" "$B2/128" via "$(ra_gateway a up2)" dev up2 &&
		ip -n "${ns}b" -6 route "$1" "$A2/128" via "$(ra_gateway b up2)" dev up2
}

SOON=150 # Local failures are noticed at once: within so many milliseconds.

# --- iperf3 ------------------------------------------------------------------

# iperf_begin: send TCP and UDP from a to b, fifty times a second, by a program that does not
# know Shim6. It counts the octets that arrive in each tenth of a second.
iperf_begin()
{
	local what

	rm -f "$IPERF".*
	for what in tcp udp; do
		ip netns exec "${ns}b" iperf3 -s -1 -B "$B1" -p "$(iperf_port $what)" -J --logfile "$IPERF.$what" -i 0.1 &
		iperf_servers+=($!)
	done
	busywait 20 iperf_listens || { fail "iperf3 does not listen"; return 1; }
	for what in tcp udp; do
		# shellcheck disable=SC2046
		ip netns exec "${ns}a" iperf3 -c "$B1" -B "$A1" -p "$(iperf_port $what)" -t 1000 -b 400K -l 1000 \
			$([ $what = tcp ] || echo -u) >"$IPERF.$what.client" 2>&1 &
		iperf_clients+=($!)
	done
}

iperf_port() { [ "$1" = tcp ] && echo 5201 || echo 5202; }
iperf_listens() { [ "$(in_ns b ss -Hltn | grep -c ':520[12] ')" = 2 ]; }

# iperf_end: end the programs. The servers write their results when they end.
iperf_end()
{
	[ "${#iperf_servers[@]}" = 0 ] || { kill -TERM "${iperf_servers[@]}"; wait "${iperf_servers[@]}"; } 2>/dev/null
	[ "${#iperf_clients[@]}" = 0 ] || { kill -KILL "${iperf_clients[@]}"; wait "${iperf_clients[@]}"; } 2>/dev/null
	iperf_servers=() iperf_clients=()
}

# iperf_silence tcp|udp: the longest time in which nothing arrived, in milliseconds. Fails with
# a reason if iperf3 ended by itself.
iperf_silence()
{
	/usr/bin/python3 "$here/iperf_silence.py" "$IPERF.$1" 2>&1 || { cat "$IPERF.$1.client"; return 1; }
}

# --- one failure -------------------------------------------------------------

# row NAME SECONDS FAILURE TCP-LIMIT UDP-LIMIT [TRIGGER]: the failure without and with Shim6.
# Shim6 must be faster than MPTCP, and move by that trigger. Beside the flows there is an ssh
# session in which nothing is typed.
row()
{
	local name=$1 seconds=$2 failure=$3 tcp udp plain plain_udp mptcp hit sctp status=0

	heal && sctp_routes replace && flows "$seconds" "$failure" $PLAIN || { cat "$RESULTS.err"; return 1; }
	# Shim6 needs none. A link that went down has taken its own along.
	sctp_routes del 2>/dev/null
	plain=$(outage tcp:5001) plain_udp=$(outage udp:5002)
	sctp=$(outage sctp:5008)
	read -r mptcp hit <<<"$(mptcp_outage)"
	dead=0
	heal && daemons_up && session_begin && ${ROW_BESIDE:-true} && flows "$seconds" "shim6:$failure" $SHIM6 ||
		{ cat "$RESULTS.err"; iperf_end; daemons_down; return 1; }
	tcp=$(outage tcp:5001) udp=$(outage udp:5002)
	iperf_end
	session_lives 60 && session_end || status=1
	printf '%s|%s|%s|%s|%s|%s|%s|%s' "$name" "$plain" "$mptcp" "$hit of 5" "$sctp" "$tcp" "$plain_udp" "$udp" >>"$TABLE"
	echo "plain TCP $plain, MPTCP $mptcp ($hit of 5 hit), SCTP $sctp, Shim6 TCP $tcp, plain UDP $plain_udp, Shim6 UDP $udp"
	below "TCP" "$tcp" "$4" && below "UDP" "$udp" "$5" || status=1
	case $mptcp in never | none) ;; *) below "TCP, beside MPTCP" "$tcp" $((mptcp - 1)) || status=1 ;; esac
	# Three round trips at most: the failure has not hit it, or it had two paths all along.
	[ "$sctp" = never ] || [ "$sctp" -le 60 ] || below "TCP, beside SCTP" "$tcp" $((sctp - 1)) || status=1
	[ -z "${6:-}" ] || ask_if a /paths/history "any(.[]; .trigger | test(\"^($6)$\"))" || { fail "the trigger was not $6"; status=1; }
	[ $status = 0 ] || { ask a /paths/history; ask b /paths/history; cat "$RESULTS.err"; grep -v level=DEBUG "$(daemon_dir a)/log"; }
	daemons_down
	[ $status != 0 ] || in_the_middle "$seconds" "$failure" "$tcp" "$udp" $SHIM6 || status=1
	echo >>"$TABLE"
	return $status
}

# in_the_middle SECONDS FAILURE TCP UDP FLOW...: the same failure where networks drop protocol 140
# everywhere, on the second path only, and where routers at both ends let in what belongs to flows
# from inside. Each may take half a second more than the outages given, and a fifth. A column of the
# table has that of TCP and of UDP; a dash is for a flow that is not there. A stream one way alone has no
# context behind routers at both ends: the receiver sends nothing that opens its own.
in_the_middle()
{
	local seconds=$1 failure=$2 limit_tcp limit_udp tcp udp middle status=0

	limit_tcp=$(($3 * 12 / 10 + 500)) limit_udp=$(($4 * 12 / 10 + 500))
	shift 4
	for middle in no140 "no140 2 4" "cpe 1 2 3 4"; do
		tcp=- udp=-
		[ "$middle $*" != "cpe 1 2 3 4 udp:5002" ] || { printf '|-/-' >>"$TABLE"; continue; }
		heal && $middle && daemons_up && flows "$seconds" "shim6:$failure" "$@" || { cat "$RESULTS.err"; status=1; }
		[[ $* != *tcp* ]] || { tcp=$(outage tcp:5001); below "TCP, $middle" "$tcp" $limit_tcp || status=1; }
		[[ $* != *udp* ]] || { udp=$(outage udp:5002); below "UDP, $middle" "$udp" $limit_udp || status=1; }
		echo "$middle: TCP $tcp, UDP $udp"
		printf '|%s' "$tcp/$udp" >>"$TABLE"
		[ $status = 0 ] || { ask a /paths/history; ask b /paths/history; cat "$(daemon_dir a)/log" "$(daemon_dir b)/log"; }
		daemons_down
		middle_clear
	done
	return $status
}

# mptcp_outage: the median of the connections that the failure has hit, and their number. A
# connection that was silent for three round trips at most was sending by another subflow.
mptcp_outage()
{
	awk '$1 ~ /^mptcp:/ { ms[++n] = $3 == "back" ? $2 : 1e9 }
		END {
			for (i = 1; i <= n; i++) {
				if (ms[i] <= 60)
					continue
				for (j = ++hit; j > 1 && sorted[j - 1] > ms[i]; j--)
					sorted[j] = sorted[j - 1]
				sorted[j] = ms[i]
			}
			m = sorted[int((hit + 1) / 2)]
			print !hit ? "none" : m == 1e9 ? "never" : m, hit + 0
		}' "$RESULTS"
}

# with_iperf NAME SECONDS FAILURE TCP-LIMIT UDP-LIMIT [TRIGGER]: a row, with iperf3 beside it.
with_iperf()
{
	local what ms status=0

	ROW_BESIDE=iperf_begin row "$@" || status=1
	for what in tcp udp; do
		ms=$(iperf_silence $what) || { fail "iperf3, $what: $ms"; status=1; continue; }
		echo "iperf3, $what: $ms ms" | tee -a "$TEST_TMP/iperf-seen"
		below "iperf3, $what" "$ms" "$([ $what = tcp ] && echo "$4" || echo "$5")" || status=1
	done
	return $status
}

# alone NAME SECONDS FAILURE LIMIT: a flow of UDP, without a TCP that could notice the failure.
alone()
{
	local udp status=0

	heal && daemons_up && flows "$2" "shim6:$3" udp:5002 || { cat "$RESULTS.err"; daemons_down; return 1; }
	udp=$(outage udp:5002)
	printf '%s|-|-|-|-|-|-|%s' "$1" "$udp" >>"$TABLE"
	below "UDP" "$udp" "$4" || { ask a /paths/history; status=1; }
	daemons_down
	[ $status != 0 ] || in_the_middle "$2" "$3" 0 "$udp" udp:5002 || status=1
	echo >>"$TABLE"
	return $status
}

# address_removed: by a program that renews a configuration, and restores the address a second later,
# unless an advertisement has done so. Where nobody does, shim6d lets it go after two, since another
# host may have it now.
address_removed()
{
	ip -n "${ns}a" addr del "$A1/64" dev up1 && pause 1 || return
	ip -n "${ns}a" -6 addr show dev up1 | grep -qF "$A1/64" || ip -n "${ns}a" addr add "$A1/64" dev up1
}

both_ends() { link_cut a up1 && link_cut b up1; }

flapping()
{
	local i

	for i in 1 2 3 4 5; do
		link_cut a up1 || return
		sleep 4
		link_restore a up1 || return
		sleep 4
	done
}

# second_failure SINK: the first failure is not measured here: it has a row of its own.
second_failure()
{
	link_cut a up1 || return
	sleep 5
	kill -USR1 "$1" && busywait 20 eval '[ "$(grep -c marked "$RESULTS")" = 2 ]' && link_cut b up1
}

# all_dead SINK: the outage is measured from the time when one path works again.
all_dead()
{
	dead=40000
	blackhole 1 both && blackhole 2 both || return
	sleep $((dead / 1000))
	blackhole_clear && blackhole 1 both && kill -USR1 "$1"
}

# A host that only receives sends Keepalives, at intervals from a third to a half of 15
# seconds, and no host explores.
one_way_traffic()
{
	local before probes sink n status=0

	heal && daemons_up || return
	command_ok a open "$(context_name "$A1" "$B1")" && busywait 10 context_is b established ||
		{ daemons_down; return 1; }
	before=$(stat_of b keepalive-out) probes=$(probes_of a)
	ip netns exec "${ns}b" /usr/bin/python3 "$here/flow.py" sink "$B1" udp:5002 >"$RESULTS" &
	sink=$!
	busywait 20 grep -q ready "$RESULTS"
	in_ns a /usr/bin/python3 "$here/flow.py" source 60 10 "$A1" "$B1" udp:5002
	kill $sink
	n=$(($(stat_of b keepalive-out) - before))
	[ $n -ge 7 ] && [ $n -le 13 ] || { fail "$n Keepalives in 60 seconds"; status=1; }
	expect_eq "Probes of a" "$(probes_of a)" "$probes" &&
	expect_eq "moves" "$(ask a /paths/history)" "[]" && expect_eq "moves of b" "$(ask b /paths/history)" "[]" || status=1
	daemons_down
	return $status
}

probes_of() { ask_for "$1" /status '[.sent.Probe, .received.Probe]'; }

show()
{
	{
		echo "outage in ms, 20 ms RTT|plain TCP|MPTCP|hit|SCTP|Shim6 TCP|plain UDP|Shim6 UDP|no 140|140 on 1st|firewalls"
		cat "$TABLE"
	} | columns 28
	echo "MPTCP: the median of the connections that were hit, and how many were"
	echo "no 140: Shim6, TCP/UDP, all paths drop protocol 140; 140 on 1st: the second ones do;"
	echo "firewalls: home routers at both ends let in what belongs to flows from inside"
	sed 's/$/ in the first row, by tenths of a second/' "$TEST_TMP/iperf-seen"
}

modprobe shim6 || exit
: >"$TABLE" && : >"$TEST_TMP/iperf-seen"
set_up "the standard topology, at 20 ms" world_up
run_test "local link down, with ssh and iperf3 beside" with_iperf "local link down" 15 link_down $SOON $SOON local
run_test "address removed" row "address removed" 30 address_removed $SOON $SOON local
run_test "silent black hole, both ways" row "black hole, both ways" 60 black_hole 400 400 "ulp|silence"
run_test "silent black hole, one way out" row "black hole, one way out" 60 black_hole_out 500 500
run_test "silent black hole, one way in" row "black hole, one way in" 60 black_hole_in 500 500
run_test "silent black hole, UDP alone" alone "black hole, UDP alone" 60 black_hole 400
run_test "silent black hole, one way out, UDP alone" alone "one way out, UDP alone" 60 black_hole_out 400
run_test "silent black hole, one way in, UDP alone" alone "one way in, UDP alone" 60 black_hole_in 400
run_test "silent black hole, UDP alone, no stream is watched" unwatched alone "UDP alone, unwatched" 60 black_hole 16500
# Twice as long: the peer, which is heard, continues with Keepalives for the Keepalive
# Timeout, as in RFC 5534 (sections 6.1 and 6.3).
run_test "silent black hole, one way out, UDP alone, no stream is watched" unwatched alone "one way out, unwatched" 60 black_hole_out 31500
run_test "provider flapping" row "provider flapping" 30 flapping $SOON $SOON
run_test "second failure after the first" row "second failure" 30 second_failure $SOON $SOON
run_test "both hosts at once" row "both hosts at once" 30 both_ends $SOON $SOON
run_test "all paths dead, then one back" row "all dead, one back" 90 all_dead 15000 15000
run_test "traffic one way: Keepalives the other way, and nobody explores [boeing-3.2-03 5534-4.1-02]" one_way_traffic
show | sed 's/^/# /'
[ -z "${SHIM6_ARTIFACTS:-}" ] || show >"$SHIM6_ARTIFACTS/failover.txt"
tap_end
