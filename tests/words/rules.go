// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rule is one that a program can check.
type rule struct {
	name   string
	advice string
	find   *regexp.Regexp // of words: what breaks it
}

// words are outdated or wrong in any place. Text in quotes is about a word and does not use it:
// it is let through.
var words = []*rule{
	word("or else", `say "otherwise"`, `or else`),
	word("whence", "say where from", `whence|whither|thence`),
	word("in vain", "say without effect, or that it fails", `in vain`),
	word("anew", `say "again", or "new"`, `anew`),
	word("be it", `say "is", or "whether"`, `be it|be they|it be|they be`),
	word("at last", `say "finally", or "in the end"`, `at last`),
	word("but for", `say "except"`, `but for`),
	word("nought", `say "nothing"`, `nought|naught`),
	word("free who", "name the person or thing", `(for|to|of|by|from|with|as|than|on|in|before|after) who`),
}

func word(name, advice, expr string) *rule {
	return &rule{name, advice, regexp.MustCompile(`(?i)\b(` + expr + `)\b`)}
}

// freeSubject is a sentence that begins with a clause in place of a noun, as in "What is sent
// is counted" and "Of what is listed the first counts". Questions are let through.
var freeSubject = &rule{"free subject", "begin with a noun",
	regexp.MustCompile(`(?:^|[.!?]["')]*\s+)((?:Who|What|(?:Of|For|To|From|By|With|In|On|At) (?:who|what))\s)`)}

// Rules for the subjects of commits.
var (
	subjectForm   = &rule{name: "commit form", advice: `begin with the area and a colon: "area: what is done"`}
	subjectLength = &rule{name: "commit length", advice: fmt.Sprintf("at most %d characters", subjectMax)}
	subjectPeriod = &rule{name: "commit period", advice: "no period at the end of a subject"}
)

// rules are all, in the order of the summary.
func rules() []*rule {
	return append(slices.Clone(words), freeSubject, subjectForm, subjectLength, subjectPeriod)
}

// exceptions are texts that may break a rule, each with the files in which it may. Nothing else
// of these files is let through.
var exceptions = []struct{ file, text, why string }{}

// ignored are files that are not English of ours.
var ignored = []struct{ file, why string }{
	{"LICENSE", "the text of licenses"},
	{"go.sum", "checksums"},
	{"testdata/", "input of tests"},
	{"tests/vm/config/", "a change of any line builds the kernels again"},
	{"tests/words/rules.go", "the rules themselves"},
	{"tests/words/words_test.go", "texts that break the rules"},
	{".pem", "keys"},
	{".svg", "pictures"},
}

func isIgnored(name string) bool {
	for _, i := range ignored {
		if name == i.file || strings.HasSuffix(i.file, "/") && strings.Contains("/"+name, "/"+i.file) ||
			strings.HasPrefix(i.file, ".") && strings.HasSuffix(name, i.file) {
			return true
		}
	}
	return false
}

// check returns the findings in a file.
func check(name, text string) []finding {
	if isIgnored(name) || strings.Contains(text, "\x00") {
		return nil
	}
	var found []finding
	for _, b := range split(name, text) {
		add := func(r *rule, at, end int) {
			around := b.text[max(0, at-20):min(len(b.text), end+20)]
			if !isQuoted(b.text, at, end) && !isException(name, around) {
				found = append(found, finding{fmt.Sprintf("%s:%d", name, b.line(at)), r, strings.TrimSpace(around)})
			}
		}
		for _, r := range words {
			for _, m := range r.find.FindAllStringIndex(b.text, -1) {
				add(r, m[0], m[1])
			}
		}
		if !b.prose {
			continue
		}
		for _, m := range freeSubject.find.FindAllStringSubmatchIndex(b.text, -1) {
			if !isQuestion(b.text[m[2]:]) {
				add(freeSubject, m[2], m[3])
			}
		}
	}
	return found
}

var sentenceEnd = regexp.MustCompile(`[.!?]["')]*(\s|$)`)

// isQuestion tells whether the first sentence of text is one.
func isQuestion(text string) bool {
	end := sentenceEnd.FindStringIndex(text)
	return end != nil && text[end[0]] == '?'
}

// isQuoted tells whether text[at:end] stands in quotes.
func isQuoted(text string, at, end int) bool {
	if at == 0 || end == len(text) {
		return false
	}
	before, after := text[at-1], text[end]
	return before == after && strings.IndexByte("\"'`", before) >= 0
}

func isException(name, around string) bool {
	for _, e := range exceptions {
		if name == e.file && strings.Contains(around, e.text) {
			return true
		}
	}
	return false
}
