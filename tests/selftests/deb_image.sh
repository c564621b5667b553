#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim6-dkms in an image for other kernels than the one that runs, as makers of Debian
# images install it: DKMS compiles the module for each kernel whose headers are there,
# compiles it again for a new version, and a purge leaves nothing.
#
#	b="$(for k in 6.1 latest; do tests/vm/run -k $k -path build; done)"
#	tests/vm/overlay -o build/image -e SHIM6_DEB_BUILDS="$b" -- tests/selftests/run.sh deb_image.sh
#
# The artifacts are for deb.sh, which continues in a guest with such a kernel, where
# compiling would take minutes: the packages, for each kernel the files of a host that was
# made from the image (RELEASE.tar), and the module of the second version.
#
# There is no package with the headers of a User Mode kernel: its build folder takes their
# place. DKMS is told that the architecture is um (/etc/dkms/shim6.conf, an administrator's
# file).

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/packages.sh"
need dpkg dpkg-deb dkms modinfo depmod adduser getent pgrep
out=$SHIM6_ARTIFACTS
releases=

# image: it has the headers of the kernels, and not those of the kernel that runs. It lacks the
# kernels' own modules: depmod would read thousands of files that do not matter here.
image()
{
	local build release from to

	[ -n "${SHIM6_DEB_BUILDS:-}" ] || { fail "SHIM6_DEB_BUILDS names no headers"; return 1; }
	# In a guest this is the module of the runner.
	! mountpoint -q "/lib/modules/$(uname -r)" || umount "/lib/modules/$(uname -r)" || return
	rm -rf /lib/modules/* && mkdir -p /lib/modules /etc/dkms && quicker
	for build in $SHIM6_DEB_BUILDS; do
		release=${build##*/linux-headers-}
		from=${build%/usr/src/*}/lib/modules/$release to=/lib/modules/$release
		if grep -qx CONFIG_UML=y "$build/include/config/auto.conf"; then
			release=$(cat "$build/include/config/kernel.release")
			from=${build%/build}/lib/modules/$release to=/lib/modules/$release
			echo "[ \"\$kernelver\" != $release ] || MAKE[0]='make module KDIR=\$kernel_source_dir ARCH=um'" >>/etc/dkms/shim6.conf
		fi
		releases="$releases $release"
		mkdir -p "$to" && ln -s "$build" "$to/build" && cp "$from"/modules.{order,builtin,builtin.modinfo} "$to" || return
		depmod "$release" || return
	done
}

install_package()
{
	local r

	dpkg -i "$out"/one/shim6-dkms_*.deb || { tail -n 20 /var/lib/dkms/shim6/*/build/make.log; return 1; }
	for r in $releases; do
		dkms_built "$one" "$r" && [ "$(dpkg-query -W -f '${Version}' shim6-dkms)" = "$one" ] || return
		tar c -f "$out/$r.tar" -C / "usr/src/shim6-$one" var/lib/dkms/shim6 var/lib/dpkg/status \
			var/lib/dpkg/info/shim6-dkms.{list,md5sums,postinst,prerm} "usr/lib/modules/$r/updates" || return
	done
}

upgrade()
{
	local r

	dpkg -i "$out"/two/shim6-dkms_*.deb || { tail -n 20 /var/lib/dkms/shim6/*/build/make.log; return 1; }
	dpkg_has shim6-dkms "$two" || return
	for r in $releases; do
		dkms_built "$two" "$r" && xz -dcf "$(modinfo -k "$r" -n shim6)" >"$out/$r.two.ko" || return
	done
	[ ! -e "/usr/src/shim6-$one" ] || fail "the source of version one is still there"
}

purge()
{
	dpkg -P shim6-dkms && ours /etc /usr /var >"$TEST_TMP/after" && diff "$TEST_TMP/before" "$TEST_TMP/after"
}

# daemon_package: nothing is started where systemd does not run. adduser makes the user if
# no program of systemd is there to do it; the user stays after a purge.
daemon_package()
{
	local f

	mv /usr/bin/systemd-sysusers /usr/bin/systemd-sysusers.away || return
	dpkg -i "$out"/one/shim6_*.deb && dpkg_has shim6 "$one" || return
	mv /usr/bin/systemd-sysusers.away /usr/bin/systemd-sysusers
	case $(getent passwd shim6d) in
	shim6d:*:/var/lib/shim6d:*nologin) ;;
	*) getent passwd shim6d; fail "not the user that it should be"; return 1 ;;
	esac
	getent group shim6d || return
	! pgrep -x shim6d || { fail "it was started"; return 1; }
	for f in /usr/sbin/shim6d /usr/bin/shim6tool /etc/shim6d.conf; do
		[ -e $f ] || { fail "there is no $f"; return 1; }
	done
	has_examples && shim6d -check && shim6tool -version || return
	dpkg -P shim6 && ours /etc /usr /var >"$TEST_TMP/after" && diff "$TEST_TMP/before" "$TEST_TMP/after"
}

run_test "deb image: kernels with headers, none of which runs" image
ours /etc /usr /var >"$TEST_TMP/before"
run_test "deb image: the packages are made by dpkg-deb" packages_make "$out"
run_test "deb image: shim6, without a systemd that runs" daemon_package
run_test "deb image: shim6-dkms has DKMS build the module for each kernel" install_package
run_test "deb image: a new version replaces it for each kernel" upgrade
run_test "deb image: a purge leaves nothing" purge
tap_end
