#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make demo: the demo in a guest, and then the pages of its two hosts, in a browser of this machine.
# A picture of the page is in build/demo if Chromium is installed. At a terminal the pages stay until
# Enter is pressed.
set -u
cd "$(dirname "$0")/.." || exit 1
out=build/demo
mkdir -p $out
rm -f $out/live $out/seen $out/page.png

# free PORT: nobody listens at it, nor at the next one.
free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && ! (: <"/dev/tcp/127.0.0.1/$(($1 + 1))") 2>/dev/null; }

port=6140
until free $port; do port=$((port + 1000)); done

# picture: of the page of host a, with a timeline.
picture()
{
	[ -x build/bin/look ] && command -v chromium >/dev/null || { echo "(without Chromium there is no picture of the page)"; return; }
	build/bin/look 2>/dev/null <<-EOF | grep '^no' && { echo "there is no picture of the page"; return 1; }
		size 1100
		open http://localhost:$port/
		wait 60 document.querySelectorAll('#switches > li').length >= 2 && document.querySelectorAll('#sessions button').length >= 1
		say document.querySelector('#sessions button').click()
		wait 60 document.querySelector('#chart canvas')
		wait 60 document.querySelectorAll('#findings > li').length >= 3
		shot $PWD/$out/page.png
	EOF
	[ -s $out/page.png ] || { echo "there is no picture of the page"; return 1; }
	echo "a picture of the page is $out/page.png"
}

# One emulated processor is faster than two that take turns.
tests/vm/run -k 6.12 -c 1 -T 3600 -o $out -forward $port -forward $((port + 1)) \
	-e SHIM6_DEMO_SHOWN=$out -e SHIM6_DEMO_PORTS="$port $((port + 1))" -- tests/selftests/demo.sh &
demo=$!
trap 'kill $demo 2>/dev/null' INT TERM
until [ -e $out/live ]; do
	kill -0 $demo 2>/dev/null || { wait $demo; exit; }
	sleep 0.5
done
echo "The page of host a is at http://localhost:$port/ now, and that of b at http://localhost:$((port + 1))/"
picture
status=$?
if [ -t 0 ]; then
	read -rp "Press Enter to end the demo. "
fi
: >$out/seen
wait $demo || status=$?
exit $status
