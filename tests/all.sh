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

# selftests KERNEL: all of them in one guest. Those of shim6tool, of addresses, of reasons
# to move and of the specification, which are about programs and not about a kernel, are
# not run where processors are emulated and time is real.
selftests()
{
	local tests

	mapfile -t tests < <(find tests/selftests -name 'test_*.sh' | sort |
		if [[ $1 = 6.* ]]; then grep -vE 'test_(tool|address|networkd|networkmanager|ynl|explore)'; else cat; fi)
	part "selftests-$1" $run -k "$1" -T 4500 -o "$PWD/$out/selftests-$1" -m tests/selftests/nic \
		-e SHIM6_NO_SKIP=1 -- tests/selftests/run.sh "${tests[@]}"
}

# leaks: those that use the module most, with kmemleak, which slows all down.
leaks()
{
	part leaks-debug $run -k debug -leaks -T 1200 -o "$PWD/$out/leaks-debug" \
		-e SHIM6_NO_SKIP=1 -- tests/selftests/run.sh test_config.sh test_context.sh test_traffic.sh
}

# deb_image: what the packages become in an image with Debian's kernels.
deb_image()
{
	part deb-image $run -k latest -T 1200 -o "$PWD/$out/deb-image" -e SHIM6_NO_SKIP=1 \
		-e "SHIM6_DEB_BUILDS=$($run -k 6.1 -path build) $($run -k 6.12 -path build)" \
		-- tests/selftests/run.sh deb_image.sh
}

# deb KERNEL: the packages on a host; of Debian's kernels, on one from the image.
deb()
{
	local image=

	[ "$1" = latest ] || image=$PWD/$out/deb-image
	part "deb-$1" $run -k "$1" -T 1200 -o "$PWD/$out/deb-$1" -e SHIM6_NO_SKIP=1 \
		-e SHIM6_DEB_IMAGE="$image" -- tests/selftests/run.sh deb.sh
}

# prepare KERNEL: mirrors have bad moments.
prepare()
{
	local try

	for try in 1 2 3; do
		$run -k "$1" -prepare && return
		sleep $((try * 10))
	done
	return 1
}

for k in 6.12 6.1 latest debug; do
	prepare $k || exit
done
say "kernels are ready"

(
	part check env SHIM6_NO_SKIP=1 tests/check.sh
	part runner-input tests/vm/selftest.sh input
	selftests 6.1
	leaks
	selftests latest
	deb latest
	part runner-6.1 tests/vm/selftest.sh 6.1
	part runner-latest tests/vm/selftest.sh latest
	part runner-debug tests/vm/selftest.sh debug
	# The image is there since long: it is the first that is made beside all this.
	deb 6.1
) &
(
	deb_image
	selftests debug
	selftests 6.12
	deb 6.12
	part runner-6.12 tests/vm/selftest.sh 6.12
) &
wait
# These look at the clock, so nothing else runs: the engine's figures, and how long a
# newcomer waits. A minute is what is wanted when warm.
part engine go test -v -count=1 -timeout 20m -run '^TestWanted$' ./tests/bench/engine
part bare env SHIM6_NO_SKIP=1 tests/bare.sh 300 60

passed=0 failed=0 summary=
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
	grep -E -A 12 '^ *not ok ' "$out/$name.log" | cut -c 1-200 | head -n 60 | sed 's/^/    /'
	echo "    ..."
	tail -n 20 "$out/$name.log" | cut -c 1-200 | sed 's/^/    /'
	bad=$(grep -E -A 2 --no-group-separator '^ *not ok ' "$out/$name.log" || tail -n 1 "$out/$name.log")
	summary+="$name: status $(cat "$s")"$'\n'$(sed 's/^ */  /' <<<"$bad" | cut -c 1-120 | head -n 24)$'\n'
done
# A part that never began has failed as well.
parts=$(ls "$out"/*.status 2>/dev/null | wc -l)
if [ "$parts" != 17 ]; then
	echo "FAILED: only $parts of 17 parts ran"
	failed=$((failed + 1))
fi
say "done"
# What comes last is read first, and may be all that is kept of a run.
printf %s "$summary"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
