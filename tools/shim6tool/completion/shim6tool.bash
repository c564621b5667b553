# SPDX-License-Identifier: BSD-3-Clause
# Made by 'shim6tool completion bash'.

_shim6tool()
{
	local cur=${COMP_WORDS[COMP_CWORD]} object= command= words= i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-n | -netns | -socket) i=$((i + 1)) ;;
		-*) ;;
		*)
			if [ -z "$object" ]; then
				object=${COMP_WORDS[i]}
			elif [ -z "$command" ]; then
				command=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-n | -netns)
		words=$(ip netns list 2>/dev/null | cut -d ' ' -f 1)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	-socket | pds | key | new-key)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case "$object${command:+ $command}" in
	"")
		words="context flow policy config stats cga hba path locator monitor hook top daemon doctor completion help"
		[[ $cur != -* ]] || words="-j -json -p -pretty -s -statistics -t -timestamp -ts -tshort -n -netns -socket -v -version -h -help"
		;;
	"context") words="show add del flush set trigger update help" ;;
	"context show") words="fii ulid-local ulid-peer state reap-state active-within" ;;
	"context add") words="fii tag-local tag-peer state locator-local locator-peer locators-local locators-peer inbound-locator-local inbound-locator-peer send-timeout keepalive-timeout reap-state reap-timer header encapsulation inbound-encapsulation" ;;
	"context del") words="fii" ;;
	"context set") words="fii tag-peer state locator-local locator-peer locators-local locators-peer inbound-locator-local inbound-locator-peer send-timeout keepalive-timeout reap-state reap-timer header encapsulation inbound-encapsulation" ;;
	"context trigger") words="fii locator-local locator-peer force" ;;
	"context update") words="fii" ;;
	"flow") words="show help" ;;
	"policy") words="show add del flush help" ;;
	"policy add") words="preference local peer protocol port-local port-peer port mark mptcp action trigger-packets trigger-time" ;;
	"policy del") words="preference" ;;
	"config") words="show set help" ;;
	"config set") words="max-contexts max-flows trigger-packets trigger-time send-timeout idle-timeout icmp-to-ulp udp-port watch-streams" ;;
	"stats") words="show help" ;;
	"cga") words="show verify generate help" ;;
	"cga show") words="pds" ;;
	"cga verify") words="pds" ;;
	"cga generate") words="prefix pds key new-key key-bits sec" ;;
	"hba") words="show verify generate help" ;;
	"hba show") words="pds" ;;
	"hba verify") words="pds" ;;
	"hba generate") words="prefix pds key new-key key-bits sec pure" ;;
	"path") words="show history probe doubt use help" ;;
	"path show") words="fii" ;;
	"path history") words="fii" ;;
	"path probe") words="from" ;;
	"path doubt") words="fii" ;;
	"path use") words="fii local peer ulids" ;;
	"locator") words="show dns help" ;;
	"locator dns") words="ttl nsupdate" ;;
	"monitor") words="all config context path policy protection help" ;;
	"hook") words="example run help" ;;
	"top") words="show help" ;;
	"daemon") words="status reload help" ;;
	"doctor") words="check peer help" ;;
	"doctor peer") words="from" ;;
	"completion") words="bash fish zsh help" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _shim6tool shim6tool
