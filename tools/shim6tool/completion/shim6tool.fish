# SPDX-License-Identifier: BSD-3-Clause
# Made by 'shim6tool completion fish'.

# The object and the command that are there, without options.
function __shim6tool_words
	set -l words (commandline -opc)[2..-1]
	set -l found
	while set -q words[1]
		switch $words[1]
			case -n -netns -socket
				set -e words[1]
			case '-*'
			case '*'
				set -a found $words[1]
		end
		set -e words[1]
	end
	string join ' ' -- $found[1..2]
end

complete -c shim6tool -f
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s j
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o json
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s p
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o pretty
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s s
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o statistics
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s t
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o timestamp
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o ts
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o tshort
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s n -x -a "(ip netns list 2>/dev/null | cut -d ' ' -f 1)"
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o netns -x -a "(ip netns list 2>/dev/null | cut -d ' ' -f 1)"
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o socket -r -F
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s v
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o version
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -s h
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -o help
complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -a "context flow policy config stats cga hba path locator monitor hook top daemon doctor completion help"
complete -c shim6tool -n '__fish_prev_arg_in -socket pds key new-key' -F
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context"' -a "show add del flush set trigger update help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context show"' -a "fii ulid-local ulid-peer state reap-state active-within"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context add"' -a "fii tag-local tag-peer state locator-local locator-peer locators-local locators-peer inbound-locator-local inbound-locator-peer send-timeout keepalive-timeout reap-state reap-timer header encapsulation inbound-encapsulation"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context del"' -a "fii"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context set"' -a "fii tag-peer state locator-local locator-peer locators-local locators-peer inbound-locator-local inbound-locator-peer send-timeout keepalive-timeout reap-state reap-timer header encapsulation inbound-encapsulation"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context trigger"' -a "fii locator-local locator-peer force"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "context update"' -a "fii"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "flow"' -a "show help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "policy"' -a "show add del flush help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "policy add"' -a "preference local peer protocol port-local port-peer port mark mptcp action trigger-packets trigger-time"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "policy del"' -a "preference"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "config"' -a "show set help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "config set"' -a "max-contexts max-flows trigger-packets trigger-time send-timeout idle-timeout icmp-to-ulp udp-port watch-streams"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "stats"' -a "show help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "cga"' -a "show verify generate help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "cga show"' -a "pds"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "cga verify"' -a "pds"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "cga generate"' -a "prefix pds key new-key key-bits sec"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "hba"' -a "show verify generate help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "hba show"' -a "pds"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "hba verify"' -a "pds"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "hba generate"' -a "prefix pds key new-key key-bits sec pure"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path"' -a "show history probe doubt use help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path show"' -a "fii"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path history"' -a "fii"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path probe"' -a "from"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path doubt"' -a "fii"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "path use"' -a "fii local peer ulids"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "locator"' -a "show dns help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "locator dns"' -a "ttl nsupdate"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "monitor"' -a "all config context path policy protection help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "hook"' -a "example run help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "top"' -a "show help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "daemon"' -a "status reload help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "doctor"' -a "check peer help"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "doctor peer"' -a "from"
complete -c shim6tool -n 'test "$(__shim6tool_words)" = "completion"' -a "bash fish zsh help"
