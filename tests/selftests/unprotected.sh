# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sessions that are not protected, and hosts with nowhere to go, are told of: cases of test_tool.sh,
# which sources this after monitor.sh.

# Why a pair has no context: it is told as what it is, counted, and then as what shim6d knows.
tells_flows()
{
	local sink status=0

	ip netns exec "${ns}b" /usr/bin/python3 -c '
import socket, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 5555))
time.sleep(600)' &
	sink=$!
	sleep 1
	flows_told || status=1
	kill $sink
	wait $sink 2>/dev/null
	tool a config set trigger-packets 0
	return $status
}

flows_told()
{
	local pid status=0

	chatter $A2 $B2 3 && says 0 "^$A2 $B2 3 packets" tool a flow && says 0 "neither packets nor time ask for a context" tool a flow || return
	tool a config set trigger-packets 45 && chatter $A2 $B2 1 || return
	says 0 "^$A2 $B2 4 of 45 packets" tool a flow && says 0 "the peer has sent nothing yet" tool a flow &&
	says 0 "^    $A2 $B2 4 of 45 packets" tool a && tool a -j flow | keys ulid-local ulid-peer packets trigger-packets heard protection || return
	ip netns exec "${ns}b" /usr/bin/python3 "$here/noshim6.py" >"$TEST_TMP/noshim6" &
	pid=$!
	: >"$TEST_TMP/monitor"
	in_ns a timeout -s INT 120 shim6tool monitor protection >"$TEST_TMP/monitor" 2>&1 &
	monitor=$!
	sleep 3
	busywait 20 grep -q ready "$TEST_TMP/noshim6" && chatter $A2 $B2 45 &&
		hears "^protection $A2 $B2 not protected: the peer has no Shim6" &&
		says 0 "shim6d was asked for a context" tool a flow && says 0 "not protected: the peer has no Shim6" tool a flow &&
		says 0 "not protected: the peer has no Shim6" tool a &&
		expect_eq "why" "$(tool a -j flow | jq -r '.[0].protection.why')" "the peer has no Shim6" || status=1
	monitored || status=1
	kill $pid
	wait $pid 2>/dev/null
	return $status
}

# chatter LOCAL PEER N: packets that nobody answers.
chatter()
{
	in_ns a /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4400))
for _ in range(int(sys.argv[3])):
    s.sendto(b"x", (sys.argv[2], 5555))' "$@"
}

# unmanaged COMMAND...: while shim6d sets up no routes by source, so that advice is needed. It starts
# again afterwards: a link that has had a router does not work without one.
unmanaged()
{
	local d status

	d=$(daemon_dir a)
	cp "$d/shim6d.conf" "$d/managed" && printf '[addresses]\nmanage = false\n' >>"$d/shim6d.conf" && tool a daemon reload || return
	"$@"
	status=$?
	cp "$d/managed" "$d/shim6d.conf" && daemon_restart a && return $status
}

# two_routers: both links have a default router, of which the first one is preferred.
two_routers()
{
	ip -n "${ns}a" -6 route add default via $B1 dev up1 metric 100 && ip -n "${ns}a" -6 route add default via $B2 dev up2 metric 200
}

routers_gone()
{
	ip -n "${ns}a" -6 route show default | sed 's/expires [0-9]*sec//' | while read -r route; do
		# shellcheck disable=SC2086
		ip -n "${ns}a" -6 route del $route
	done
}

# advised ADDRESS PATTERN: doctor finds that the address leaves by up1, and not as the pattern has it.
# Its advice is followed, and then it finds nothing.
advised()
{
	local all command

	says 0 "^warn routes *packets from $1 to 3fff::1 leave by up1, not by $2" tool a doctor || return
	all=$(tool a -j doctor)
	command=$(jq -r --arg a "packets from $1 " 'first(.[] | select(.text | startswith($a))).advice | capture("route by source: .(?<it>ip [^\u0027]*)").it' <<<"$all")
	# shellcheck disable=SC2086
	in_ns a $command || { fail "the advice is '$command'"; return 1; }
	tool a doctor | grep "packets from $1 " && { fail "'$command' does not help"; return 1; }
	# shellcheck disable=SC2086
	in_ns a ${command/ add / del }
}

# A prefix of provider 2 that was delegated to this host, whose own link has no router; and an address
# without a prefix, as DHCPv6 gives it.
doctor_sources()
{
	local status=0

	tool a context flush
	tool b context flush
	two_routers && ip -n "${ns}a" link add lan type dummy && ip -n "${ns}a" link set lan up &&
	ip -n "${ns}a" addr add 2001:db8:2:c::1/64 dev lan nodad && ip -n "${ns}a" addr add 2001:db8:2::d1/128 dev up2 nodad || return
	advised 2001:db8:2:c::1 "up2, whose provider has delegated its prefix" && advised 2001:db8:2::d1 "its own up2" || status=1
	ip -n "${ns}a" link del lan
	ip -n "${ns}a" addr del 2001:db8:2::d1/128 dev up2
	routers_gone
	return $status
}

# Two prefixes on one link, with one router.
doctor_one_router()
{
	local status=0

	ip -n "${ns}a" -6 route add default via $B1 dev up1 && ip -n "${ns}a" addr del $A2/64 dev up2 &&
	ip -n "${ns}a" addr add $A2/128 dev up1 nodad || return
	busywait 20 heard_routes "^warn routes *all addresses leave by one router, $B1 on up1: if it fails, there is nowhere to go" ||
		{ tool a doctor; fail "doctor does not say so"; status=1; }
	ip -n "${ns}a" addr del $A2/128 dev up1
	ip -n "${ns}a" addr add $A2/64 dev up2 nodad
	routers_gone
	return $status
}

heard_routes() { tool a doctor | grep -q "$1"; }
