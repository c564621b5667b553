#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The socket options for programs (RFC 6316): values, errors and packets
# (sockopt.py); that the state of a socket ends with it, whatever ends first; and that a flood is bounded.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
need ip modprobe shim6tool python3 setpriv gcc ss

export PYTHONDONTWRITEBYTECODE=1
modprobe shim6 || exit
tun_device || tap_skip all "there is no TUN device"
ns_add a
limit=/sys/module/shim6/parameters/sockets_per_user

# as_nobody COMMAND...: in namespace a, by a user without rights.
as_nobody() { ulimit -n 200000 && in_ns a setpriv --reuid 65534 --clear-groups --bounding-set -all --inh-caps -all "$@"; }

# many COUNT [WORD...]: sockets with options, opened and closed (sockets.py).
many() { (as_nobody /usr/bin/python3 "$here/sockets.py" "$@"); }

# The limit is less than twice as many: those that are closed are released.
hundred_thousand()
{
	expect_eq "the limit" "$(cat $limit)" 131072 || return
	many 100000 100000 100000
}

flood()
{
	echo 1000 >$limit
	many flood 1000
	local status=$?
	echo 131072 >$limit
	return $status
}

# A user with CAP_NET_ADMIN has no limit of his own.
privileged()
{
	echo 100 >$limit
	in_ns a /usr/bin/python3 "$here/sockets.py" 200
	local status=$?
	echo 131072 >$limit
	return $status
}

# hold_begin PROGRAM-WORDS...: a program keeps sockets with options open until hold_end.
hold_begin()
{
	coproc holder { exec ip netns exec "${ns}a" /usr/bin/python3 "$here/sockets.py" hold; }
	read -rt 20 -u "${holder[0]}" ready && [ "$ready" = ready ]
}

hold_end()
{
	echo >&"${holder[1]}"
	wait "$holder_PID" 2>/dev/null
	return 0
}

unload_open()
{
	hold_begin || { fail "no sockets"; return 1; }
	modprobe -r shim6 || { fail "the module can't be unloaded while sockets have options"; return 1; }
	modprobe shim6 || return
	# The sockets are as if nobody had asked for anything, and can ask again.
	hold_end
	grep -q "^shim6 " /proc/modules
}

# A namespace that has ended has none of its devices any more.
namespace_ends()
{
	ns_add c || return
	ip link add s6-end type veth peer name s6-other netns "${ns}c" || return
	ip netns exec "${ns}c" /usr/bin/python3 "$here/sockets.py" 100 || return
	ip netns delete "${ns}c" || return
	busywait 10 gone || fail "the namespace does not end"
}
gone() { ! ip link show s6-end >/dev/null 2>&1; }

# library: build libshim6 and its example, as a user does.
library()
{
	local root=$here/../.. i=$TEST_TMP/library

	mkdir -p "$i/linux" && cp "$root/lib/shim6.h" "$i" && cp "$root/kernel/uapi/linux/shim6_socket.h" "$i/linux" &&
	gcc -Wall -Wextra -Werror -fPIC -shared "-I$i" -o "$i/libshim6.so" "$root/lib/shim6.c" &&
	gcc -Wall -Wextra -Werror "-I$i" -o "$TEST_TMP/monitor" "$root/examples/sockets/monitor.c" "-L$i" -lshim6 "-Wl,-rpath,$i"
}

# monitor: the example, as nobody, and what it says in one line.
monitor() { (as_nobody "$TEST_TMP/monitor" $B1 7 hello 2>&1) | tr '\n' ' '; }

# The service answers each line.
example()
{
	library && chmod 755 "$TEST_TMP" && ns_add b && pair_link 1 && pair_link 2 || return
	ip netns exec "${ns}b" /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('$B1', 7))
while True:
    s.sendto(*s.recvfrom(1500))" &
	busywait 10 udp_listens || return
	case $(monitor) in *"no context of Shim6: No such file or directory"*) ;; *) fail "without a context: $(monitor)"; return 1 ;; esac
	context_up || return
	expect_eq "on the ULIDs" "$(monitor)" "we send from $A1 to $B1 the peer sends to $A1 from $B1 hello " || return
	switch_to 2 && switch_host a 2 inbound-locator-local $A2 inbound-locator-peer $B2 || return
	expect_eq "re-homed" "$(monitor)" "we send from $A2 to $B2 the peer sends to $A2 from $B2 hello "
}
udp_listens() { in_ns b ss -Hlun "sport = :7" | grep -q .; }

cases a sockopt.py "$@"
run_test "libshim6 and its example show the locators in use" example
run_test "100,000 sockets of one user have options, and are released when they are closed, three times" hundred_thousand
run_test "a flood of one user is bounded: ENOBUFS" flood
run_test "a user with CAP_NET_ADMIN has no limit" privileged
run_test "the module is unloaded while sockets have options" unload_open
run_test "a namespace ends soon after the last socket with options" namespace_ends
tap_end
