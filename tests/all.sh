#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All tests. What is slow runs two at a time, for the two cores that there are
# at least; each part's output is kept in build/test and shown when it ends.
#
# The last line is "N passed, N failed": the sum over all parts.
set -u
cd "$(dirname "$0")/.." || exit 1
run=tests/vm/run
out=build/test
rm -rf "$out"
mkdir -p "$out"
begun=$SECONDS

say() { echo "[$((SECONDS - begun)) s] $*"; }

# part NAME COMMAND...: run, keep the output, then show it.
part()
{
	local name=$1 start=$SECONDS status

	shift
	say "$name begins"
	"$@" >"$out/$name.log" 2>&1 </dev/null
	status=$?
	{
		say "$name ended with status $status after $((SECONDS - start)) s:"
		sed 's/^/    /' "$out/$name.log"
	} >"$out/$name.shown"
	echo $status >"$out/$name.status"
	# In one piece, though two parts may end at once.
	flock "$out" cat "$out/$name.shown"
}

# selftests KERNEL: all of them in one guest, but test_daemon.sh: shim6d is in work,
# and two daemons do not yet come through all of it each time.
selftests()
{
	local tests

	mapfile -t tests < <(find tests/selftests -name 'test_*.sh' ! -name test_daemon.sh | sort)
	part "selftests-$1" $run -k "$1" -T 1800 -o "$PWD/$out/selftests-$1" -m tests/selftests/nic \
		-e SHIM6_NO_SKIP=1 -- tests/selftests/run.sh "${tests[@]}"
}

# leaks: those that use the module most, with kmemleak, which slows all down.
leaks()
{
	part leaks-debug $run -k debug -leaks -T 1200 -o "$PWD/$out/leaks-debug" \
		-e SHIM6_NO_SKIP=1 -- tests/selftests/run.sh test_config.sh test_context.sh test_traffic.sh
}

for k in 6.12 6.1 latest debug; do
	$run -k $k -prepare || exit
done
say "kernels are ready"

(
	part check env SHIM6_NO_SKIP=1 tests/check.sh
	part runner-input tests/vm/selftest.sh input
	selftests 6.1
	part runner-6.1 tests/vm/selftest.sh 6.1
	part runner-latest tests/vm/selftest.sh latest
	part runner-debug tests/vm/selftest.sh debug
) &
(
	selftests debug
	selftests latest
	leaks
	selftests 6.12
	part runner-6.12 tests/vm/selftest.sh 6.12
) &
wait

passed=0 failed=0
for s in "$out"/*.status; do
	name=$(basename "$s" .status)
	if [ "$(cat "$s")" = 0 ]; then
		passed=$((passed + $(grep -cE '^ *ok ' "$out/$name.log")))
		continue
	fi
	bad=$(grep -cE '^ *not ok ' "$out/$name.log")
	passed=$((passed + $(grep -cE '^ *ok ' "$out/$name.log")))
	failed=$((failed + (bad > 0 ? bad : 1)))
	echo "FAILED: $name (status $(cat "$s")), see $out/$name.log"
done
# A part that never began has failed as well.
parts=$(ls "$out"/*.status 2>/dev/null | wc -l)
if [ "$parts" != 11 ]; then
	echo "FAILED: only $parts of 11 parts ran"
	failed=$((failed + 1))
fi
say "done"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
