# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two hosts with two links between them, a library for tests of the data path
# (source lib.sh first). Link N is 2001:db8:N::/64 with a at ::a and b at ::b;
# the ULIDs are the addresses of link 1.

. "${BASH_SOURCE[0]%/*}/answers.sh"

A1=2001:db8:1::a A2=2001:db8:2::a
B1=2001:db8:1::b B2=2001:db8:2::b
TAG_A=0x00000a0a0a0a
TAG_B=0x7fff0b0b0b0b

pair_link()
{
	ip link add "up$1" netns "${ns}a" type veth peer name "up$1" netns "${ns}b" &&
	ip -n "${ns}a" link set "up$1" up && ip -n "${ns}b" link set "up$1" up &&
	ip -n "${ns}a" addr add "2001:db8:$1::a/64" dev "up$1" nodad &&
	ip -n "${ns}b" addr add "2001:db8:$1::b/64" dev "up$1" nodad &&
	link_alive "$1"
}

pair_up()
{
	ns_add a b && pair_link 1 && pair_link 2 || return
	in_ns a ping -6 -q -n -c 1 -W 5 $B1 && in_ns a ping -6 -q -n -c 1 -W 5 $B2
}

# context_up: make an established context on its ULIDs, at both ends.
context_up()
{
	shim6tool -n "${ns}a" context add $A1 $B1 tag-local $TAG_A tag-peer $TAG_B state established \
		locators-local $A2 locators-peer $B2 &&
	shim6tool -n "${ns}b" context add $B1 $A1 tag-local $TAG_B tag-peer $TAG_A state established \
		locators-local $B2 locators-peer $A2
}

# switch_host HOST LINK [KEY VALUE...]: the context sends by the locator pair of the link. With
# link 1 these are the ULIDs, and the header stays.
switch_host()
{
	local l=a p=b l1=$A1 p1=$B1 h=$1 link=$2

	shift 2
	[ "$h" = a ] || { l=b p=a l1=$B1 p1=$A1; }
	shim6tool -n "${ns}$h" context set "$l1" "$p1" \
		locator-local "2001:db8:$link::$l" locator-peer "2001:db8:$link::$p" "$@"
}

switch_to() { switch_host a "$1" && switch_host b "$1"; }

# switch_to_udp LINK: as switch_to, in UDP.
switch_to_udp() { switch_host a "$1" encapsulation udp && switch_host b "$1" encapsulation udp; }
UDP_PORT=61140
udp_open() { shim6tool -n "${ns}a" config set udp-port $UDP_PORT && shim6tool -n "${ns}b" config set udp-port $UDP_PORT; }

# start_over: both hosts send by the ULIDs, as if they had never left them.
start_over() { switch_host a 1 header 0 && switch_host b 1 header 0; }

# end_set LINK HOST [NETEM WORDS...]: set how that end of the link sends. It has a rate: in
# virtual time nothing else would end a stream.
end_set()
{
	local link=$1 host=$2

	shift 2
	in_ns "$host" tc qdisc replace dev "up$link" root netem delay 2ms rate 40mbit limit 2000 "$@"
}

# link_set LINK [NETEM WORDS...]: set how both ends of the link send.
link_set()
{
	local link=$1

	shift
	end_set "$link" a "$@" && end_set "$link" b "$@"
}

# link_dead LINK: the link loses all packets, both ways, and no host is told.
link_dead() { link_set "$1" loss 100%; }
link_alive() { link_set "$1"; }

# stat_of HOST COUNTER
stat_of() { shim6tool -n "${ns}$1" stats | awk -v k="$2" '$1 == k { print $2 }'; }

# grew HOST COUNTER BEFORE [AT-LEAST]
grew()
{
	local now

	now=$(stat_of "$1" "$2")
	[ $((now - $3)) -ge "${4:-1}" ] || fail "$1: $2 went from $3 to $now, wanted ${4:-1} more"
}

# stream SECONDS COMMAND...: run a stream, and the command after a third of its time.
stream()
{
	local seconds=$1 sink source d=$TEST_TMP/stream

	shift
	in_ns b timeout 60 /usr/bin/python3 "$here/stream.py" sink $B1 >"$d.sink" 2>"$d.longest" &
	sink=$!
	busywait 20 grep -q ready "$d.sink" || { fail "the sink is not ready"; return 1; }
	in_ns a timeout 60 /usr/bin/python3 "$here/stream.py" source $B1 "$seconds" >"$d.source" &
	source=$!
	sleep "$((seconds / 3))"
	"$@" || return
	wait $source || { fail "the source fails"; return 1; }
	wait $sink || { cat "$d.longest"; fail "the sink fails"; return 1; }
	expect_eq "what arrived" "$(sed 1d "$d.sink")" "$(cat "$d.source")"
}

# Options of both ssh and sshd. The default key exchange takes seconds on emulated processors.
SSH_OPTIONS="-o KexAlgorithms=curve25519-sha256"

# ssh_keys: make the keys of a server and its user.
ssh_keys()
{
	local d=$TEST_TMP/ssh

	mkdir -p "$d" && chmod 700 "$d" &&
	ssh-keygen -q -t ed25519 -N '' -f "$d/host" && ssh-keygen -q -t ed25519 -N '' -f "$d/user" &&
	cp "$d/user.pub" "$d/authorized"
}

# ssh_up: start a server on b, at all of its addresses. It does not read the start-up files of
# root's shell, which are this machine's.
ssh_up()
{
	local d=$TEST_TMP/ssh

	[ -e "$d/authorized" ] || ssh_keys || return
	mkdir -p /run/sshd || return
	# shellcheck disable=SC2086
	in_ns b "$(command -v sshd)" -f /dev/null $SSH_OPTIONS -o SetEnv=SHLVL=2 -h "$d/host" -o "AuthorizedKeysFile=$d/authorized" \
		-o StrictModes=no -o UsePAM=no -o "PidFile=$d/pid" -o PermitRootLogin=yes \
		-o "ListenAddress=[::]:22" -E "$d/log" && busywait 20 listens b 22
}

# listens HOST PORT: a program listens to this port of TCP.
listens() { in_ns "$1" ss -Hltn "sport = :$2" | grep -q .; }

# ssh_cat [OPTION...]: a session from a to b, which sends back what is typed.
ssh_cat()
{
	# shellcheck disable=SC2086
	in_ns a ssh -F /dev/null $SSH_OPTIONS -T -i "$TEST_TMP/ssh/user" -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o BatchMode=yes "$@" "root@$B1" cat
}
