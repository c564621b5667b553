# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The Debian packages, a library for deb.sh and deb_image.sh (source lib.sh first).
# The guest's files are an overlay, so dpkg can work as on any host.

export DEBIAN_FRONTEND=noninteractive
repo=$(cd "$here/../.." && pwd)
# The versions: an upgrade replaces version one by version two.
one=$(cat "$repo/VERSION")
two=$one+next

# packages_make FOLDER: make both versions, in its folders one and two. The second version has
# another configuration file, so that dpkg must decide if the old one was edited.
packages_make()
{
	local file=$TEST_TMP/shim6

	(cd "$repo" && packaging/deb.sh -Z none -o "$1/one" && packaging/deb.sh -Z none -v "$two" -o "$1/two") &&
		dpkg --compare-versions "$two" gt "$one" && dpkg-deb -R "$1"/two/shim6_*.deb "$file" &&
		echo "# There may be more to say, in a next version." >>"$file/etc/shim6d.conf" &&
		dpkg-deb --root-owner-group -Znone -b "$file" "$1"/two/shim6_*.deb && rm -r "$file"
}

# ours FOLDER... [-maxdepth N]: every file there that has our name, except for those of the
# repository and of the laboratory.
ours()
{
	find "$@" -xdev \( -path "$repo" -o -path /usr/local/go \) -prune -o -name '*shim6*' -print |
		grep -vE '^/etc/(dkms|modprobe.d|netns)/' | sort
}

# quicker: disable the trigger that makes the index of all manual pages. It takes longer than
# all the rest, and shows nothing of our packages.
quicker() { printf '#!/bin/sh\n' >/usr/bin/mandb; }

# dkms_has VERSION RELEASE: this version is installed for this kernel, and no other version.
dkms_has()
{
	local have

	have=$(dkms status -m shim6 -k "$2")
	case $have in
	*$'\n'*) ;;
	"shim6/$1, $2, "*": installed") return ;;
	esac
	fail "of shim6 for $2, DKMS has '$have', and not $1"
}

# dkms_built VERSION RELEASE: dkms_has, and modprobe would load it.
dkms_built()
{
	local file

	dkms_has "$1" "$2" && file=$(modinfo -k "$2" -n shim6) || return
	case $file in
	/lib/modules/"$2"/updates/dkms/shim6.ko*) ;;
	*) fail "modprobe would load $file"; return 1 ;;
	esac
	expect_eq "the module's version" "$(modinfo -k "$2" -F version shim6)" "$1" &&
		expect_eq "the module's kernel" "$(modinfo -k "$2" -F vermagic shim6 | cut -d ' ' -f 1)" "$2"
}

# has_examples: the examples are where Debian has them, all of them and without their tests, and
# firewalld finds its service.
has_examples()
{
	expect_eq "the examples" "$(cd /usr/share/doc/shim6/examples && find . -type f | sort)" \
		"$(cd "$repo/examples" && find . -type f ! -name '*_test.go' | sort)" &&
		cmp /usr/lib/firewalld/services/shim6.xml "$repo/examples/firewall/shim6.xml"
}

# dpkg_has PACKAGE VERSION
dpkg_has()
{
	expect_eq "$1" "$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>&1)" "installed $2"
}
