#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rtnetlink does not tell of an address that a Router Advertisement has brought before duplicate address
# detection is over. An address that somebody adds by hand is told at once, as tentative.
#
# A program that keeps a table of addresses by RTMGRP_IPV6_IFADDR, as routing daemons and network managers
# do, would be expected to have a tentative address in it in both cases: a dump, as of "ip address", has
# both. For one or two seconds the dump and the messages disagree.
#
# Seen with Linux 6.18, iproute2 6.1.0 and radvd 1:2.19-1+b1 of Debian 12:
#	by hand:	the first message says tentative: yes
#	by RA:		the first message says tentative: no; a dump had it before as tentative: yes
#
# Therefore shim6d dumps the addresses before it lets a ULID go that somebody has deleted: a Router
# Advertisement may have brought it back (recheckBefore in daemon/shim6d/addresses.go).
#
# Needs apt, iproute2 and root, in a network namespace of its own. Exits with 0 if this is still so.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
apt-get -qq download radvd=1:2.19-1+b1 libdaemon0 libbsd0 libmd0 2>/dev/null
for deb in *.deb; do
	dpkg-deb -x "$deb" root
done
cat >radvd.conf <<'END'
interface router {
	AdvSendAdvert on;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 4;
	prefix 2001:db8:1:1::/64 { };
};
END
cat >seen.sh <<'END'
set -eu
first() { for _ in $(seq 100); do grep -m 1 "inet6 $1" monitor && return; sleep 0.1; done; return 1; }
tentative() { case $1 in *tentative*) echo yes ;; *) echo no ;; esac; }
mount -t tmpfs none /run
ip link add host type veth peer name router
# The router is in a namespace of its own.
unshare -n sleep 60 &
router=$!
sleep 0.5
ip link set router netns $router
in_router() { nsenter -t $router -n "$@"; }
in_router sysctl -qw net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv6.conf.host.accept_ra=1 net.ipv6.conf.host.dad_transmits=2
ip link set host up
in_router ip link set router up
sleep 5
ip monitor address >monitor &
sleep 0.5
ip addr add 2001:db8:2::1/64 dev host
echo "by hand:	the first message says tentative: $(tentative "$(first 2001:db8:2::1)")"
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu):$(echo root/lib/*-linux-gnu) in_router root/usr/sbin/radvd -n -C radvd.conf -p radvd.pid -m logfile -l log -u root &
for _ in $(seq 200); do
	dump=$(ip -6 addr show dev host to 2001:db8:1:1::/64)
	[ -z "$dump" ] || break
	sleep 0.05
done
told=$(grep -c 'inet6 2001:db8:1:1:' monitor || true)
message=$(first 2001:db8:1:1:)
[ "$told" = 0 ] && before=before || before="not before"
echo "by RA:		the first message says tentative: $(tentative "$message"); a dump had it $before as tentative: $(tentative "$dump")"
kill $router
END
unshare -n -m --kill-child -p -f --mount-proc bash seen.sh >seen 2>err || { cat seen err; exit 1; }
cat seen
cat >wanted <<'END'
by hand:	the first message says tentative: yes
by RA:		the first message says tentative: no; a dump had it before as tentative: yes
END
diff wanted seen
