#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the selftests in a guest that has the module: all, or those that are named.
#
# usage: tests/selftests/run.sh [TEST...]
#
# The TAP of each test is shown indented, and kept in $SHIM6_ARTIFACTS, if that is set.
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- "$here"/test_*.sh
passed=0 failed=0 skipped=0 n=0

echo TAP version 13
echo "1..$#"
for test; do
	[ -e "$test" ] || test=$here/$test
	name=$(basename "$test" .sh)
	n=$((n + 1))
	start=$(date +%s%N)
	log=${SHIM6_ARTIFACTS:-/tmp}/$name.tap
	bash "$test" </dev/null 2>&1 | tee "$log" | sed -u 's/^/    /'
	status=${PIPESTATUS[0]}
	took="# $((($(date +%s%N) - start) / 1000000)) ms"
	case $status in
	0) echo "ok $n $name $took" && passed=$((passed + 1)) ;;
	4) echo "ok $n $name # SKIP" && skipped=$((skipped + 1)) ;;
	*) echo "not ok $n $name $took (status $status)" && failed=$((failed + 1)) ;;
	esac
done
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
