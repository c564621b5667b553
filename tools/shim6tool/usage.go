// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Help is written in two columns of a screen. shim6tool(8) says more.
const (
	usageWidth  = 80
	usageColumn = 28
)

const usageEnd = `
Words may be shortened: 'shim6tool c s' is 'shim6tool context show'. 'shim6tool
help OBJECT' prints the part of one object. TIME is a number and a unit (ms, s,
m, h). TAG may be hexadecimal, with 0x. Exit status: 0; 1 for a mistake in the
words; 2 if the kernel or shim6d refuses, or if something does not verify, is
not answered or fails.
`

// usage is what help prints: all words.
func usage(app *cli.App) string {
	var b strings.Builder
	b.WriteString("usage: shim6tool [OPTIONS] [OBJECT [COMMAND [ARGUMENTS]]]\n\n" +
		"Without words it shows on one screen how things are.\n\nOBJECT:\n")
	for _, o := range objects {
		row(&b, fmt.Sprintf("  %-11s ", o.name), 14, o.help)
	}
	for _, o := range objects {
		if o.with == "" {
			b.WriteString("\n" + partUsage(o))
		}
	}
	b.WriteString("\nOPTIONS:\n")
	for _, o := range appOptions(app) {
		entry(&b, o.usage(), o.help)
	}
	b.WriteString(usageEnd)
	return b.String()
}

// objectUsage is what help prints of an object.
func objectUsage(o objectRow) string {
	o = o.part()
	return "usage: shim6tool [OPTIONS] " + strings.Join(o.sharers(), "|") + " [COMMAND [ARGUMENTS]]\n\n" + partUsage(o)
}

// commandUsage is what help prints of a command.
func commandUsage(c *command) string {
	var b strings.Builder
	row(&b, "usage: ", 11, strings.TrimSpace("shim6tool [OPTIONS] "+c.name()+" "+c.args))
	b.WriteByte('\n')
	row(&b, "", 0, c.help)
	f := c.form(&tool{})
	if f.context != nil {
		b.WriteString("\n" + contextIs + ".\n")
	}
	keysUsage(&b, objectNamed(c.object).part().keys, f.keys)
	return b.String()
}

// partUsage is the part of help on an object, and on those that share it.
func partUsage(o objectRow) string {
	names := o.sharers()
	var b strings.Builder
	title := "COMMAND of " + strings.Join(names, " and ")
	if o.about != "" {
		title += "; " + o.about
	}
	row(&b, "", 0, title+":")
	for _, name := range names {
		for i, c := range commandsOf(name) {
			synopsis := strings.TrimSpace(c.verb + " " + c.args)
			if len(names) > 1 {
				synopsis = name + " " + synopsis
			}
			help := c.help
			if i == 0 {
				help += " (the default)"
			}
			entry(&b, synopsis, help)
		}
	}
	keysUsage(&b, o.keys, explained(names))
	return b.String()
}

// explained returns the keys of objects that help explains.
func explained(objects []string) []key {
	var keys []key
	for _, name := range objects {
		for _, c := range commandsOf(name) {
			for _, k := range c.form(&tool{}).keys {
				if k.help != "" && !slices.ContainsFunc(keys, func(x key) bool { return x.name == k.name }) {
					keys = append(keys, k)
				}
			}
		}
	}
	return keys
}

// keysUsage writes the keys that have an explanation, below a title.
func keysUsage(b *strings.Builder, title string, keys []key) {
	for _, k := range keys {
		if k.help == "" {
			continue
		}
		if title != "" {
			b.WriteString("\n" + title + ":\n")
			title = ""
		}
		entry(b, k.usage(), k.help)
	}
}

// entry writes words in the first column, and what they mean in the second one.
func entry(b *strings.Builder, words, help string) {
	if len(words) <= usageColumn-4 {
		row(b, fmt.Sprintf("  %-*s", usageColumn-2, words), usageColumn, help)
		return
	}
	row(b, "  ", 6, words)
	row(b, strings.Repeat(" ", usageColumn), usageColumn, help)
}

// row writes a text after a head, in lines as wide as the screen; all but the first are indented.
func row(b *strings.Builder, head string, indent int, text string) {
	line := head
	for i, word := range splitWords(text) {
		if i > 0 && len(line)+1+len(word) > usageWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = strings.Repeat(" ", indent) + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// group is a word of a synopsis, or several in brackets.
var group = regexp.MustCompile(`\[[^\[\]]*\]\S*|\S+`)

// splitWords splits a text where lines may be broken: not within brackets.
func splitWords(text string) []string { return group.FindAllString(text, -1) }

// option is an option of the program, as it is shown.
type option struct {
	// names are written with their hyphens, the shortest first.
	names []string
	// value stands for the value, "" if the option has none.
	value, help string
}

func (o *option) usage() string {
	return strings.TrimSpace(strings.Join(o.names, ", ") + " " + o.value)
}

var placeholder = regexp.MustCompile("`([^`]+)`")

// appOptions returns the options of the program.
func appOptions(app *cli.App) []option {
	var list []option
	for _, f := range app.Flags {
		o := option{}
		for _, n := range f.Names() {
			o.names = append(o.names, "-"+n)
		}
		slices.SortFunc(o.names, func(a, b string) int { return len(a) - len(b) })
		d := f.(cli.DocGenerationFlag)
		o.help = d.GetUsage()
		if m := placeholder.FindStringSubmatch(o.help); d.TakesValue() && m != nil {
			o.value = m[1]
		}
		o.help = strings.ReplaceAll(o.help, "`", "")
		list = append(list, o)
	}
	return list
}
