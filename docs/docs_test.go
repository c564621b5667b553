// SPDX-License-Identifier: BSD-3-Clause

// Package docs tests the documents: the files and headings that they name are there.
package docs

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents are all Markdown files of the repository, from its root.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md"} {
		found, err := filepath.Glob("../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) < 10 {
		t.Fatalf("only %q", all)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)
	// path is a file or folder of the repository, as text names it.
	path = regexp.MustCompile("`((?:\\.ci|daemon|docs|examples|findings|kernel|netlink|packaging|tests|tools)/[\\w./*-]*)`")
)

// anchors are what a link to a heading can name, as GitHub makes it.
func anchors(text string) map[string]bool {
	a := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		a[strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return a
}

func TestLinks(t *testing.T) {
	for _, doc := range documents(t) {
		text := read(t, doc)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			target, to := doc, text
			if name != "" {
				target = filepath.Join(filepath.Dir(doc), name)
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s: a link to %s, which is not there", doc, name)
					continue
				}
			}
			if anchor == "" {
				continue
			}
			if name != "" {
				to = read(t, target)
			}
			if !anchors(to)[anchor] {
				t.Errorf("%s: a link to #%s of %s, which has no such heading", doc, anchor, target)
			}
		}
	}
}

// Files move, and documents that name them stay behind.
func TestPaths(t *testing.T) {
	for _, doc := range documents(t) {
		for _, m := range path.FindAllStringSubmatch(read(t, doc), -1) {
			if found, err := filepath.Glob("../" + m[1]); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which is not there", doc, m[1])
			}
		}
	}
}

// The README has the two commands, of which the second is what CI runs.
func TestReadme(t *testing.T) {
	text := read(t, "../README.md")
	if n := strings.Count(text, "\n"); n > 150 {
		t.Errorf("%d lines: it is the door, and not the house", n)
	}
	for _, command := range []string{"make demo", "make test"} {
		if !strings.Contains(text, "\n    "+command+" ") {
			t.Errorf("it does not tell to run %q", command)
		}
	}
	if !strings.Contains(read(t, "../.ci/run"), "exec make test\n") {
		t.Error("CI runs something else than the test command of the README")
	}
}

// Pictures can be read.
func TestPictures(t *testing.T) {
	names, err := filepath.Glob("*.svg")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		d := xml.NewDecoder(strings.NewReader(read(t, name)))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}
