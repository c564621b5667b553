#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own netlink client, tools/net/ynl, knows only netlink/shim6.yaml of Shim6. It
# reads the same values as shim6tool, and shows the kernel's errors. An example of how to use
# the family without our tools:
#
#	cli.py --spec netlink/shim6.yaml --dump context-get

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need modprobe python3 jq shim6tool
export PYTHONDONTWRITEBYTECODE=1
A=2001:db8::a B=2001:db8::b A2=2001:db8:1::a B2=2001:db8:1::b B3=2001:db8:2::b

# source_found: the source of the newest kernel in the runner's cache, which also has the guest's
# modules. Its ynl accepts addresses in text form, which that of 6.12 does not.
source_found()
{
	local cache f

	cache=$(readlink "/lib/modules/$(uname -r)/kernel")
	for f in "${cache%/kernels/*}"/src/linux-source-*/tools/net/ynl/pyynl/cli.py; do
		[ -e "$f" ] && src=${f%/tools/net/*}
	done
	[ -n "${src:-}" ]
}

# ynl WORDS...
ynl()
{
	/usr/bin/python3 "$src/tools/net/ynl/pyynl/cli.py" --spec "$here/../../netlink/shim6.yaml" \
		--schema "$src/Documentation/netlink/genetlink.yaml" "$@"
}

# same YNL SHIM6TOOL: two files of JSON.
same() { /usr/bin/python3 "$here/ynl_same.py" "$@"; }

config_get()
{
	shim6tool config set send-timeout 20s && ynl --do config-get --output-json >"$TEST_TMP/y" &&
	shim6tool -j config >"$TEST_TMP/s" && jq -e '."send-timeout" == 20000' "$TEST_TMP/y" >/dev/null &&
	same "$TEST_TMP/y" "$TEST_TMP/s"
}

config_set()
{
	ynl --do config-set --json '{"max-flows": 77}' && shim6tool -j config | jq -e '.[]."max-flows" == 77'
}

context_dump()
{
	shim6tool context add $A $B tag-local 1 tag-peer 2 state established locators-local $A2 locators-peer $B2,$B3 &&
	shim6tool context add $A $B fii 7 tag-local 3 tag-peer 4 state established &&
	ynl --dump context-get --output-json >"$TEST_TMP/y" && shim6tool -j context >"$TEST_TMP/s" &&
	jq -e 'length == 2' "$TEST_TMP/y" >/dev/null && holds "$TEST_TMP/y" $B3 && same "$TEST_TMP/y" "$TEST_TMP/s"
}

# flow_dump: a daemon is there, so packets are counted; two pairs, one of which has answered.
flow_dump()
{
	ip link set lo up && ip addr add $A/128 dev lo && ip link add d0 type dummy && ip link set d0 up &&
	ip -6 route add 2001:db8:7::/64 dev d0 src $A || return
	/usr/bin/python3 - "$here" <<-EOF &
		import socket, sys, time
		sys.path.insert(0, sys.argv[1])
		import genl
		s = genl.Genl()
		s.ask(s.family("shim6")[0], 18, b"")
		u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		for i in 1, 2, 2:
		    u.sendto(b"x", (f"2001:db8:7::{i}", 9))
		time.sleep(60)
	EOF
	daemon=$!
	busywait 20 two_flows && ynl --dump flow-get --output-json | jq 'map(del(.age, .idle))' >"$TEST_TMP/y" &&
	shim6tool -j flow | jq 'map(del(.age, .idle, .protection))' >"$TEST_TMP/s"
	kill $daemon
	jq -e 'sort_by(-.packets) | map(.packets) == [2, 1]' "$TEST_TMP/y" && same_flows
}

two_flows() { shim6tool -j flow | jq -e 'map(.packets) == [2, 1]' >/dev/null; }

# ynl leaves out a flag that is not set.
same_flows()
{
	expect_eq "flows" "$(jq -cS 'sort_by(-.packets) | map(.heard //= false)' "$TEST_TMP/y")" "$(jq -cS . "$TEST_TMP/s")"
}

context_get()
{
	ynl --do context-get --json "{\"ulid-local\": \"$A\", \"ulid-peer\": \"$B\", \"fii\": 7}" --output-json \
		>"$TEST_TMP/y" && shim6tool -j context show $A $B fii 7 >"$TEST_TMP/s" &&
	same "$TEST_TMP/y" "$TEST_TMP/s"
}

# shown KEY: the value that shim6tool shows of the context with FII 7.
shown() { shim6tool -j context show $A $B fii 7 | jq -c ".[].\"$1\" // empty"; }

# set_lists JSON: set attributes of that context.
set_lists() { ynl --do context-set --json "{\"ulid-local\": \"$A\", \"ulid-peer\": \"$B\", \"fii\": 7, $1}"; }

# A list is one attribute: set as a whole, emptied, or left as it is.
lists()
{
	set_lists "\"locators-local\": {\"locator\": [\"$A2\"]}, \"locators-peer\": {\"locator\": [\"$B2\", \"$B3\"]}" &&
	expect_eq "the lists" "$(shown locators-local)$(shown locators-peer)" "[\"$A2\"][\"$B2\",\"$B3\"]" || return
	set_lists "\"locators-peer\": {\"locator\": [\"$B3\"]}" &&
	expect_eq "with another list of the peer" "$(shown locators-local)$(shown locators-peer)" "[\"$A2\"][\"$B3\"]" || return
	set_lists '"locators-local": {}' &&
	expect_eq "without a local list" "$(shown locators-local)$(shown locators-peer)" "[\"$B3\"]"
}

# refused PATTERN WORDS...: the kernel refuses, with a sentence and the place of the error.
refused()
{
	local pattern=$1

	shift
	ynl "$@" >"$TEST_TMP/out" 2>&1 && { fail "the kernel takes it"; return 1; }
	cat "$TEST_TMP/out"
	tr '\n' ' ' <"$TEST_TMP/out" | grep -qE "$pattern" || fail "not told: $pattern"
}

out_of_range()
{
	refused "integer out of range.*'min-value': 10000, 'max-value': 100000.*'bad-attr': '.send-timeout'" \
		--do config-set --json '{"send-timeout": 5}'
}

# The error names its place inside the list.
list_refused()
{
	refused "a locator is a unicast address.*'bad-attr': '.locators-peer.locator'" --do context-set \
		--json "{\"ulid-local\": \"$A\", \"ulid-peer\": \"$B\", \"fii\": 7, \"locators-peer\": {\"locator\": [\"$B2\", \"ff02::1\"]}}"
}

missing() { refused "a context is named by ulid-local and ulid-peer.*'miss-type': 'ulid-local'" --do context-get --json '{}'; }

modprobe shim6 || exit
if source_found; then
	run_test "ynl: config-get has the values that shim6tool shows" config_get
	run_test "ynl: config-set sets" config_set
	run_test "ynl: a dump of contexts has the values that shim6tool shows" context_dump
	run_test "ynl: a dump of flows has the values that shim6tool shows" flow_dump
	run_test "ynl: one context, by its ULIDs and FII" context_get
	run_test "ynl: a list is set as a whole, emptied, or left alone" lists
	run_test "ynl: an error in a list is refused, and named" list_refused
	run_test "ynl: a value out of range is refused, with its limits" out_of_range
	run_test "ynl: an attribute that is missing is named" missing
	shim6tool context flush
else
	tap_skip "ynl" "there is no kernel source with tools/net/ynl/pyynl: tests/vm/run -k latest -prepare fetches it"
fi
tap_end
