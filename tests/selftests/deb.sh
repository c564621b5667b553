#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Debian packages on a host with systemd, from the first installation to the purge:
# DKMS installs the module, modprobe loads it, systemd starts shim6d as its own user,
# an upgrade drops no session, and a purge leaves nothing.
#
#	tests/vm/run -k 6.1 -e SHIM6_DEB_IMAGE=build/image -- tests/selftests/run.sh deb.sh
#	tests/vm/run -k latest -- tests/selftests/run.sh deb.sh
#
# Host a has the packages. Host b, its peer, runs the same programs without systemd: an
# upgrade does not restart its daemon.
#
# An emulated machine takes more than eight minutes to compile the module, and a User Mode
# kernel two. So SHIM6_DEB_IMAGE, the artifacts of deb_image.sh, has the files of a host that
# was made from an image, where DKMS has compiled the module. For the upgrade DKMS is told
# (/etc/dkms/shim6.conf, an administrator's file) to take the second version's module, which
# was compiled there too. All else is as on any host. Without SHIM6_DEB_IMAGE, under User
# Mode, DKMS compiles in the guest.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/pair.sh"
. "$here/daemon.sh"
. "$here/packages.sh"
. "$here/systemd.sh"
need curl dpkg dpkg-deb dkms ip tc modprobe pgrep nsenter unshare setpriv ssh sshd ssh-keygen jq \
	systemctl systemd-analyze systemd-sysusers
release=$(uname -r)
modules=/lib/modules/$release
image=${SHIM6_DEB_IMAGE:+$(realpath "$SHIM6_DEB_IMAGE")}
debs=${image:-$TEST_TMP}

# few: keep only those of the kernel's own modules that are used here, or that ours needs. DKMS calls depmod at each
# step, which takes three minutes for thousands of modules on an emulated machine.
few()
{
	modprobe -a --show-depends veth sch_netem udp_tunnel ip6_udp_tunnel | sed -n "s|^insmod $modules/||p" >"$TEST_TMP/few" &&
		[ -s "$TEST_TMP/few" ] && mkdir "$TEST_TMP/modules" || return
	(cd "$modules" && xargs cp -L --parents -t "$TEST_TMP/modules") <"$TEST_TMP/few" &&
		rm "$modules/kernel" && cp -r "$TEST_TMP/modules/kernel" "$modules/" || return
}

# lab: a host with this kernel, and without the module of the runner.
lab()
{
	local own make=

	own=$(readlink "$modules/kernel") && rm "$modules/updates/shim6.ko" || return
	if grep -q "User Mode Linux" /proc/cpuinfo; then
		ln -sfn "${own%/lib/modules/*}/build" "$modules/build"
		make="make module KDIR=\$kernel_source_dir ARCH=um"
	else
		ln -sfn "${own%/lib/modules/*}/usr/src/linux-headers-$release" "$modules/build"
		few || return
	fi
	if [ -n "$image" ] || [ -z "$make" ]; then
		[ -e "$image/$release.tar" ] || { fail "SHIM6_DEB_IMAGE has nothing for $release"; return 1; }
		make="cp $image/$release.two.ko shim6.ko"
	fi
	[ -e "$modules/build/Makefile" ] || { fail "no headers at $modules/build"; return 1; }
	mkdir -p /etc/dkms && echo "MAKE[0]=\"$make\"" >/etc/dkms/shim6.conf
	quicker
	PATH=/usr/sbin:/usr/bin:$PATH
	hash -r
	depmod && systemd_prepare && pair_up && ssh_up && systemd_boot a
}

# folders: the folders in which the packages have files.
folders()
{
	local f

	for f in "$debs"/*/*.deb; do
		dpkg-deb --fsys-tarfile "$f" | tar t | sed -n 's|^\.\(.*/\)$|\1|p'
	done | sort -u | xargs -I {} find {} -maxdepth 0 2>/dev/null
}

# all_ours: all files of ours. Where a search of all folders takes minutes, it looks in the folders
# of the packages, and in those where dpkg, DKMS and systemd keep their records.
all_ours()
{
	if [ -z "$image" ]; then
		ours /etc /usr /var "$modules/"
	else
		ours /etc /var/lib/{dkms,dpkg/info,systemd} "$modules/"
		# shellcheck disable=SC2046
		ours $(folders) -maxdepth 1
	fi
}

build() { [ -n "$image" ] || packages_make "$TEST_TMP"; }

module_package()
{
	[ ! -d /sys/module/shim6 ] || { fail "the module is loaded already"; return 1; }
	if [ -n "$image" ]; then
		tar x -f "$image/$release.tar" -C / && depmod
	else
		inside dpkg -i "$debs"/one/shim6-dkms_*.deb || { tail -n 20 /var/lib/dkms/shim6/*/build/make.log; return 1; }
	fi
	dpkg_has shim6-dkms "$one" && dkms_built "$one" "$release"
}

# loaded VERSION
loaded() { expect_eq "the loaded module" "$(cat /sys/module/shim6/version)" "$1"; }

module_loads() { modprobe shim6 && loaded "$one"; }

unit() { inside systemctl show -P "$1" shim6d.service; }

# unit_runs: it runs as its user, with one capability and all confinement, and the first attempt
# to start it succeeded.
unit_runs()
{
	local pid

	expect_eq "the unit" "$(unit ActiveState) $(unit SubState) $(unit UnitFileState) $(unit Type) $(unit NRestarts)" \
		"active running enabled notify 0" || { inside journalctl -u shim6d.service; return 1; }
	pid=$(unit MainPID)
	expect_eq "its user" "$(inside ps -o user= -p "$pid")" shim6d &&
		expect_eq "its capabilities, privileges and system calls" \
			"$(inside sed -n 's/^\(CapBnd\|CapEff\|NoNewPrivs\|Seccomp\):\t//p' "/proc/$pid/status" | xargs)" \
			"0000000000003000 0000000000003000 1 2"
}

daemon_package()
{
	local f

	inside dpkg -i "$debs"/one/shim6_*.deb && dpkg_has shim6 "$one" && unit_runs || return
	for f in /usr/sbin/shim6d /usr/bin/shim6tool /etc/shim6d.conf /usr/share/man/man8/shim6d.8.gz \
		/usr/share/bash-completion/completions/shim6tool; do
		[ -e "$f" ] || { fail "there is no $f"; return 1; }
	done
	has_examples || return
	[ "$(command -v shim6d) $(command -v shim6tool)" = "/usr/sbin/shim6d /usr/bin/shim6tool" ] || return
	inside shim6d -check && expect_eq "what systemd has against the unit" \
		"$(inside systemd-analyze verify --man=no shim6d.service 2>&1 | grep shim6d)" "" || return
	# Hooks are off. Whoever enables them leaves a link, which the purge has to remove.
	expect_eq "the socket of hooks" "$(inside systemctl is-enabled shim6-hook.socket) $(inside systemctl is-active shim6-hook.socket)" \
		"disabled inactive" && [ -d /etc/shim6/hooks ] && inside systemctl enable --now shim6-hook.socket &&
		expect_eq "what systemd has against the hooks" \
			"$(inside systemd-analyze verify --man=no shim6-hook.socket 2>&1 | grep shim6-hook)" ""
}

web() { inside systemctl show -P "$1" shim6web.service; }

# page_off_and_on: the page is off until its socket is enabled. The first request then starts
# shim6web, which has no rights, and all that it reads all the same.
page_off_and_on()
{
	local page=http://localhost:6140

	expect_eq "its socket at first" "$(inside systemctl is-enabled shim6web.socket) $(inside systemctl is-active shim6web.socket)" \
		"disabled inactive" && inside systemctl enable -q --now shim6web.socket &&
	busywait 20 inside curl -sf -o "$TEST_TMP/screen" $page/api/screen &&
	busywait 20 page_shows '.overview.status.kernel' && busywait 60 page_shows '.doctor.findings | length > 3' &&
	inside curl -s $page/metrics | grep -q '^shim6_kernel_events_total{counter="switches"} ' ||
		{ cat "$TEST_TMP/screen"; inside journalctl -u shim6web.service; fail "there is no page"; return 1; }
	expect_eq "a stranger's answer" "$(inside curl -s -o /dev/null -w '%{http_code}' -H 'Host: evil.example' $page/)" 421 &&
	expect_eq "its capabilities, privileges and system calls" \
		"$(inside sed -n 's/^\(CapBnd\|CapEff\|NoNewPrivs\|Seccomp\):\t//p' "/proc/$(web MainPID)/status" | xargs)" \
		"0000000000000000 0000000000000000 1 2" &&
	expect_eq "what systemd has against the units" \
		"$(inside systemd-analyze verify --man=no shim6web.socket shim6web.service 2>&1 | grep shim6web)" ""
}

# page_shows FILTER: it is true of what the page shows.
page_shows() { inside curl -sf http://localhost:6140/api/screen | tee "$TEST_TMP/screen" | jq -e "$1" >/dev/null; }

edited() { shim6tool -n "${ns}a" -j config show | jq -e '.[]."trigger-packets" == 7' >/dev/null; }

# reload: changes to /etc/shim6d.conf take effect without a restart.
reload()
{
	local pid

	pid=$(unit MainPID)
	sed -i 's/^#trigger-packets = .*/trigger-packets = 7/
		s/^#send-timeout = .*/send-timeout = "10s"/
		s|^#trusted-prefixes = .*|trusted-prefixes = ["2001:db8::/32"]|' /etc/shim6d.conf || return
	! edited && inside systemctl reload shim6d.service && busywait 20 edited ||
		{ inside journalctl -u shim6d.service; fail "the kernel did not hear of the configuration"; return 1; }
	expect_eq "the process" "$(unit MainPID)" "$pid" && cp /etc/shim6d.conf "$TEST_TMP/edited"
}

# b_starts: as in the unit, as its user and with one capability.
b_starts()
{
	chown -R shim6d:shim6d "$(daemon_dir b)" &&
	DAEMON_AS="setpriv --reuid shim6d --regid shim6d --clear-groups --inh-caps -all,+net_admin --ambient-caps -all,+net_admin" \
		daemon_start b
}

# switched LINK: the contexts of both hosts send by that link.
switched()
{
	[ "$(kernel_contexts a '.[]."locator-peer"' $A1 $B1)" = "2001:db8:$1::b" ] &&
	[ "$(kernel_contexts b '.[]."locator-peer"' $B1 $A1)" = "2001:db8:$1::a" ]
}

# fails LINK OTHER: LINK loses all packets, and the session goes on by OTHER.
fails()
{
	link_alive "$2" && link_dead "$1" && session_lives 120 && busywait 60 switched "$2" ||
		{ shim6tool -n "${ns}a" context show; inside journalctl -u shim6d.service; cat "$(daemon_dir b)/log"; return 1; }
}

session()
{
	daemon_conf b <<-EOF2 || return
		[peers]
		trusted-prefixes = ["2001:db8::/32"]
		[protocol]
		send-timeout = "10s"
		[addresses]
		manage = false
	EOF2
	chmod 711 "$TEST_TMP" && b_starts && session_begin && session_talk 20 && busywait 30 established ||
		{ inside journalctl -u shim6d.service; cat "$(daemon_dir b)/log"; return 1; }
	fails 1 2
}

# talks: words are typed until the file "quiet" exists.
talks()
{
	local n=0

	while [ ! -e "$TEST_TMP/quiet" ]; do
		n=$((n + 1))
		echo "tick $n" >&9 && echo "tick $n" >>"$TEST_TMP/ticks"
		sleep 0.1
	done
}

# upgrade: as by unattended-upgrades. A configuration that was edited stays.
upgrade()
{
	local before pid talker status

	before=$(tags a; tags b) pid=$(unit MainPID)
	talks &
	talker=$!
	inside dpkg -i --force-confdef --force-confold "$debs"/two/*.deb
	status=$?
	[ $status = 0 ] || tail -n 20 /var/lib/dkms/shim6/*/build/make.log
	# No package restarts b's daemon: the test does.
	daemon_end b TERM && b_starts || status=1
	session_lives 60 || status=1
	touch "$TEST_TMP/quiet"
	wait "$talker"
	session_lives 60 && grep '^tick' "$TEST_TMP/ssh/out" | diff "$TEST_TMP/ticks" - || { fail "words are lost"; return 1; }
	[ $status = 0 ] && dpkg_has shim6 "$two" && dpkg_has shim6-dkms "$two" && dkms_built "$two" "$release" || return
	unit_runs && [ "$(unit MainPID)" != "$pid" ] || { fail "it is the daemon of before"; return 1; }
	busywait 20 page_shows ".version == \"$(shim6tool -version | awk '{ print $NF }')\"" || { fail "the page is not there"; return 1; }
	loaded "$one" && expect_eq "the context" "$(tags a; tags b)" "$before" && established && edited &&
		cmp /etc/shim6d.conf "$TEST_TMP/edited" && [ -e /etc/shim6d.conf.dpkg-dist ]
}

# moves_on: the daemons of the new version know the context, and move it.
moves_on() { fails 2 1 && session_end; }

# boots: after a boot the module is that of the upgrade, and shim6d starts by itself.
boots()
{
	systemd_end || return
	daemon_end b TERM
	ns_del_all
	# The disk with the state directory is read-only, as after an error; shim6d must start anyway.
	mount -t tmpfs -o ro,mode=700 tmpfs /var/lib/shim6d || return
	busywait 20 rmmod shim6 && ns_add a && systemd_boot a && unit_runs && loaded "$two" && busywait 20 edited &&
		inside journalctl -u shim6d.service | grep -q "the state directory can't be used" || { inside journalctl -u shim6d.service; return 1; }
	inside umount /var/lib/shim6d && umount /var/lib/shim6d
}

purge()
{
	touch /var/lib/shim6d/state && inside dpkg -r shim6 || return
	expect_eq "the unit" "$(unit ActiveState) $(unit LoadState)" "inactive not-found" || return
	[ -z "$(inside pgrep -x shim6d)" ] || { fail "it runs still"; return 1; }
	[ -e /var/lib/shim6d/state ] && cmp /etc/shim6d.conf "$TEST_TMP/edited" ||
		{ fail "what only a purge may take is gone"; return 1; }
	# all_ours finds the files as long as they are there.
	all_ours | diff -q "$TEST_TMP/before" - && { fail "all_ours finds nothing"; return 1; }
	inside dpkg -P shim6 shim6-dkms || return
	inside find /run -name '*shim6*' >"$TEST_TMP/run" && [ ! -s "$TEST_TMP/run" ] || { cat "$TEST_TMP/run"; return 1; }
	systemd_end || return
	ns_del_all
	busywait 20 rmmod shim6 || return
	modinfo shim6 && { fail "there is still a module"; return 1; }
	all_ours >"$TEST_TMP/after"
	diff "$TEST_TMP/before" "$TEST_TMP/after"
}

run_test "deb: a host with headers, DKMS and systemd" lab
all_ours >"$TEST_TMP/before"
run_test "deb: the packages are made by dpkg-deb" build
run_test "deb: shim6-dkms is installed, and DKMS has the module" module_package
run_test "deb: modprobe loads it" module_loads
run_test "deb: shim6 brings programs, user and unit, and systemd starts it" daemon_package
run_test "deb: the page is off until its socket is enabled, and has no rights" page_off_and_on
run_test "deb: systemctl reload" reload
run_test "deb: a session of the packages' daemons is re-homed" session
run_test "deb: an upgrade of both packages drops no session" upgrade
run_test "deb: the session is re-homed again" moves_on
run_test "deb: a boot starts shim6d, on a read-only disk, and it brings the new module" boots
run_test "deb: a purge leaves nothing" purge
tap_end
