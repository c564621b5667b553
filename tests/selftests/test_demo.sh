#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The statements of `make demo` are true.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need ip tc radvd ping python3 jq curl modprobe shim6tool shim6d shim6web plot ssh sshd ssh-keygen

export SHIM6_ARTIFACTS=$TEST_TMP/out
D=$SHIM6_ARTIFACTS/demo
CUT="provider 1 is cut off"
HOLE="provider 2 loses what host a sends"

demo()
{
	mkdir "$SHIM6_ARTIFACTS" && bash "$here/demo.sh" >"$TEST_TMP/demo" 2>&1 || { cat "$TEST_TMP/demo"; return 1; }
}

said() { grep "$1" "$TEST_TMP/demo" || { cat "$TEST_TMP/demo"; return 1; }; }

# silent FLOW FAILURE BACK: for how many milliseconds, if it is as BACK (a pattern)
# says whether something came afterwards.
silent() { awk -F, -v f="$1" -v e="\"$2\"" -v b="$3" '$1 == f && $2 == e && $4 ~ b { print $3 }' "$D.outages.csv"; }

# resumed FLOW: after both failures, and before what had failed was repaired.
resumed()
{
	local what ms

	for what in "$CUT" "$HOLE"; do
		ms=$(silent "$1" "$what" true)
		[ -n "$ms" ] && [ "$ms" -lt 4000 ] || { cat "$D.outages.csv"; fail "$what: '$ms' ms"; return 1; }
	done
}

# stopped FLOW FAILURE REPAIR: it came before, and not in the last second before the
# repair begins. To break something takes an emulated machine a second, too.
stopped()
{
	awk -F, -v flow="$1" -v f="$2" -v r="$3" '
		NR == FNR && $3 == f { failed = $1 }
		NR == FNR && $3 == r { repaired = $1 }
		NR == FNR { next }
		$2 != flow { next }
		$1 < failed { before++ }
		$1 >= repaired - 1 && $1 < repaired { late++ }
		END { print failed, repaired, before, late + 0; exit !(repaired - failed >= 3 && before > 50 && !late) }' "$D.events.csv" "$D.arrivals.csv" ||
		{ cat "$D.outages.csv" "$D.events.csv"; fail "it did not stop"; }
}

# moved FAILURE REPAIR PROVIDER: between the two the sessions were moved, and each time to
# a's PROVIDER; to which of b's is a matter of which Probe is answered first.
moved()
{
	awk -F, -v f="$1" -v r="$2" -v to="^provider $3 to [34]\$" '
		$3 == f { on = 1 }
		$3 == r { on = 0 }
		on && $2 == "pair" { $3 ~ to ? right++ : wrong++ }
		END { exit !(right && !wrong) }' <(sort -t, -g "$D.events.csv")
}

moved_twice()
{
	moved "$CUT" "provider 1 is back" 2 && moved "$HOLE" "provider 2 is back" 1 || { cat "$D.events.csv"; fail "they were not"; }
}

# paged: the page of host a has both switches, and what was found out of each.
paged()
{
	jq -e '[.switches[] | select(.direction == "outbound" and .outage > 0) | ."to-link"] | index("up2") and index("up1")' "$D.screen.json" >/dev/null &&
	jq -e '.verdict.level == "good" and (.overview.links | length) == 2 and .error == null' "$D.screen.json" >/dev/null ||
		{ jq '{verdict, switches, links: .overview.links}' "$D.screen.json"; fail "the page says something else"; }
}

svg() { /usr/bin/python3 "$here/demo_svg.py" "$D.svg" "$D.events.csv"; }

set_up "the demo runs to its end" demo
run_test "the sessions were moved, and moved again" moved_twice
run_test "ssh lives after each failure, and to the end" eval '[ "$(grep -c "what is typed comes back" "$TEST_TMP/demo")" = 3 ] && said "ssh session ends, as it should"'
run_test "TCP goes on after both" resumed tcp:5001
run_test "UDP goes on after both" resumed udp:5002
run_test "plain TCP does not while provider 1 is away" stopped tcp:5003 "$CUT" "provider 1 is back"
run_test "plain TCP does not while provider 2 is a black hole" stopped tcp:5004 "$HOLE" "provider 2 is back"
for line in "HBA" "PROVIDER 1 FAILS" "Shim6 moves all sessions to provider 2" "PROVIDER 2 BECOMES A BLACK HOLE" \
	"Shim6 moves all sessions to provider 1" "longest silence" "demo.svg"; do
	run_test "it says: $line" said "$line"
done
run_test "the picture has its labels" svg
run_test "the page of host a says which link failed, and when it was left" paged
run_test "the module goes" modprobe -r shim6
tap_end
