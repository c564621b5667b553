#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Collects the licenses and notices of the Go modules that are in programs. Whoever passes on a
# program passes on these as well.
#
# usage: packaging/licenses.sh FOLDER PROGRAM...
set -eu
out=$1
shift
cd "$(dirname "$0")/.."
modules=$("${GO:-go}" version -m "$@" | awk '$1 == "dep" { print $2 }' | sort -u)
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
# shellcheck disable=SC2086
folders=$("${GO:-go}" list -m -f '{{.Path}} {{.Dir}}' $modules)
echo "$folders" | while read -r module dir; do
	n=0
	for file in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
		[ -f "$file" ] || continue
		install -D -m 644 "$file" "$new/$module/${file##*/}"
		n=$((n + 1))
	done
	[ $n -gt 0 ] || { echo "licenses.sh: no license in $dir of $module" >&2; exit 1; }
done
# The page of shim6web has a library for charts in it.
install -D -m 644 tools/shim6web/assets/vendor/uPlot.LICENSE "$new/uPlot/LICENSE"
chmod 755 "$new"

# Tests that run side by side build in one tree. So one build at a time is here, and files that
# are right stay, since another build may be reading them.
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
diff -qr "$new" "$out" >/dev/null 2>&1 && exit
rm -rf "$out"
cp -r "$new" "$out"
