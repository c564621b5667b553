#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo` shows is so.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip radvd python3 ss shim6tool

run_test "the demo runs to its end" bash -c "bash '$here/demo.sh' >'$TEST_TMP/demo' || { cat '$TEST_TMP/demo'; exit 1; }"
for line in "all four address pairs answer" "send-timeout  *10s" "it moves: [0-9]* octets" \
	"provider 1 fails" "the session stands still" "provider 1 is back" "the session moves again" "done"; do
	run_test "it says: $line" grep "$line" "$TEST_TMP/demo"
done
run_test "the module goes" modprobe -r shim6
tap_end
