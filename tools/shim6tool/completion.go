// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate sh -c "go run . completion bash >completion/shim6tool.bash"
//go:generate sh -c "go run . completion zsh >completion/_shim6tool"
//go:generate sh -c "go run . completion fish >completion/shim6tool.fish"

func init() {
	for _, s := range []struct {
		shell string
		order order
		write func(*tool, script)
	}{
		{"bash", isDefault, (*tool).completionBash},
		{"fish", onlyShows, (*tool).completionFish},
		{"zsh", onlyShows, (*tool).completionZsh},
	} {
		register(command{
			object: "completion", verb: s.shell, order: s.order, help: "print the script for " + s.shell,
			form: func(t *tool) form {
				return form{run: func([]string) error {
					s.write(t, t.script())
					return nil
				}}
			},
		})
	}
}

// script has the words that shells complete, from the rows. The scripts of cli would run the program
// at each TAB, and know no keys; ours are files with all words.
type script struct {
	objects []string
	options []option
	// next are the words that can follow an object, or an object and a command.
	next []following
	// files are the keys and options whose value is a file.
	files []string
}

// following are the words that can follow others.
type following struct{ after, words string }

func (t *tool) script() script {
	s := script{options: appOptions(t.app()), files: []string{"-socket"}}
	for _, o := range objects {
		s.objects = append(s.objects, o.name)
		var verbs []string
		for _, c := range commandsOf(o.name) {
			verbs = append(verbs, c.verb)
		}
		s.next = append(s.next, following{o.name, strings.Join(append(verbs, "help"), " ")})
		for _, c := range commandsOf(o.name) {
			f := c.form(t)
			var keys []string
			if f.context != nil {
				keys = append(keys, "fii")
			}
			for _, k := range f.keys {
				keys = append(keys, k.name)
				if k.path && !slices.Contains(s.files, k.name) {
					s.files = append(s.files, k.name)
				}
			}
			if len(keys) > 0 {
				s.next = append(s.next, following{c.name(), strings.Join(keys, " ")})
			}
		}
	}
	s.objects = append(s.objects, "help")
	return s
}

// optionNames returns the options, or those that a value follows.
func (s *script) optionNames(value bool) []string {
	var names []string
	for _, o := range s.options {
		if !value || o.value != "" {
			names = append(names, o.names...)
		}
	}
	return names
}

const generated = "# SPDX-License-Identifier: BSD-3-Clause\n# Made by 'shim6tool completion %s'.\n"

func (t *tool) completionBash(s script) {
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
	%s)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case "$object${command:+ $command}" in
	"")
		words="%s"
		[[ $cur != -* ]] || words="%s"
		;;
`, "bash", strings.Join(s.optionNames(true), " | "), strings.Join(s.files, " | "), strings.Join(s.objects, " "), strings.Join(s.optionNames(false), " "))
	for _, n := range s.next {
		fmt.Fprintf(t.out, "\t%q) words=%q ;;\n", n.after, n.words)
	}
	fmt.Fprint(t.out, `	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _shim6tool shim6tool
`)
}

func (t *tool) completionZsh(s script) {
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
	%s) _files; return ;;
	esac
	case "$object${command:+ $command}" in
	"")
		if [[ ${words[CURRENT]} == -* ]]; then
			compadd -- %s
		else
			compadd -- %s
		fi
		;;
`, "zsh", strings.Join(s.optionNames(true), "|"), strings.Join(s.files, "|"), strings.Join(s.optionNames(false), " "), strings.Join(s.objects, " "))
	for _, n := range s.next {
		fmt.Fprintf(t.out, "\t%q) compadd -- %s ;;\n", n.after, n.words)
	}
	fmt.Fprint(t.out, "\tesac\n}\n\nif [[ $funcstack[1] == _shim6tool ]]; then\n\t_shim6tool \"$@\"\nelse\n\tcompdef _shim6tool shim6tool\nfi\n")
}

func (t *tool) completionFish(s script) {
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
`, "fish", strings.Join(s.optionNames(true), " "))
	const first = "complete -c shim6tool -n 'test -z (__shim6tool_words | string collect)'"
	for _, o := range s.options {
		for _, name := range o.names {
			kind, more := "-o", ""
			if len(name) == 2 {
				kind = "-s"
			}
			switch {
			case slices.Contains(s.files, name):
				more = " -r -F"
			case o.value != "":
				more = ` -x -a "(ip netns list 2>/dev/null | cut -d ' ' -f 1)"`
			}
			fmt.Fprintf(t.out, "%s %s %s%s\n", first, kind, name[1:], more)
		}
	}
	fmt.Fprintf(t.out, "%s -a %q\n", first, strings.Join(s.objects, " "))
	fmt.Fprintf(t.out, "complete -c shim6tool -n '__fish_prev_arg_in %s' -F\n", strings.Join(s.files, " "))
	for _, n := range s.next {
		fmt.Fprintf(t.out, "complete -c shim6tool -n 'test \"$(__shim6tool_words)\" = \"%s\"' -a %q\n", n.after, n.words)
	}
}
