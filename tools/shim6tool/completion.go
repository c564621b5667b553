// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"shim6/netlink"
)

// globalOptions are what may stand before the object, with whether a value follows.
var globalOptions = []struct {
	name  string
	value bool
}{
	{"-j", false}, {"-json", false}, {"-p", false}, {"-pretty", false}, {"-s", false}, {"-statistics", false},
	{"-t", false}, {"-timestamp", false}, {"-ts", false}, {"-tshort", false},
	{"-n", true}, {"-netns", true}, {"-socket", true}, {"-v", false}, {"-version", false}, {"-h", false}, {"-help", false},
}

// commandKeys returns the keys that each command takes, by "object command".
func commandKeys() map[string][]string {
	names := func(keys []key, more ...string) []string {
		var list []string
		for _, k := range keys {
			list = append(list, k.name)
		}
		return append(list, more...)
	}
	var config []string
	for _, k := range configKeys {
		config = append(config, k.name)
	}
	context := names(contextKeys(&netlink.ContextUpdate{}))
	address := []string{"prefix", "pds", "key", "new-key", "key-bits", "sec"}
	m := map[string][]string{
		"config set":      config,
		"context set":     append([]string{"fii"}, context...),
		"context add":     append([]string{"fii", "tag-local"}, context...),
		"context trigger": append([]string{"fii"}, names(openKeys(nil, nil, nil))...),
		"policy add":      names(policyKeys(&netlink.Policy{}, nil)),
		"policy del":      {"preference"},
		"path probe":      {"from"},
		"path use":        {"fii", "local", "peer", "ulids"},
		"doctor peer":     {"from"},
		"cga generate":    address,
		"hba generate":    append(address[:len(address):len(address)], "pure"),
	}
	m["context show"] = append([]string{"fii"}, names(filterKeys(&netlink.ContextFilter{}))...)
	for _, c := range []string{"context del", "context update", "path show", "path history"} {
		m[c] = []string{"fii"}
	}
	for _, c := range []string{"cga show", "cga verify", "hba show", "hba verify"} {
		m[c] = []string{"pds"}
	}
	return m
}

// tree is what can be completed: the words after each word, from the commands that
// there are.
type tree struct {
	objects []string
	// words are by object, and by "object command".
	words map[string][]string
	// order is that in which the keys of words are written.
	order []string
}

func (t *tool) tree() tree {
	r := tree{words: map[string][]string{}}
	keys := commandKeys()
	add := func(name string, words []string) {
		if len(words) > 0 {
			r.words[name] = words
			r.order = append(r.order, name)
		}
	}
	list := func(commands []*cli.Command) (names []string) {
		for _, c := range commands {
			names = append(names, c.Name)
		}
		return names
	}
	r.objects = list(t.app().Commands)
	for _, o := range t.app().Commands {
		add(o.Name, list(o.Subcommands))
		for _, c := range o.Subcommands {
			add(o.Name+" "+c.Name, keys[o.Name+" "+c.Name])
		}
	}
	return r
}

func optionNames() string {
	var words []string
	for _, o := range globalOptions {
		words = append(words, o.name)
	}
	return strings.Join(words, " ")
}

// valued are the options that a value follows, with something between them.
func valued(between string) string {
	var words []string
	for _, o := range globalOptions {
		if o.value {
			words = append(words, o.name)
		}
	}
	return strings.Join(words, between)
}

const generated = "# SPDX-License-Identifier: BSD-3-Clause\n# Made by 'shim6tool completion %s'.\n"

func (t *tool) completionBash(args []string) error {
	if err := noWords("completion bash", args); err != nil {
		return err
	}
	r := t.tree()
	fmt.Fprintf(t.out, generated+`
_shim6tool()
{
	local cur=${COMP_WORDS[COMP_CWORD]} object= command= words= i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%s) i=$((i + 1)) ;;
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
		words="%s"
		[[ $cur != -* ]] || words="%s"
		;;
`, "bash", valued(" | "), strings.Join(r.objects, " "), optionNames())
	for _, name := range r.order {
		fmt.Fprintf(t.out, "\t%q) words=%q ;;\n", name, strings.Join(r.words[name], " "))
	}
	fmt.Fprint(t.out, `	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _shim6tool shim6tool
`)
	return nil
}

func (t *tool) completionZsh(args []string) error {
	if err := noWords("completion zsh", args); err != nil {
		return err
	}
	r := t.tree()
	fmt.Fprintf(t.out, "#compdef shim6tool\n"+generated+`
_shim6tool() {
	local object= command= i
	for ((i = 2; i < CURRENT; i++)); do
		case ${words[i]} in
		%s) ((i++)) ;;
		-*) ;;
		*)
			if [[ -z $object ]]; then
				object=${words[i]}
			elif [[ -z $command ]]; then
				command=${words[i]}
			fi
			;;
		esac
	done
	case ${words[CURRENT - 1]} in
	-n|-netns) compadd -- ${(f)"$(ip netns list 2>/dev/null | cut -d ' ' -f 1)"}; return ;;
	-socket|pds|key|new-key) _files; return ;;
	esac
	case "$object${command:+ $command}" in
	"")
		if [[ ${words[CURRENT]} == -* ]]; then
			compadd -- %s
		else
			compadd -- %s
		fi
		;;
`, "zsh", valued("|"), optionNames(), strings.Join(r.objects, " "))
	for _, name := range r.order {
		fmt.Fprintf(t.out, "\t%q) compadd -- %s ;;\n", name, strings.Join(r.words[name], " "))
	}
	fmt.Fprint(t.out, "\tesac\n}\n\nif [[ $funcstack[1] == _shim6tool ]]; then\n\t_shim6tool \"$@\"\nelse\n\tcompdef _shim6tool shim6tool\nfi\n")
	return nil
}

func (t *tool) completionFish(args []string) error {
	if err := noWords("completion fish", args); err != nil {
		return err
	}
	r := t.tree()
	fmt.Fprintf(t.out, generated+`
# The object and the command that are there, without options.
function __shim6tool_words
	set -l words (commandline -opc)[2..-1]
	set -l found
	while set -q words[1]
		switch $words[1]
			case %s
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
`, "fish", valued(" "))
	for _, o := range globalOptions {
		kind := "-o"
		if len(o.name) == 2 {
			kind = "-s"
		}
		more := ""
		switch o.name {
		case "-n", "-netns":
			more = ` -x -a "(ip netns list 2>/dev/null | cut -d ' ' -f 1)"`
		case "-socket":
			more = " -r -F"
		}
		fmt.Fprintf(t.out, "complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' %s %s%s\n", kind, o.name[1:], more)
	}
	fmt.Fprintf(t.out, "complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)' -a %q\n", strings.Join(r.objects, " "))
	fmt.Fprintln(t.out, "complete -c shim6tool -n '__fish_prev_arg_in pds key new-key' -F")
	for _, name := range r.order {
		fmt.Fprintf(t.out, "complete -c shim6tool -n 'test \"$(__shim6tool_words)\" = \"%s\"' -a %q\n", name, strings.Join(r.words[name], " "))
	}
	return nil
}
