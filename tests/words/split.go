// SPDX-License-Identifier: GPL-2.0

package main

import (
	"path"
	"regexp"
	"sort"
	"strings"
)

// block is text that belongs together: a comment, a paragraph, or a line of code.
type block struct {
	prose  bool   // it is sentences
	text   string // lines are joined by spaces
	lines  []int  // their numbers in the file
	starts []int  // where each begins in text
}

// line returns the number of the line that has the octet at a place of the text.
func (b *block) line(at int) int {
	return b.lines[sort.SearchInts(b.starts, at+1)-1]
}

// blocks collects what split finds.
type blocks struct {
	all  []block
	open bool // the next line of prose goes on with the last block
}

// code takes a line in which there are no sentences.
func (l *blocks) code(n int, text string) {
	l.all = append(l.all, block{text: text, lines: []int{n}, starts: []int{0}})
	l.open = false
}

// prose takes a line of a comment or a paragraph. An empty one ends the block.
func (l *blocks) prose(n int, text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		l.open = false
		return
	}
	if !l.open {
		l.all = append(l.all, block{prose: true})
		l.open = true
	}
	b := &l.all[len(l.all)-1]
	if b.text != "" {
		b.text += " "
	}
	b.lines = append(b.lines, n)
	b.starts = append(b.starts, len(b.text))
	b.text += text
}

// fresh takes a line of prose that does not go on with the one before.
func (l *blocks) fresh(n int, text string) {
	l.open = false
	l.prose(n, text)
}

// split returns the blocks of a file, by what its name says of its language.
func split(name, text string) []block {
	l := &blocks{}
	each := l.hash
	switch path.Ext(name) {
	case ".go", ".c", ".h":
		each = l.slashes()
	case ".md", ".txt":
		each = l.markdown()
	case ".5", ".7", ".8":
		each = l.mdoc
	case ".py":
		each = l.python()
	case ".yaml":
		each = l.yaml
	}
	for i, line := range strings.Split(text, "\n") {
		each(i+1, line)
	}
	return l.all
}

// item begins a block of its own: a list's, or kernel-doc's about a parameter.
var item = regexp.MustCompile(`^(?:[-*] |[0-9]+[.)] |@\w+:|\|)\s*`)

// comment takes a line of a comment, without its marks.
func (l *blocks) comment(n int, text string) {
	text = strings.TrimSpace(text)
	if m := item.FindString(text); m != "" {
		l.fresh(n, text[len(m):])
		return
	}
	l.prose(n, text)
}

// hash is for languages whose comments begin with a number sign.
func (l *blocks) hash(n int, line string) {
	if text, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
		l.comment(n, text)
		return
	}
	l.code(n, line)
}

// slashes is for Go and C.
func (l *blocks) slashes() func(int, string) {
	inside := false
	return func(n int, line string) {
		text := strings.TrimSpace(line)
		if !inside {
			if rest, ok := strings.CutPrefix(text, "//"); ok {
				l.comment(n, rest)
				return
			}
			if !strings.HasPrefix(text, "/*") {
				code, comment := trailing(line)
				l.code(n, code)
				if comment != "" {
					l.fresh(n, comment)
					l.open = false
				}
				return
			}
			inside, l.open = true, false
		}
		if before, after, ok := strings.Cut(text, "*/"); ok {
			inside = false
			l.comment(n, strings.TrimLeft(before, "/* \t"))
			l.open = false
			l.code(n, after)
			return
		}
		l.comment(n, strings.TrimLeft(text, "/* \t"))
	}
}

// trailing parts a line of Go or C into code and the comment behind it.
func trailing(line string) (code, comment string) {
	for _, mark := range []string{" // ", "\t// ", " /* ", "\t/* "} {
		if at := strings.LastIndex(line, mark); at >= 0 && strings.Count(line[:at], `"`)%2 == 0 {
			return line[:at], strings.TrimSuffix(strings.TrimSpace(line[at+len(mark):]), "*/")
		}
	}
	return line, ""
}

// python has comments and documentation in triple quotes.
func (l *blocks) python() func(int, string) {
	inside := false
	return func(n int, line string) {
		text := strings.TrimSpace(line)
		quotes := strings.Count(text, `"""`)
		if !inside && quotes == 0 {
			l.hash(n, line)
			return
		}
		if !inside {
			l.open = false
		}
		l.comment(n, strings.ReplaceAll(text, `"""`, ""))
		if quotes%2 == 1 {
			inside = !inside
		}
		if !inside {
			l.open = false
		}
	}
}

// markdown has paragraphs; headings are names rather than sentences.
func (l *blocks) markdown() func(int, string) {
	fenced := false
	return func(n int, line string) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "```"):
			fenced = !fenced
			l.code(n, text)
		case fenced, strings.HasPrefix(text, "#"):
			l.code(n, text)
		default:
			l.comment(n, text)
		}
	}
}

// macro begins with what parts paragraphs in mdoc(7).
var macro = regexp.MustCompile(`^\.(?:Sh|Ss|It|Pp|Bl|El|Bd|Ed|D1|Dl|Nd|Dd|Dt|Os|sp|br)\b`)

// mdoc is for manual pages.
func (l *blocks) mdoc(n int, line string) {
	switch {
	case strings.HasPrefix(line, `.\"`):
		l.code(n, line)
	case macro.MatchString(line):
		l.code(n, line)
	case strings.HasPrefix(line, "."):
		_, words, _ := strings.Cut(line, " ")
		l.prose(n, words)
	default:
		l.prose(n, line)
	}
}

var yamlKey = regexp.MustCompile(`^[\s-]*[a-z-]+:(?:\s+[>|]-?)?\s*`)

// yaml has comments, and values that are text.
func (l *blocks) yaml(n int, line string) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		l.hash(n, line)
		return
	}
	if m := yamlKey.FindString(line); m != "" {
		l.fresh(n, line[len(m):])
		return
	}
	l.prose(n, line)
}
