#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dhcpcd on Linux makes no temporary address, though it is told to.
#
# dhcpcd.conf(5) says of "slaac private temporary" that it "will create a temporary address for the
# prefix as well". On Linux dhcpcd only marks its address, so that the kernel makes them. The kernel
# does that if the sysctl use_tempaddr of the link is 1 or 2; dhcpcd does not set it, Debian's default
# is 0, and no message tells of it. With the sysctl set, temporary addresses are made without the
# option as well.
#
# Seen with Debian 12's dhcpcd-base 9.4.1-24~deb12u5 and radvd 1:2.19-1+b1:
#	slaac private temporary, use_tempaddr 0: 0 temporary addresses
#	slaac private, use_tempaddr 2: 1 temporary addresses
#
# Therefore the tests that have a host with dhcpcd and temporary addresses set the sysctl
# (tests/selftests/managers.sh), as a user has to.
#
# Needs apt, iproute2 and root, in network and mount namespaces of its own. Exits with 0 if dhcpcd
# still does this.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
apt-get -qq download dhcpcd-base=9.4.1-24~deb12u5 radvd=1:2.19-1+b1 libdaemon0 libbsd0 libmd0 libudev1 2>/dev/null
for deb in *.deb; do
	dpkg-deb -x "$deb" root
done
cat >radvd.conf <<'END'
interface router {
	AdvSendAdvert on;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 6;
	prefix 2001:db8:1:1::/64 { };
};
END
cat >seen.sh <<'END'
# usage: seen.sh OPTIONS SYSCTL
set -eu
export LD_LIBRARY_PATH=$PWD/root/usr/lib/x86_64-linux-gnu:$PWD/root/lib/x86_64-linux-gnu
for made in /run /var/lib; do
	mount -t tmpfs -o mode=755 tmpfs $made
	mkdir $made/dhcpcd
done
ip link add router type veth peer name host
sysctl -qw net.ipv6.conf.router.forwarding=1 "net.ipv6.conf.host.use_tempaddr=$2"
ip link set router up
ip link set host up
root/usr/sbin/radvd -C radvd.conf -p /run/radvd.pid -m stderr -n >radvd.log 2>&1 &
echo "slaac $1" >dhcpcd.conf
$(find root -name dhcpcd -type f -perm /1) -B -f "$PWD/dhcpcd.conf" -c /bin/true host >log 2>&1 &
for _ in $(seq 40); do
	! ip -6 addr show dev host scope global -tentative | grep -q inet6 || break
	sleep 0.5
done
sleep 5
ip -6 addr show dev host scope global | grep -q mngtmpaddr || { cat radvd.log log; exit 1; }
echo "slaac $1, use_tempaddr $2: $(ip -6 addr show dev host scope global | grep -c temporary || true) temporary addresses"
END
for set in "private temporary:0" "private:2"; do
	unshare -n -m --kill-child -p -f bash seen.sh "${set%:*}" "${set#*:}"
done >out || { cat out; exit 1; }
cat out
grep -qx 'slaac private temporary, use_tempaddr 0: 0 temporary addresses' out
grep -qx 'slaac private, use_tempaddr 2: 1 temporary addresses' out
