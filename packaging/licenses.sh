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
rm -rf "$out"
mkdir -p "$out"
# shellcheck disable=SC2086
folders=$("${GO:-go}" list -m -f '{{.Path}} {{.Dir}}' $modules)
echo "$folders" | while read -r module dir; do
	n=0
	for file in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
		[ -f "$file" ] || continue
		install -D -m 644 "$file" "$out/$module/${file##*/}"
		n=$((n + 1))
	done
	[ $n -gt 0 ] || { echo "licenses.sh: no license in $dir of $module" >&2; exit 1; }
done
