# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian's systemd as the first process of a host, a library for tests (source lib.sh
# first): it has its own processes, mounts and control groups, and the guest's files.

# systemd_prepare: of what this machine has installed, nothing but what a test installs
# is to be started; and nothing is to empty /tmp, where its files are.
systemd_prepare()
{
	rm -rf /etc/systemd/system/*.wants /usr/lib/systemd/system-generators \
		/usr/lib/systemd/system/{multi-user,graphical,sockets,timers}.target.wants
	mkdir -p /etc/tmpfiles.d && ln -sf /dev/null /etc/tmpfiles.d/tmp.conf || return
	# It says that no package may start a service.
	rm -f /usr/sbin/policy-rc.d
}

# systemd_boot HOST: returns once all is started.
systemd_boot()
{
	# What it finds is what https://systemd.io/CONTAINER_INTERFACE wants of a container.
	ip netns exec "$(ns "$1")" unshare --pid --mount --cgroup --ipc --uts --fork --kill-child --mount-proc sh -c '
		mount -t tmpfs -o mode=755 tmpfs /run && umount /sys && mount -t sysfs -o ro sysfs /sys &&
		mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
		exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			/usr/lib/systemd/systemd --unit=multi-user.target --show-status=no --log-target=console' \
		</dev/null >"$TEST_TMP/systemd.log" 2>&1 9>&- &
	systemd_parent=$!
	busywait 150 systemd_ready || { cat "$TEST_TMP/systemd.log"; fail "systemd is not ready"; }
}

# "degraded" if a program of this machine fails, which is not what is tested.
systemd_ready()
{
	case $(inside systemctl is-system-running 2>/dev/null) in
	running|degraded) ;;
	*) false ;;
	esac
}

# inside COMMAND...: run beside that systemd.
inside()
{
	local first

	first=$(pgrep -P "$systemd_parent") &&
		nsenter -t "$first" -m -u -i -n -p -C env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# systemd_end: it stops what it has started, and ends.
systemd_end()
{
	inside systemctl --no-block poweroff || return
	busywait 60 systemd_gone || { cat "$TEST_TMP/systemd.log"; fail "systemd does not end"; return 1; }
	wait "$systemd_parent" 2>/dev/null
	return 0
}

systemd_gone() { ! kill -0 "$systemd_parent" 2>/dev/null; }
