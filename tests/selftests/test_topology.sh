#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The standard topology and its helpers do what they say.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/topology.sh"
need ip radvd tcpdump nft tc ping

addresses_from_ra()
{
	local h up

	for h in a b; do
		for up in up1 up2; do
			ip -n "${ns}$h" -6 addr show dev $up to "$(topo_addr $h $up)" | grep -q 'dynamic.*mngtmpaddr' ||
				{ fail "$h $up: the address is not from an RA"; ip -n "${ns}$h" -6 addr; return 1; }
		done
	done
}

source_routing()
{
	local up n

	for up in up1 up2; do
		capture_start a $up "$TEST_TMP/src-$up.pcap" icmp6 || return
	done
	topo_ping up2 up1 3 || return
	busywait 5 captured "$TEST_TMP/src-up2.pcap" 3 "icmp6[0] == 128"
	for up in up1 up2; do
		capture_stop "$TEST_TMP/src-$up.pcap"
	done
	n=$(capture_count "$TEST_TMP/src-up2.pcap" "icmp6 and src $(topo_addr a up2) and dst $(topo_addr b up1)")
	expect_eq "echo requests on up2" "$n" 3 || return
	n=$(capture_count "$TEST_TMP/src-up1.pcap" "icmp6 and host $(topo_addr b up1)")
	expect_eq "packets to b on up1" "$n" 0
}

cut_and_restore()
{
	link_cut a up1 || return
	busywait 5 no_carrier a up1 || { fail "the carrier is still there"; return 1; }
	! topo_ping up1 up1 || { fail "a cut link still carries pings"; return 1; }
	busywait 5 topo_ping up2 up1 || { fail "the other uplink was cut as well"; return 1; }
	link_restore a up1 || return
	has_carrier a up1 && topo_ping_all 10
}

# The request is lost on the way out, or the reply on the way in: b shows which.
blackhole_one_way()
{
	local dir=$1 wanted=$2 got

	capture_start b up1 "$TEST_TMP/bh.pcap" icmp6 || return
	blackhole 1 "$dir" || return
	! topo_ping up1 up1 2 || { fail "a ping came through"; return 1; }
	busywait 5 topo_ping up2 up1 || { fail "the other provider is black as well"; return 1; }
	got=$(blackhole_count 1 "$dir")
	expect_eq "packets dropped in the core" "$got" 2 || return
	blackhole_clear || return
	[ "$wanted" = 0 ] ||
		busywait 5 captured "$TEST_TMP/bh.pcap" "$wanted" "icmp6 and src $(topo_addr a up1) and dst $(topo_addr b up1)"
	capture_stop "$TEST_TMP/bh.pcap"
	got=$(capture_count "$TEST_TMP/bh.pcap" "icmp6 and src $(topo_addr a up1) and dst $(topo_addr b up1)")
	expect_eq "requests that reached b" "$got" "$wanted" || return
	busywait 5 topo_ping up1 up1 || fail "it stays black"
}

# Milliseconds of the fastest of three pings.
rtt()
{
	in_ns a ping -6 -q -n -c 3 -i 0.3 -I "$(topo_addr a up1)" "$(topo_addr b up1)" |
		sed -n 's/^rtt [^=]*= \([0-9]*\).*/\1/p'
}

delay()
{
	local ms

	netem_set 1 50ms || return
	ms=$(rtt)
	[ "${ms:-0}" -ge 100 ] || { fail "a round trip takes ${ms:-no} ms, wanted 100"; return 1; }
	busywait 5 topo_ping up2 up1 || return
	netem_clear 1
	ms=$(rtt)
	[ "${ms:-999}" -lt 100 ] || fail "a round trip still takes ${ms:-no} ms"
}

loss()
{
	netem_set 2 1ms 100% || return
	! topo_ping up2 up1 2 || { fail "a ping came through"; return 1; }
	netem_clear 2
	busywait 5 topo_ping up2 up1 || fail "the loss stays"
}

prefix_comes_and_goes()
{
	prefix_remove 1 || return
	busywait 15 addr_deprecated a up1 || { fail "the address is not deprecated"; return 1; }
	has_addr a up1 || { fail "the address is gone: two hours are its due"; return 1; }
	prefix_restore 1 || return
	busywait 15 addr_preferred a up1 || { fail "the address stays deprecated"; return 1; }
	prefix_add 1 2001:db8:1:2 || return
	busywait 15 has_addr a up1 2001:db8:1:2 || { fail "no address of the new prefix"; return 1; }
	busywait 5 in_ns a ping -6 -q -n -c 1 -W 2 -I "$(topo_addr a up1 2001:db8:1:2)" "$(topo_addr b up1)" ||
		{ fail "the new address does not reach b"; return 1; }
	prefix_restore 1
}

# leaves_nothing HOW: run another test inside this one, which ends in the given way. It must leave
# nothing.
leaves_nothing()
{
	local how=$1 pid mine=$TEST_TMP/inner.sh prefix dir

	cat >"$mine" <<-EOF
		. "$here/lib.sh"
		. "$here/topology.sh"
		echo "\${ns} \$TEST_TMP" >"$TEST_TMP/inner"
		case $how in
		half) ip() { [ "\$1" != -batch ] || { head -n 24 "\$2" | command ip -batch -; exit 1; }; command ip "\$@"; } ;;
		esac
		topo_up
		capture_start a up1 "\$TEST_TMP/x.pcap"
		touch "$TEST_TMP/inner.up"
		case $how in
		kill) while :; do sleep 0.1; done ;;
		esac
	EOF
	rm -f "$TEST_TMP/inner" "$TEST_TMP/inner.up"
	bash "$mine" &
	pid=$!
	if [ "$how" = kill ]; then
		busywait 60 test -e "$TEST_TMP/inner.up" || { fail "it did not come up"; return 1; }
		kill -TERM $pid
	fi
	wait $pid
	read -r prefix dir <"$TEST_TMP/inner" || return
	! ip netns list | grep "^$prefix" || { fail "namespaces are left"; return 1; }
	[ ! -e "$dir" ] || { fail "$dir is left"; return 1; }
	# shellcheck disable=SC2009
	! ps -eo args | grep -F "$dir" | grep -v grep || fail "processes are left"
}

set_up "comes up, and all four pairs answer" topo_up
run_test "addresses are from router advertisements" addresses_from_ra
run_test "packets leave by the uplink of their source" source_routing
run_test "a cut link loses its carrier and heals" cut_and_restore
run_test "a black hole on the way out" blackhole_one_way out 0
run_test "a black hole on the way in" blackhole_one_way in 2
run_test "delay" delay
run_test "loss" loss
run_test "prefixes come and go" prefix_comes_and_goes
run_test "nothing is left after success" leaves_nothing success
run_test "nothing is left after a failure half-way" leaves_nothing half
run_test "nothing is left after SIGTERM" leaves_nothing kill
tap_end
