#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows that tests/vm/run reports correctly each way in which a command can end.
# The output is TAP. Kernels come from the usual cache, or are added to it.
#
# usage: tests/vm/selftest.sh [input|KERNEL...]	(default: input and all kernels)
set -u
here=$(cd "$(dirname "$0")" && pwd)
run=$here/run
tmp=$(mktemp -d)
trap 'umount "$tmp/small" 2>/dev/null; rm -rf "$tmp"' EXIT
n=0 bad=0

# expect NAME STATUS REGEX COMMAND...: COMMAND exits with STATUS and says
# something that matches REGEX.
expect()
{
	local name=$1 want=$2 regex=$3 got start=$SECONDS
	shift 3
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	n=$((n + 1))
	if [ "$got" = "$want" ] && cat "$tmp/out" "$tmp/err" | grep -qE -- "$regex"; then
		echo "ok $n $name # $((SECONDS - start)) s"
		return
	fi
	bad=$((bad + 1))
	echo "not ok $n $name"
	echo "# status $got, wanted $want; wanted /$regex/ in:"
	cat "$tmp/out" "$tmp/err" | tail -n 25 | sed 's/^/#   /'
}

# as_nobody COMMAND...: without rights, and with a folder of its own.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$tmp" GOCACHE="$tmp/gocache" "$@"; }

bad_input()
{
	local vm=$here/../../build/bin/vm

	expect "unknown kernel" 125 'no kernel "5.4".*6\.1, 6\.1-uml, 6\.12, debug, latest' "$run" -k 5.4 -- true
	expect "unknown option" 125 'not defined.*-z' "$run" -z
	expect "no command" 125 'no COMMAND' "$run" -k 6.12
	expect "virtual time under QEMU" 125 'real time only' "$run" -k 6.1 -t virtual -- true
	expect "unknown time" 125 'virtual, real or counted' "$run" -t slow -- true
	expect "leaks without kmemleak" 125 'only -k debug' "$run" -leaks -- true
	expect "bad limit" 125 'positive number' "$run" -T 0 -- true
	expect "bad variable" 125 'NAME=VALUE' "$run" -e 1A=2 -- true
	expect "no processor" 125 '1 to 8 processors' "$run" -c 0 -- true
	expect "module folder without Kbuild" 125 'no Kbuild' "$run" -m "$tmp" -- true
	expect "help" 0 '^usage: tests/vm/run' "$run" -help
	chmod 755 "$tmp"
	cp "$vm" "$tmp/vm"
	expect "no root" 125 'as root, or with sudo' as_nobody "$tmp/vm" -repo / -- true
	expect "no network, nothing cached" 125 "mirror can't be reached" \
		env SHIM6_CACHE="$tmp/empty" unshare -n "$run" -k 6.12 -- true
	mkdir "$tmp/small"
	mount -t tmpfs -o size=8M tmpfs "$tmp/small"
	expect "full disk" 125 'too full: [0-9]+ MiB free, [0-9]+ MiB needed' \
		env SHIM6_CACHE="$tmp/small" "$run" -k 6.12 -- true
	expect "no place for the cache" 125 "can't be written" \
		env SHIM6_CACHE=/proc/shim6 "$run" -k 6.12 -- true
	expect "module that does not compile" 125 'error:' bad_module
	return 0
}

bad_module()
{
	mkdir -p "$tmp/broken"
	echo 'obj-m := broken.o' >"$tmp/broken/Kbuild"
	echo '#error "asked for"' >"$tmp/broken/broken.c"
	"$run" -k 6.12 -m "$tmp/broken" -- true
}

# Emulated processors have no cmpxchg16b, with which a guest may die under QEMU 7.2.
flags_are_right()
{
	"$run" -k "$1" -o "$tmp/art" -m "$here/testdata/splat" -- grep -qw cx16 /proc/cpuinfo
	case $?,$(jq -r .machine "$tmp/art/result.json") in
	1,qemu-tcg | 0,qemu-kvm) return 0 ;;
	esac
	return 1
}

# endings KERNEL: the endings that are to be told apart on every kernel.
endings()
{
	local k=$1 splat="-m $here/testdata/splat"

	expect "$k: passes" 0 'passed in' "$run" -k "$k" $splat -- true
	expect "$k: output, errors, words and artifacts" 0 'all there' returns "$k"
	expect "$k: fails" 3 'failed with status 3' "$run" -k "$k" $splat -- sh -c 'exit 3'
	expect "$k: no such command" 127 'failed with status 127' "$run" -k "$k" $splat -- no-such-command
	expect "$k: killed by a signal" 137 'failed with status 137' "$run" -k "$k" $splat -- sh -c 'kill -9 $$'
	expect "$k: hangs" 124 'hung: it still ran after 5s' "$run" -T 5 -k "$k" $splat -- sleep infinity
	expect "$k: panics" 121 'panic: .*asked for' "$run" -k "$k" $splat -- modprobe vm_splat what=panic
	expect "$k: BUG" 121 'panicked.*|kernel BUG at' "$run" -k "$k" $splat -- modprobe vm_splat what=bug
	expect "$k: WARNING" 120 'kernel log: warning: .*WARNING' "$run" -k "$k" $splat -- modprobe vm_splat what=warn
	expect "$k: a failure with a WARNING stays one" 5 'kernel log: warning' \
		"$run" -k "$k" $splat -- sh -c 'modprobe vm_splat what=warn; exit 5'
}

returns()
{
	local k=$1

	"$run" -k "$k" -o "$tmp/art" -e "WORD=a 'b' \$c" -m "$here/testdata/splat" -- \
		sh -c 'echo "$WORD|$1"; echo oops >&2; echo kept >$SHIM6_ARTIFACTS/kept
			[ $(id -u) = 0 ] && modprobe shim6' sh 'two  words' >"$tmp/o" 2>"$tmp/e" || return
	[ "$(cat "$tmp/o")" = "a 'b' \$c|two  words" ] && grep -qx oops "$tmp/e" &&
		[ "$(cat "$tmp/art/kept")" = kept ] &&
		grep -q 'shim6: version' "$tmp/art/kernel.log" &&
		[ "$(jq -r .result "$tmp/art/result.json")" = passed ] && echo all there
}

debug_only()
{
	local splat="-m $here/testdata/splat"

	expect "debug: use after free" 120 'kernel log: use after free: .*KASAN' "$run" -k debug $splat -- modprobe vm_splat what=uaf
	expect "debug: out of bounds" 120 'bad memory access: .*KASAN' "$run" -k debug $splat -- modprobe vm_splat what=oob
	expect "debug: lock order" 120 'kernel log: locking: .*circular locking' "$run" -k debug $splat -- modprobe vm_splat what=lock
	expect "debug: sleep under a lock" 120 'kernel log: locking: ' "$run" -k debug $splat -- modprobe vm_splat what=sleep
	expect "debug: leak" 119 'kmemleak found [0-9]+ lost objects' "$run" -leaks -k debug $splat -- modprobe vm_splat what=leak
	expect "debug: no leak" 0 'passed' "$run" -leaks -k debug $splat -- modprobe vm_splat
}

virtual_time()
{
	expect "$1: an hour passes at once" 0 'passed' "$run" -T 60 -k "$1" -- sleep 3600
	expect "$1: real time when asked for" 0 'passed' "$run" -t real -k "$1" -- \
		bash -c 'a=$(date +%s%N); sleep 1; b=$(date +%s%N); [ $((b - a)) -ge 900000000 ]'
}

echo TAP version 13
"$run" -help >/dev/null || exit 1
[ $# -gt 0 ] || set -- input 6.1 6.12 6.1-uml latest debug
for k; do
	case $k in
	input) bad_input && continue ;;
	*) endings "$k" ;;
	esac
	case $k in 6.1 | 6.12) expect "$k: no instruction that QEMU emulates wrongly" 0 '' flags_are_right "$k" ;; esac
	case $k in *-uml | latest | debug) virtual_time "$k" ;; esac
	[ "$k" != debug ] || debug_only
done
echo "1..$n"
echo "$((n - bad)) passed, $bad failed"
[ "$bad" = 0 ]
