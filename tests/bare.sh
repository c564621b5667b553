#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long a newcomer waits: `make demo` on a Debian 12 that has only gcc, make, git and
# Go, and once more when its caches are filled. As root.
#
# The Debian is a folder. It has this machine's mirrors and certificates, and nothing of
# its caches. The LIMITs are in seconds. The first demo may try twice within its limit, and
# the warm one five times: where processors are emulated, other work on the machine can stop a
# host for so long that what it shows is not what Shim6 does, and a minute is little.
#
# usage: tests/bare.sh [LIMIT-AT-FIRST LIMIT-WHEN-WARM]
set -u
# The mounts are in a mount namespace of this script, and end with it.
if [ "${SHIM6_BARE:-}" != 1 ]; then
	SHIM6_BARE=1 exec unshare --mount --pid --fork "$0" "$@"
fi
cd "$(dirname "$0")/.." || exit 1
first=${1:-300} warm=${2:-60}
mkdir -p build
root=$(mktemp -d "$PWD/build/bare-XXXXXX") || exit 1
PATH=$PATH:/usr/local/go/bin:/usr/sbin
goroot=$(go env GOROOT)
n=0 failed=0

say() { echo "# $*"; }

result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		failed=1
	fi
}

trap clear_up EXIT

# Its mounts are this machine's own folders, so nothing is removed before they are gone.
clear_up()
{
	local m

	for m in dev sys proc usr/local/go; do
		! mountpoint -q "$root/$m" || umount -R "$root/$m" || umount -l "$root/$m"
	done
	if grep -qF " $root/" /proc/self/mounts; then
		echo "# something is still mounted below $root"
	else
		rm -rf --one-file-system "$root"
	fi
}

debian()
{
	local f uri status=1

	command -v debootstrap >/dev/null || { say "debootstrap is not installed"; return 1; }
	uri=$(sed -n 's/^URIs: *//p; s/^deb  *\(\[[^]]*\] *\)\?\(http[^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
	# Mirrors fail at times; debootstrap continues where it stopped.
	for _ in 1 2 3; do
		debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,make,git bookworm "$root" \
			"${uri:-http://deb.debian.org/debian}" >"$root.log" 2>&1
		status=$?
		[ $status != 0 ] || break
	done
	[ $status = 0 ] || { tail -n 5 "$root.log" | sed 's/^/# /'; return 1; }
	for f in /etc/apt /etc/ssl/certs /etc/resolv.conf /etc/hosts; do
		[ -e $f ] && rm -rf "${root:?}$f" && cp -aL $f "$root$f"
	done
	mkdir -p "$root/usr/local/go" && mount --bind -o ro "$goroot" "$root/usr/local/go" &&
	mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" && mount -t proc proc "$root/proc" &&
	git clone -q . "$root/root/shim6"
}

# demo LIMIT: run the demo as the README says, and compare its seconds with LIMIT.
demo()
{
	local start=$SECONDS took

	chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "${passed_on[@]}" \
		bash -c 'cd ~/shim6 && make demo' >"$root.log" 2>&1 </dev/null ||
		{ tail -n 20 "$root.log" | sed 's/^/# /'; return 1; }
	took=$((SECONDS - start))
	say "$took s; the limit is $1 s"
	[ $took -le "$1" ] && [ -s "$root/root/shim6/build/demo/demo.svg" ]
}

# How this machine reaches the Go proxy.
passed_on=()
for v in GOPROXY GONOSUMDB GOSUMDB GOFLAGS GONOPROXY; do
	passed_on+=("$v=$(go env $v)")
done
for v in http_proxy https_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR; do
	[ -n "${!v:-}" ] && passed_on+=("$v=${!v}")
done

echo TAP version 13
if ! debian; then
	if [ "${SHIM6_NO_SKIP:-}" = 1 ]; then
		result 1 "a bare Debian 12"
		echo "1..1"
		exit 1
	fi
	echo "ok 1 a bare Debian 12 # SKIP debootstrap can't make one here; what it says is above"
	echo "1..1"
	exit 0
fi
result 0 "a bare Debian 12"
begun=$SECONDS
demo "$first" || demo $((first - SECONDS + begun))
result $? "make demo, the first time: $first s at most"
for _ in 1 2 3 4 5; do
	demo "$warm"
	status=$?
	[ $status != 0 ] || break
done
result $status "make demo, once more: $warm s at most"
echo "1..$n"
exit $failed
