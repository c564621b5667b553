# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian's systemd as the first process of a host, a library for tests (source lib.sh
# first): it has its own processes, mounts and control groups, and the guest's files.

# systemd_prepare: systemd is to start only programs that the test installs, not those that this
# machine has installed. Nothing may empty /tmp, where the test's files are.
systemd_prepare()
{
	rm -rf /etc/systemd/system/*.wants /usr/lib/systemd/system-generators \
		/usr/lib/systemd/system/{multi-user,graphical,sockets,timers}.target.wants
	mkdir -p /etc/tmpfiles.d && ln -sf /dev/null /etc/tmpfiles.d/tmp.conf || return
	# This file says that no package may start a service.
	rm -f /usr/sbin/policy-rc.d
}

# systemd_boot HOST: boot systemd there. Returns once all units are started.
systemd_boot()
{
	# This prepares what https://systemd.io/CONTAINER_INTERFACE demands of a container.
	ip netns exec "${ns}$1" unshare --pid --mount --cgroup --ipc --uts --fork --kill-child --mount-proc sh -c '
		mount -t tmpfs -o mode=755 tmpfs /run && umount /sys && mount -t sysfs -o ro sysfs /sys &&
		mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
		exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			/usr/lib/systemd/systemd --unit=multi-user.target --show-status=no --log-target=console' \
		</dev/null >"$TEST_TMP/systemd.log" 2>&1 9>&- &
	systemd_parent=$!
	busywait 150 systemd_ready || { cat "$TEST_TMP/systemd.log"; fail "systemd is not ready"; }
}

# The state is "degraded" if a program of this machine fails, which is not tested here.
systemd_ready()
{
	case $(inside systemctl is-system-running 2>/dev/null) in
	running|degraded) ;;
	*) false ;;
	esac
}

# inside COMMAND...: run it in the namespaces of that systemd.
inside()
{
	local first

	first=$(pgrep -P "$systemd_parent") &&
		nsenter -t "$first" -m -u -i -n -p -C env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# systemd_end: systemd stops its units, and ends.
systemd_end()
{
	inside systemctl --no-block poweroff || return
	busywait 60 systemd_gone || { cat "$TEST_TMP/systemd.log"; fail "systemd does not end"; return 1; }
	wait "$systemd_parent" 2>/dev/null
	return 0
}

systemd_gone() { ! kill -0 "$systemd_parent" 2>/dev/null; }
