#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs/server-and-laptop.md, as its reader follows it: a server with addresses set by hand,
# whose two providers have their routers on one link, and a laptop with two uplinks under
# systemd-networkd. The commands are taken from the page. Providers drop what has another
# one's address as its source.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
TAP_STORY=1
. "$here/pair.sh"
. "$here/topology.sh"
. "$here/daemon.sh"
need ip tc nft modprobe radvd shim6tool shim6d ssh sshd
page=$here/../../docs/server-and-laptop.md

# blocks HOST: the commands of the page that are to be run there, with a blank line between
# those that stand apart.
blocks()
{
	awk -v mark="<!-- run: $1 -->" '
		$0 == mark { on = 1; next }
		on && /^    / { print substr($0, 5); begun = 1; next }
		on && begun { on = begun = 0; print "" }
		END { if (on && !begun) exit 1 }' "$page"
}

# block HOST N: the Nth block of commands.
block() { blocks "$1" | awk -v RS= -v n="$2" 'NR == n'; }

# follow HOST N: run a block on host a (the server) or b, and print what it prints. Variables are
# kept from block to block, as in a shell.
follow()
{
	local h=b

	[ "$1" = laptop ] || h=a
	block "$1" "$2" >"$TEST_TMP/block" && [ -s "$TEST_TMP/block" ] || { fail "$page has no block $2 for the $1"; return 1; }
	touch "$TEST_TMP/variables.$h"
	in_ns $h env PATH="$TEST_TMP/bin:$PATH" bash -ec ". '$TEST_TMP/variables.$h'; . '$TEST_TMP/block'; declare -p one two 2>/dev/null | sed 's/^declare /declare -g /' >'$TEST_TMP/variables.$h'"
}

# link HOST UPLINK PROVIDER: one of the laptop's links.
link()
{
	ip link add "$2" netns "${ns}$1" address 00:00:5e:00:0$3:02 type veth peer name host netns "${ns}p$3" address 00:00:5e:00:0$3:01 &&
		ip -n "${ns}$1" link set "$2" up
}

network()
{
	local h p

	for h in a b p1 p2 p3 p4 core sw; do
		ns_add $h || return
	done
	for h in core p1 p2 p3 p4; do
		in_ns $h sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 || return
	done
	in_ns a sysctl -qw net.ipv6.conf.default.accept_ra=0 && in_ns b sysctl -qw net.ipv6.conf.default.accept_ra=0 &&
		in_ns sw sysctl -qw net.ipv6.conf.default.disable_ipv6=1 &&
		ip -n "${ns}sw" link add br0 type bridge forward_delay 0 && ip -n "${ns}sw" link set br0 up &&
		ip link add eth0 netns "${ns}a" type veth peer name server netns "${ns}sw" &&
		ip -n "${ns}sw" link set server master br0 up && ip -n "${ns}a" link set eth0 up || return
	for p in 1 2; do
		ip link add host netns "${ns}p$p" type veth peer name p$p netns "${ns}sw" && ip -n "${ns}sw" link set p$p master br0 up || return
	done
	link b up1 3 && link b up2 4 || return
	for p in 1 2 3 4; do
		ip link add core netns "${ns}p$p" type veth peer name p$p netns "${ns}core" &&
			ip -n "${ns}p$p" link set host up && ip -n "${ns}p$p" link set core up && ip -n "${ns}core" link set p$p up &&
			ip -n "${ns}p$p" addr add 2001:db8:$p:1::1/64 dev host nodad && ip -n "${ns}p$p" addr add 2001:db8:f:$p::2/64 dev core nodad &&
			ip -n "${ns}core" addr add 2001:db8:f:$p::1/64 dev p$p nodad && ip -n "${ns}core" -6 route add 2001:db8:$p::/48 via 2001:db8:f:$p::2 &&
			ip -n "${ns}p$p" -6 route add 2001:db8::/32 via 2001:db8:f:$p::1 || return
		ip netns exec "${ns}p$p" tc qdisc replace dev core root netem delay 5ms
		ip netns exec "${ns}core" tc qdisc replace dev p$p root netem delay 5ms
		in_ns p$p nft "table ip6 bcp38 { chain forward { type filter hook forward priority 0;
			iifname host ip6 saddr != { 2001:db8:$p::/48, fe80::/10 } counter drop; }; }" || return
	done
	# The address that the server has had all the time.
	ip -n "${ns}a" addr add 2001:db8:1:1::80/64 dev eth0 nodad
}

# forged PROVIDER: how many packets of its customer it has dropped.
forged() { in_ns p$1 nft list table ip6 bcp38 | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'; }

# shim6d_of HOST: start it with /etc/shim6d.conf, as far as the page has written that.
shim6d_of()
{
	local conf=/dev/null

	[ "$1" = b ] || conf=/etc/shim6d.conf
	daemon_conf "$1" <$conf && daemon_found "$1" && daemon_start "$1"
}

# The laptop's network is systemd-networkd's.
laptop()
{
	mkdir -p "$TEST_TMP/network" /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases &&
		chown -R systemd-network: /run/systemd/netif || return
	printf '[Match]\nName=up*\n\n[Network]\nIPv6AcceptRA=yes\n' >"$TEST_TMP/network/up.network"
	in_ns b unshare --mount --propagation private sh -c '
		mount --bind "$1" /etc/systemd/network && mount -o remount,ro /sys && exec "$2"' sh "$TEST_TMP/network" \
		/usr/lib/systemd/systemd-networkd >"$TEST_TMP/networkd.log" 2>&1 9>&- &
	busywait 20 no_tentative p3 host && busywait 20 no_tentative p4 host && radvd_set 3 2001:db8:3:1 1800 3600 && radvd_set 4 2001:db8:4:1 1800 3600 &&
		busywait 60 has_addr b up1 && busywait 60 has_addr b up2 && shim6d_of b &&
		busywait 60 is_made_at b up1 && busywait 60 is_made_at b up2 || { cat "$TEST_TMP/networkd.log" "$(daemon_dir b)/log"; ip -n "${ns}b" addr; return 1; }
}

server()
{
	: >/etc/shim6d.conf
	mkdir -p "$TEST_TMP/bin" && printf '#!/bin/sh\necho "systemctl $*"\n' >"$TEST_TMP/bin/systemctl" && chmod +x "$TEST_TMP/bin/systemctl" || return
	follow server 1 && follow server 2 || return
	follow server 3 | tee "$TEST_TMP/out"
	grep -q "systemctl restart shim6d" "$TEST_TMP/out" || { fail "shim6d is not restarted"; return 1; }
	shim6d_of a
	# shellcheck disable=SC1091
	. "$TEST_TMP/variables.a"
	busywait 10 usable "$one" && busywait 10 usable "$two" || { ip -n "${ns}a" addr; fail "the addresses are not there"; }
}

usable() { ip -n "${ns}a" addr show dev eth0 to "$1" -tentative | grep -q inet6; }

# Doctor finds no fault; it may say that the old address proves nothing.
well()
{
	follow server 4 | tee "$TEST_TMP/out"
	grep -q "^$one dev eth0 hba" "$TEST_TMP/out" && grep -q "^$two dev eth0 hba" "$TEST_TMP/out" && grep -q '^ok   routes' "$TEST_TMP/out" &&
		! grep -q '^fail' "$TEST_TMP/out" || fail "that is not well"
}

protected() { shim6tool -n "${ns}b" -socket "$(daemon_dir b)/socket" context | grep -q "protected by .* of 2 networks here and 2 networks there"; }

# begins: the laptop connects to the server's new address, and has a context after ten seconds.
begins()
{
	ssh_keys && mkdir -p /run/sshd || return
	# shellcheck disable=SC2086
	in_ns a "$(command -v sshd)" -f /dev/null $SSH_OPTIONS -o SetEnv=SHLVL=2 -h "$TEST_TMP/ssh/host" -o "AuthorizedKeysFile=$TEST_TMP/ssh/authorized" \
		-o StrictModes=no -o UsePAM=no -o "PidFile=$TEST_TMP/ssh/pid" -o PermitRootLogin=yes -o "ListenAddress=[::]:22" -E "$TEST_TMP/ssh/log" &&
		busywait 20 listens a 22 || return
	mkfifo "$TEST_TMP/ssh/in" || return
	# shellcheck disable=SC2086
	in_ns b ssh -F /dev/null $SSH_OPTIONS -T -i "$TEST_TMP/ssh/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o BatchMode=yes "root@$one" cat <"$TEST_TMP/ssh/in" >"$TEST_TMP/ssh/out" 2>"$TEST_TMP/ssh/err" &
	session_pid=$!
	exec 9>"$TEST_TMP/ssh/in"
	session_lives 60 && session_talk 60 && busywait 30 protected || { follow laptop 1; return 1; }
	follow laptop 1 | tee "$TEST_TMP/out"
	! grep -q '^fail' "$TEST_TMP/out" && shim6tool -n "${ns}b" -socket "$(daemon_dir b)/socket" doctor peer "$one" >"$TEST_TMP/out" 2>&1 ||
		{ cat "$TEST_TMP/out"; fail "doctor finds fault"; return 1; }
	expect_eq "pairs that answer by each provider" "$(grep -c "^ok   pairs .* to $one\>" "$TEST_TMP/out") $(grep -c "^ok   pairs .* to $two\>" "$TEST_TMP/out")" "4 4" ||
		{ cat "$TEST_TMP/out"; return 1; }
}

# survives: provider 1 of the server loses everything. No packet ever leaves by the wrong one.
survives()
{
	in_ns core tc qdisc replace dev p1 root netem loss 100% && in_ns p1 tc qdisc replace dev core root netem loss 100% &&
		session_lives 10 && session_talk 20 || return
	follow server 5 | tee "$TEST_TMP/out"
	grep -q "from $one" "$TEST_TMP/out" && grep -q "to   $two" "$TEST_TMP/out" || { fail "the history does not say so"; return 1; }
	expect_eq "packets with a wrong source" "$(forged 1) $(forged 2)" "0 0" && session_end
}

modprobe shim6 || exit
set_up "a server on one link with two routers, and a laptop with two links" network
set_up "the laptop, by its manager and shim6d alone" laptop
run_test "the server, by the commands of the page" server
run_test "doctor finds all well" well
run_test "a session is protected, and all pairs answer" begins
run_test "it survives the failure of the server's provider" survives
tap_end
