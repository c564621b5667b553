#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A rule with suppress_prefixlength does not suppress a path's MTU.
#
# Multihomed hosts have rules such as
#	from PREFIX2 lookup main suppress_prefixlength 0
#	from PREFIX2 lookup TABLE2
# With these, all routes of main count except its default route; for other destinations the
# second provider's default route counts. A Packet Too Big should not change this: the MTU of
# a path does not say which way packets go. But Linux keeps the path's MTU as a route of 128
# bits below the default route for which it was learnt, and the rule does not suppress a
# route of that length. From then on, for ten minutes, packets with a source of the second
# provider leave by the first one, which drops them if it checks sources.
#
# Seen with Debian 12's linux-image-6.1.0-56-amd64 6.1.192-2 and iproute2 6.1.0-3 in QEMU:
#	before: 2001:db8:f::1 from 2001:db8:2::10 via 2001:db8:2::1 dev d2
#	after:  2001:db8:f::1 from 2001:db8:2::10 via 2001:db8:1::1 dev d1 ... mtu 1280
#
# Therefore shim6d has a table of its own that decides first (docs/decisions.md).
#
# Needs qemu-system-x86_64, cpio and apt. Exits with 0 if Linux still does this.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
apt-get -qq download linux-image-6.1.0-56-amd64=6.1.192-2 busybox-static=1:1.35.0-4+deb12u1+b1 iproute2=6.1.0-3 \
	iputils-ping=3:20221126-1+deb12u1 libbpf1 libelf1 libmnl0 libbsd0 libmd0 libcap2 libcap2-bin libidn2-0 libunistring2 \
	libdb5.3 libxtables12 libc6 libselinux1 libpcre2-8-0 zlib1g libtirpc3 libgssapi-krb5-2 libkrb5-3 \
	libk5crypto3 libcom-err2 libkrb5support0 libkeyutils1 libssl3 2>/dev/null
for deb in *.deb; do
	dpkg-deb -x "$deb" root
done

mkdir -p image/bin image/lib64 image/proc image/sys image/run image/dev image/busybox
cp root/bin/busybox image/bin/
cp root/bin/ping image/bin/ping6
cp root/sbin/ip image/bin/ || cp root/bin/ip image/bin/
find root/lib root/usr/lib -name '*.so.*' -exec cp -L {} image/lib64/ \;
cp -L root/lib64/ld-linux-x86-64.so.2 image/lib64/
cp "$(find root/lib/modules -name veth.ko)" image/
cat >image/init <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /busybox
export PATH=/bin:/busybox LD_LIBRARY_PATH=/lib64
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
exec >/dev/ttyS0 2>&1
# Otherwise the shell would use its own ip.
ip() { /bin/ip "$@"; }
insmod /veth.ko
ip link set lo up
# The host has d1 and d2; behind d1 is a router whose other link takes 1280 octets.
for n in r1 r2 far; do
	ip netns add $n
	ip -n $n link set lo up
done
link()
{
	ip link add $1 netns $2 type veth peer name $3 netns $4
	ip -n $2 link set $1 up mtu $5
	ip -n $4 link set $3 up mtu $5
}
ip netns add host
link d1 host inner r1 1500
link d2 host inner r2 1500
link far r1 near far 1280
ip -n host addr add 2001:db8:1::10/64 dev d1 nodad
ip -n host addr add 2001:db8:2::10/64 dev d2 nodad
ip -n r1 addr add 2001:db8:1::1/64 dev inner nodad
ip -n r2 addr add 2001:db8:2::1/64 dev inner nodad
ip -n r1 addr add 2001:db8:f::2/64 dev far nodad
ip -n far addr add 2001:db8:f::1/64 dev near nodad
ip -n far route add default via 2001:db8:f::2
ip netns exec r1 sysctl -w net.ipv6.conf.all.forwarding=1
ip -n host route add default via 2001:db8:1::1 dev d1
ip -n host route add default via 2001:db8:2::1 dev d2 table 200
ip -n host -6 rule add from 2001:db8:2::/64 lookup main suppress_prefixlength 0 pref 100
ip -n host -6 rule add from 2001:db8:2::/64 lookup 200 pref 101
echo "before: $(ip -n host -6 route get 2001:db8:f::1 from 2001:db8:2::10)"
ip netns exec host ping6 -q -c 2 -w 5 -s 1400 -I 2001:db8:1::10 2001:db8:f::1
echo "after: $(ip -n host -6 route get 2001:db8:f::1 from 2001:db8:2::10)"
poweroff -f
END
chmod 755 image/init
(cd image && find . | cpio -o -H newc --quiet) >initrd
timeout 300 qemu-system-x86_64 -M q35 -cpu max -m 512M -nodefaults -display none -no-reboot -serial stdio \
	-kernel root/boot/vmlinuz-* -initrd initrd -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' >log
grep -E '^(before|after): ' log || true
grep -q '^before: .* dev d2 ' log && grep -q '^after: .* dev d1 ' log || { cat log; exit 1; }
