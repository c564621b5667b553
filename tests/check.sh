#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests that need no guest. The output is TAP, one line for each check.
#
# usage: tests/check.sh [lint] [unit] [sources]		(default: all, in this order)
#
#	lint	style and static checks of the files in this folder
#	unit	the Go tests; the test of a million worlds is cut short
#	sources	checks that need sources and headers of kernels, which it fetches: static
#		checks of the module, generated files, what is built and installed
#
# Lint and unit need neither root nor a kernel.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/local/go/bin
run=tests/vm/run
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0

# check NAME COMMAND...: COMMAND succeeds. Its output is shown if it does not.
check()
{
	local name=$1 start=$SECONDS

	shift
	n=$((n + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $n $name # $((SECONDS - start)) s"
	else
		bad=$((bad + 1))
		echo "not ok $n $name"
		sed 's/^/#   /' "$tmp/out"
	fi
}

# silent COMMAND...: succeeds if COMMAND does and prints nothing.
silent()
{
	local out

	out=$("$@") && [ -z "$out" ] && return
	echo "$out"
	return 1
}

# The tag has a program of the guest tests.
vet() { go vet ./... && go vet -tags answers ./tools/shim6tool; }

go_mod_tidy() { go mod tidy -diff && go mod verify; }

# Rules for English, and for commits: those that a program can check.
words()
{
	[ -e .git ] || { echo "this is no repository: nothing to check"; return; }
	go run ./tests/words
}

# Without these programs the Go tests skip what needs them; -prepare installs the programs.
completion() { SHIM6_NO_SKIP=1 go test -run Completion ./tools/shim6tool; }
dissector() { SHIM6_NO_SKIP=1 go test -run Tshark ./daemon/wire; }
web() { SHIM6_NO_SKIP=1 go test -count=1 -run 'Page|Promtool|Alerts|Memory' ./tools/shim6web; }
firewall() { SHIM6_NO_SKIP=1 go test -run 'Nftables|Hooks' ./examples; }

# Some of checkpatch's rules do not apply to these files:
#   compat.h compares kernel versions, which a kernel tree would not need, and has
#   macros for functions that have lost an argument.
#   trace.h has the layout of every header of tracepoints.
#   The generator does not break lines.
checkpatch()
{
	local f ignore status=0

	for f in kernel/*.[ch] kernel/uapi/linux/*.h; do
		ignore=
		case $f in
		kernel/compat.h) ignore=--ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_UNUSED ;;
		kernel/trace.h) ignore=--ignore=OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT ;;
		kernel/netlink_gen.*) ignore=--ignore=LONG_LINE ;;
		esac
		perl "$source/scripts/checkpatch.pl" --no-tree --strict --quiet --terse --show-types \
			$ignore -f "$f" </dev/null || status=1
	done
	return $status
}

sparse()
{
	rm -rf "$tmp/sparse"
	mkdir "$tmp/sparse" && cp -r Kbuild VERSION kernel "$tmp/sparse" &&
	make -s -C "$build" M="$tmp/sparse" C=2 CF="-D__CHECK_ENDIAN__ -Wsparse-error" W=1 \
		KCFLAGS=-Werror modules >"$tmp/sparse.log" 2>&1 || { cat "$tmp/sparse.log"; return 1; }
	# Sparse also warns of the kernel's headers; only our files count.
	! grep -E "$tmp/sparse/kernel/[^ ]*: (warning|error)" "$tmp/sparse.log"
}

# The make targets that DKMS calls, with the version that it will name.
dkms()
{
	grep -qx "PACKAGE_VERSION=\"$(cat VERSION)\"" dkms.conf || { echo "dkms.conf has another version"; return 1; }
	mkdir "$tmp/dkms" && cp -r Makefile Kbuild VERSION kernel "$tmp/dkms" &&
	make -s -C "$tmp/dkms" module KDIR="$build" && [ -e "$tmp/dkms/shim6.ko" ] || return
	# It complains that there is no key and no System.map.
	make -s -C "$tmp/dkms" module-install KDIR="$build" INSTALL_MOD_PATH="$tmp/modules" 2>/dev/null &&
		find "$tmp/modules/lib/modules" -path '*/updates/shim6.ko*' | grep -q .
}

# Several architectures have no cmpxchg() or xchg() of one or two octets, or had none until
# lately. A module that uses one does not link there. x86 has them: its code shows their use.
wide_atomics()
{
	local of='(lock )?(cmp)?xchg[a-z]* +%' narrow='([abcd][lhx]|[sd]il?|[sb]pl?|r[0-9]+[bw]),.*\('

	objdump -d --no-show-raw-insn "$tmp/dkms/shim6.ko" >"$tmp/code" && grep -qE "$of" "$tmp/code" || return
	! grep -E "^[0-9a-f]+ <|$of$narrow" "$tmp/code" | grep -E -B 1 "$of"
}

# The default folders, and that an existing configuration stays.
installs()
{
	local i=$tmp/installed f

	make -s build && make -s install DESTDIR="$i" || return
	for f in usr/local/sbin/shim6d usr/local/bin/shim6tool usr/local/sbin/shim6web usr/local/share/shim6/grafana/shim6.json \
		usr/local/share/shim6/prometheus/shim6.rules.yml usr/local/share/man/man8/shim6web.8.gz usr/local/share/man/man8/shim6d.8.gz etc/shim6d.conf \
		usr/local/lib/sysusers.d/shim6d.conf usr/local/share/bash-completion/completions/shim6tool \
		usr/local/share/zsh/site-functions/_shim6tool usr/local/share/fish/vendor_completions.d/shim6tool.fish; do
		[ -e "$i/$f" ] || { echo "no $f"; find "$i"; return 1; }
	done
	"$i/usr/local/bin/shim6tool" -version && "$i/usr/local/sbin/shim6d" -check -c "$i/etc/shim6d.conf" &&
	grep -rqx 'ExecStart=/usr/local/sbin/shim6d' "$i" || { grep -r ExecStart "$i"; return 1; }
	echo "# mine" >"$i/etc/shim6d.conf"
	make -s install DESTDIR="$i" && grep -qx "# mine" "$i/etc/shim6d.conf" || return
	# The unit has no more rights than before: an exposure of 1.8 (of 10), which is that of the
	# network, CAP_NET_ADMIN, and CAP_NET_RAW.
	systemd-analyze security --offline=true --threshold=18 "$(find "$i" -name shim6d.service)" >"$tmp/security" ||
		{ cat "$tmp/security"; return 1; }
	# Hooks have the network, and nothing else.
	systemd-analyze security --offline=true --threshold=14 "$(find "$i" -name shim6-hook@.service)" >"$tmp/security" ||
		{ cat "$tmp/security"; return 1; }
	# The page has no rights; the exposure is that of the network.
	systemd-analyze security --offline=true --threshold=13 "$(find "$i" -name shim6web.service)" >"$tmp/security" ||
		{ cat "$tmp/security"; return 1; }
}

# packages: those that `make deb` makes. Guests test what they do when they are installed.
packages()
{
	local p

	rm -rf build/deb
	make -s deb || return
	for p in shim6 shim6-dkms; do
		[ "$(dpkg-deb -f build/deb/${p}_*.deb Version)" = "$(cat VERSION)" ] || { ls build/deb; return 1; }
	done
	dpkg-deb -c build/deb/shim6_*.deb | grep -q '/usr/share/doc/shim6/licenses/.*/go-systemd/.*/NOTICE$' ||
		{ dpkg-deb -c build/deb/shim6_*.deb; return 1; }
}

shell_syntax()
{
	local f

	for f in tests/*.sh tests/vm/*.sh tests/selftests/*.sh tests/bench/*/*.sh findings/*.sh .ci/run; do
		bash -n "$f" || return
	done
	sh -n tests/vm/run && sh -n tests/vm/guest/init
}

# The specification is valid by the newest kernel's own schema.
schema()
{
	/usr/bin/python3 - "$latest" netlink/shim6.yaml <<-'EOF'
		import sys, yaml, jsonschema
		with open(sys.argv[1] + "/Documentation/netlink/genetlink.yaml") as f:
		    s = yaml.safe_load(f)
		with open(sys.argv[2]) as f:
		    jsonschema.validate(yaml.safe_load(f), s)
	EOF
}

lint()
{
	check "gofmt" silent gofmt -l .
	check "go vet" vet
	check "staticcheck" go tool staticcheck ./...
	check "go.mod is tidy" go_mod_tidy
	check "shell syntax" shell_syntax
	check "no circle among the module's files" silent go run ./tools/circles
	check "each requirement has a test, or a reason" go run ./tools/conformance
	check "plain words, and subjects of commits" words
}

# With the race detector a hundred worlds take as long as thousands without it. The protocol itself
# has no goroutine.
unit()
{
	local pure='/daemon/(internal/(engine|reap)|wire)$'

	# shellcheck disable=SC2046
	check "go test -race" go test -race $(go list ./... | grep -vE "$pure")
	# shellcheck disable=SC2046
	check "go test, where no goroutine is" go test -short $(go list ./... | grep -E "$pure")
	check "what answers the polls of guest tests" go test -tags answers -run '^(TestFilter|TestReadRequest)$' ./tools/shim6tool
	check "ten thousand worlds, as many contexts at once, a hundred thousand routes" go test -timeout 20m -p 1 \
		-run '^(TestWorlds|TestTenThousand|TestRandomWalk|TestHundredThousandRoutes)$' ./daemon/internal/{sim,reap,address}
}

sources()
{
	$run -k debug -prepare && $run -k 6.12 -prepare && $run -k latest -prepare || exit 125
	source=$($run -k debug -path source) && build=$($run -k 6.12 -path build) && latest=$($run -k latest -path source) || exit 125

	check "what is generated is up to date" go run ./tools/nlgen -check -kernel-source "$source"
	check "the newest kernel's schema takes the specification" schema
	check "checkpatch --strict" checkpatch
	check "sparse" sparse
	check "make module, as DKMS calls it, and make module-install" dkms
	check "no atomic operation on less than four octets" wide_atomics
	check "make install" installs
	check "make deb" packages
	check "completion is tried in each shell that has it" completion
	check "tshark agrees with what is encoded" dissector
	check "nft takes the example of a firewall" firewall
	check "the page in Chromium, and what Prometheus says of metrics and alerts" web
}

echo "TAP version 13"
[ $# -gt 0 ] || set -- lint unit sources
for what; do
	case $what in
	lint | unit | sources) $what ;;
	*) echo "tests/check.sh: $what is not lint, unit or sources" >&2 && exit 125 ;;
	esac
done
echo "1..$n"
echo "$((n - bad)) passed, $bad failed"
[ "$bad" = 0 ]
