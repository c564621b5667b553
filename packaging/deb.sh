#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes the Debian packages shim6-dkms and shim6 from this folder and build/bin. Of
# Debian's tools it needs only dpkg-deb. `make deb` calls it.
#
# usage: packaging/deb.sh [-v VERSION] [-o FOLDER] [-Z COMPRESSION]
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION) out=build/deb compression=xz
while getopts v:o:Z: f; do
	case $f in
	v) version=$OPTARG ;;
	o) out=$OPTARG ;;
	Z) compression=$OPTARG ;;
	*) exit 2 ;;
	esac
done
[ $# -lt "$OPTIND" ] || { echo "deb.sh: unexpected arguments: $*" >&2; exit 2; }
for p in shim6d shim6tool shim6web; do
	[ -x build/bin/$p ] || { echo "deb.sh: there is no build/bin/$p: run make first" >&2; exit 1; }
done
[ -d build/licenses ] || { echo "deb.sh: there is no build/licenses: run make first" >&2; exit 1; }
# The same source gives the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
umask 022
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# fill FILE: print the template with its values.
fill()
{
	sed -e "s/@VERSION@/$version/g" -e "s/@ARCH@/$(dpkg --print-architecture)/g" \
		-e "s/@MAINTAINER@/shim6 for Linux <shim6@localhost>/g" \
		-e "s/@SIZE@/${size:-0}/g" "packaging/debian/$1"
}

# pack PACKAGE ARCHITECTURE: make a package of the folder $tmp/PACKAGE.
pack()
{
	root=$tmp/$1 doc=$tmp/$1/usr/share/doc/$1
	install -D -m 644 LICENSE "$doc/copyright"
	size=$(du -sk --apparent-size "$root" | cut -f1)
	mkdir "$root/DEBIAN"
	for part in control conffiles postinst prerm postrm; do
		[ -e "packaging/debian/$1.$part" ] || continue
		fill "$1.$part" >"$root/DEBIAN/$part"
		case $part in p*) chmod 755 "$root/DEBIAN/$part" ;; esac
	done
	(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z |
		xargs -0 md5sum) >"$root/DEBIAN/md5sums"
	dpkg-deb --root-owner-group -Z"$compression" --build "$root" "$out/$1_${version}_$2.deb"
}

mkdir -p "$out"
rm -f "$out"/shim6_*.deb "$out"/shim6-dkms_*.deb

src=$tmp/shim6-dkms/usr/src/shim6-$version
mkdir -p "$src"
cp -r Makefile Kbuild kernel "$src"
# Without files that somebody has built here.
find "$src/kernel" -type f ! -name '*.[ch]' -delete
echo "$version" >"$src/VERSION"
sed "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$version\"/" dkms.conf >"$src/dkms.conf"
pack shim6-dkms all

make -s install DESTDIR="$tmp/shim6" prefix=/usr sysconfdir=/etc zshdir=/usr/share/zsh/vendor-completions
mkdir -p "$tmp/shim6/usr/share/doc/shim6"
cp -r build/licenses "$tmp/shim6/usr/share/doc/shim6/licenses"
cp -r examples "$tmp/shim6/usr/share/doc/shim6/examples"
rm "$tmp/shim6/usr/share/doc/shim6/examples"/*_test.go "$tmp/shim6/usr/share/doc/shim6/examples"/*/*_test.go
pack shim6 "$(dpkg --print-architecture)"
