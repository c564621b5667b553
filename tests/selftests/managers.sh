# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Network managers on host a, a library for tests (source lib.sh first): each as it is without
# a configuration, apart from temporary addresses. Whatever a manager writes is in a /run of
# its own. There is no udev; managers do not wait for it, since /sys is read-only.

MANAGERS="kernel networkd NetworkManager dhcpcd"

# manager_begin MANAGER TEMPORARY LINK...: the manager sets up these links of a, which are down.
# TEMPORARY is on or off. Its pid is in manager_pid, if it has one.
manager_begin()
{
	local name=$1

	shift
	: >"$TEST_TMP/manager.log"
	"begin_$name" "$@"
}

# manager_run SCRIPT WORD...: a shell in a's namespace, with a /run of its own, prepares and then
# becomes the manager.
manager_run()
{
	local script=$1

	shift
	ip netns exec "${ns}a" sh -ec "mount -t tmpfs -o mode=755 tmpfs /run && cd /run && mount -o remount,ro /sys
		$script" sh "$@" >"$TEST_TMP/manager.log" 2>&1 9>&- &
	manager_pid=$!
}

begin_kernel()
{
	local temporary=0 up

	[ "$1" = off ] || temporary=2
	shift
	for up; do
		in_ns a sysctl -qw "net.ipv6.conf.$up.use_tempaddr=$temporary" && ip -n "${ns}a" link set "$up" up || return
	done
}

begin_networkd()
{
	local extensions=no

	[ "$1" = off ] || extensions=yes
	manager_run '
		mkdir -p systemd/network systemd/netif/links systemd/netif/leases && chown -R systemd-network: systemd/netif
		printf "[Match]\nName=up*\n\n[Network]\nIPv6AcceptRA=yes\nIPv6PrivacyExtensions=%s\n" "$1" >systemd/network/up.network
		exec /usr/lib/systemd/systemd-networkd' $extensions
}

# It needs a bus, which ends with the namespace.
begin_NetworkManager()
{
	local privacy=0

	[ "$1" = off ] || privacy=2
	shift
	manager_run '
		privacy=$1
		shift
		umask 077
		mkdir -p NetworkManager/conf.d NetworkManager/system-connections
		mount -t tmpfs tmpfs /etc/NetworkManager/dispatcher.d
		mount -t tmpfs tmpfs /var/lib/NetworkManager
		printf "[main]\ndns=none\nhostname-mode=none\nauth-polkit=false\n" >NetworkManager/conf.d/test.conf
		for up; do
			printf "[connection]\nid=%s\ntype=ethernet\ninterface-name=%s\n[ipv4]\nmethod=disabled\n[ipv6]\nmethod=auto\nip6-privacy=%s\n" \
				"$up" "$up" "$privacy" >NetworkManager/system-connections/$up.nmconnection
		done
		umask 022
		mkdir dbus
		dbus-daemon --system --fork
		exec NetworkManager --no-daemon' $privacy "$@"
}

# As Debian configures it. It leaves temporary addresses to the kernel, whatever its own option says.
begin_dhcpcd()
{
	local temporary=0 up

	[ "$1" = off ] || temporary=2
	shift
	for up; do
		in_ns a sysctl -qw "net.ipv6.conf.$up.use_tempaddr=$temporary" || return
	done
	manager_run '
		mkdir dhcpcd && mount -t tmpfs tmpfs /var/lib/dhcpcd
		exec dhcpcd -B --nodev -f /etc/dhcpcd.conf "$@"' "$@"
}
